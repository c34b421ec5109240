import { Notification } from '@jupyterlab/apputils';

import { messageOf } from '../api/client';

/** Let the browser save what is at a URL of the lab. */
export function download(url: string, name = ''): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
}

/** Let the browser save a picture once it is drawn, under a name made of these words. */
export async function savePicture(drawing: Promise<Blob>, ...words: string[]): Promise<void> {
  try {
    const url = URL.createObjectURL(await drawing);
    download(url, `${words.join('-').replace(/[^\p{L}\p{N}._-]+/gu, '-')}.png`);
    URL.revokeObjectURL(url);
  } catch (error) {
    Notification.error(`The picture was not saved: ${messageOf(error)}`);
  }
}
