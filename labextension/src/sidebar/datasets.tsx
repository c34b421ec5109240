import React from 'react';

import type { Dataset } from '../api/schemas';
import { Command } from '../commands';
import { useModels } from '../components/hooks';
import { datasetIcon, reportState, StateIcon } from '../components/icons';
import { Loading, ProgressBar } from '../components/parts';
import { datasetsInOrder, describeBriefly } from '../datasets/describe';
import type { Upload, Uploads } from '../datasets/uploads';
import { bytes, ratio } from '../format';
import type { Run } from '../home/panel';
import type { Lab } from '../lab';
import { More, Note, Row, type ShowMenu } from './rows';

/** The datasets, and the uploads on their way. */
export function DatasetList(props: {
  lab: Lab;
  uploads: Uploads;
  run: Run;
  showMenu: ShowMenu;
}): JSX.Element {
  const { lab, uploads } = props;
  const { datasets } = lab;
  useModels(datasets, uploads, lab);
  const failure = lab.failureOf(datasets);
  return (
    <>
      <ul className="alp-Rows">
        {uploads.items.map(upload => (
          <UploadRow key={upload.key} upload={upload} uploads={uploads} />
        ))}
        {datasetsInOrder(datasets.items).map(dataset => (
          <DatasetRow key={dataset.id} dataset={dataset} {...props} />
        ))}
      </ul>
      {failure !== null && <Note error>The datasets could not be read: {failure}</Note>}
      {!datasets.ready && failure === null && <Loading />}
      {datasets.ready && datasets.items.length === 0 && (
        <Note>The lab’s own datasets are being added. They appear here in a moment.</Note>
      )}
      <More next={datasets.next} onMore={() => void datasets.more()} />
    </>
  );
}

function DatasetRow(props: { dataset: Dataset; run: Run; showMenu: ShowMenu }): JSX.Element {
  const { dataset, run } = props;
  const { id } = dataset;
  return (
    <Row
      icon={<datasetIcon.react tag="span" width="14px" />}
      name={dataset.name}
      detail={describeBriefly(dataset)}
      title={dataset.description || dataset.name}
      onOpen={() => run(Command.openDataset, { id })}
      onMenu={event =>
        props.showMenu(event, [
          [Command.openDataset, { id }],
          [Command.renameDataset, { id }],
          [Command.deleteDataset, { id }]
        ])
      }
    >
      <StateIcon state={reportState(dataset.errors, dataset.warnings)} size={12} />
      <span className="alp-Row-number">{ratio(dataset.score)}</span>
    </Row>
  );
}

function UploadRow({ upload, uploads }: { upload: Upload; uploads: Uploads }): JSX.Element {
  const { sent, total, error } = upload;
  return (
    <li className="alp-Running" data-upload={upload.name}>
      <span className="alp-Row-name">{upload.name}</span>
      {error === null ? (
        <div className="alp-Running-line">
          <ProgressBar value={total ? sent / total : 0} label={`Upload of ${upload.name}`} />
          <small>{sent < total ? `${bytes(sent)} of ${bytes(total)}` : 'reading the rows'}</small>
        </div>
      ) : (
        <p className="alp-Running-error" role="alert">
          <StateIcon state="octagon" size={12} /> {error}
        </p>
      )}
      <button
        type="button"
        className="alp-Stop"
        title={error === null ? 'Stop the upload' : 'Take it off the list'}
        aria-label={error === null ? `Stop the upload of ${upload.name}` : 'Close'}
        onClick={() => uploads.stop(upload.key)}
      >
        {error === null ? '■' : '✕'}
      </button>
    </li>
  );
}
