import React, { useState } from 'react';

import { Command } from '../commands';
import type { Run } from '../home/panel';
import type { Lab } from '../lab';
import type { Uploads } from '../datasets/uploads';
import { messageOf } from '../api/client';
import { nameFromFile } from '../api/upload';
import { readDropped } from './dropped';

/** Where a file with bars, or a folder with a strategy, is dropped. */
export function DropZone(props: { lab: Lab; uploads: Uploads; run: Run }): JSX.Element {
  const { lab, uploads, run } = props;
  const [over, setOver] = useState(false);
  const [error, setError] = useState<string | null>(null);

  const drop = async (event: React.DragEvent) => {
    event.preventDefault();
    setOver(false);
    setError(null);
    try {
      const { data, strategies } = await readDropped(event.dataTransfer);
      for (const file of data) {
        const name = nameFromFile(file.name);
        const detail = await uploads.add(file, name, '');
        if (detail) {
          run(Command.openDataset, { id: detail.dataset.id });
        }
      }
      for (const dropped of strategies) {
        const { id } = await lab.client.createStrategyFromCode(dropped.name, dropped.code);
        await lab.strategies.refresh();
        run(Command.openStrategy, { id });
      }
      if (data.length + strategies.length === 0) {
        setError('There is no CSV or Parquet file and no strategy.py in what was dropped.');
      }
    } catch (reason) {
      setError(messageOf(reason));
    }
  };

  return (
    <div
      className={`alp-Drop${over ? ' alp-mod-over' : ''}`}
      onDragOver={event => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={event => void drop(event)}
    >
      {error ?? (
        <button type="button" className="alp-Plain" onClick={() => run(Command.addData)}>
          Drop a CSV or Parquet file here to add a dataset
        </button>
      )}
    </div>
  );
}
