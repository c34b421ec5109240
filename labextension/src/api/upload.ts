import { ApiError, type Client, ConnectionLost, readAnswer } from './client';
import type { DatasetDetail } from './schemas';

/** What of a file has been sent, in bytes. */
export type Progress = { sent: number; total: number };

/**
 * Send a file as it is. `fetch` does not tell how much was sent, XMLHttpRequest does.
 */
export function uploadDataset(
  client: Client,
  file: File,
  name: string,
  symbol: string,
  onProgress: (progress: Progress) => void,
  signal?: AbortSignal
): Promise<DatasetDetail> {
  const url = client.url('api/datasets/upload', { name, filename: file.name, symbol });
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    request.withCredentials = true;
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    for (const [header, value] of Object.entries(credentials(client))) {
      request.setRequestHeader(header, value);
    }
    request.upload.onprogress = event => onProgress({ sent: event.loaded, total: file.size });
    request.onerror = () => reject(new ConnectionLost());
    request.onabort = () => reject(new ApiError(0, 'The upload was stopped.', 'aborted'));
    request.onload = () => {
      try {
        resolve(readAnswer<DatasetDetail>(request.status, request.responseText));
      } catch (error) {
        reject(error);
      }
    };
    signal?.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}

/** A name for a dataset, from the file's: `binance 1h.csv.gz` becomes `binance-1h`. */
export function nameFromFile(filename: string): string {
  const stem = filename.replace(/\.(gz|zst|zstd)$/i, '').replace(/\.(csv|parquet|pq|txt)$/i, '');
  const name = stem
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return name || 'dataset';
}

function credentials(client: Client): Record<string, string> {
  const headers: Record<string, string> = {};
  const xsrf = document.cookie.match(/(?:^|;\s*)_xsrf=([^;]*)/);
  if (xsrf) {
    headers['X-XSRFToken'] = decodeURIComponent(xsrf[1]);
  }
  if (client.settings.token) {
    headers['Authorization'] = `token ${client.settings.token}`;
  }
  return headers;
}
