/** What was dropped and can be used: files with bars, and strategies as a name and their code. */
export type Dropped = { data: File[]; strategies: { name: string; code: string }[] };

const DATA = /\.(csv|txt|parquet|pq)(\.(gz|zst|zstd))?$/i;

/** Sort what was dropped; folders are read one level deep, for a `strategy.py`. */
export async function readDropped(transfer: DataTransfer): Promise<Dropped> {
  const dropped: Dropped = { data: [], strategies: [] };
  // The entries have to be taken before the first await: the browser empties the list after it.
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.() ?? null);
  for (const file of transfer.files) {
    if (DATA.test(file.name)) {
      dropped.data.push(file);
    } else if (file.name.endsWith('.py')) {
      dropped.strategies.push({ name: file.name.replace(/\.py$/, ''), code: await file.text() });
    }
  }
  for (const entry of entries) {
    if (entry?.isDirectory) {
      const code = await readStrategy(entry as FileSystemDirectoryEntry);
      if (code !== null) {
        dropped.strategies.push({ name: entry.name, code });
      }
    }
  }
  return dropped;
}

function readStrategy(folder: FileSystemDirectoryEntry): Promise<string | null> {
  return new Promise(resolve => {
    folder.getFile(
      'strategy.py',
      {},
      entry => (entry as FileSystemFileEntry).file(file => void file.text().then(resolve)),
      () => resolve(null)
    );
  });
}
