import { runIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Dataset } from '../api/schemas';
import { Command } from '../commands';
import { datasetIcon, reportState, StateIcon, uploadIcon } from '../components/icons';
import { Button, Link, Loading, Trouble } from '../components/parts';
import { datasetsInOrder, describeBars, describeCalendar } from '../datasets/describe';
import { month, ratio } from '../format';
import type { Lab } from '../lab';
import { inOrder } from '../strategies/templates';
import type { Run } from './panel';
import { Templates } from './templates';

const STEPS = [
  [
    'Pick a template',
    'A moving-average cross is a good first one. It opens with its notebook, ready to run.'
  ],
  ['Run it on real data', 'eurusd-1h is already here, checked, with its passport. Two seconds.'],
  [
    'Read the verdict',
    'Before the curve: did it look ahead, what did it cost, and did it beat holding?'
  ]
];

/** Home before there is a strategy: three steps and one blue button. */
export function FirstVisit({ lab, run }: { lab: Lab; run: Run }): JSX.Element {
  const [start] = inOrder(lab.templates.items);
  return (
    <div className="alp-First">
      <h1>A strategy you can believe, in five minutes</h1>
      <p className="alp-First-promise">
        The lab runs your idea on real market data, looks for look-ahead in every run, and counts
        every trial.
      </p>
      <ol className="alp-First-steps">
        {STEPS.map(([title, text], i) => (
          <li key={title}>
            <span aria-hidden="true">{i + 1}</span>
            <div>
              <strong>{title}</strong>
              <p>{text}</p>
            </div>
          </li>
        ))}
      </ol>
      <div className="alp-First-actions">
        <Button
          primary
          disabled={!start}
          onClick={() => run(Command.newStrategy, { template: start.id })}
        >
          <runIcon.react tag="span" width="14px" /> Start with the{' '}
          {(start?.title ?? 'moving-average cross').toLowerCase()}
        </Button>
        <Button onClick={() => run(Command.addData)}>
          <uploadIcon.react tag="span" /> Bring my own data
        </Button>
        <Button disabled={!start} onClick={() => run(Command.takeTour)}>
          Take the tour, 5 min
        </Button>
      </div>
      <Templates lab={lab} run={run} title="Or choose another idea">
        each teaches one thing, and has run on the data below
      </Templates>
      <section>
        <h2>Data that is here already</h2>
        {lab.failureOf(lab.datasets) !== null && (
          <Trouble title="The datasets could not be read." text={lab.failureOf(lab.datasets)} />
        )}
        {lab.datasets.ready ? (
          <DataTable datasets={datasetsInOrder(lab.datasets.items)} run={run} />
        ) : (
          lab.failureOf(lab.datasets) === null && <Loading lines={3} />
        )}
      </section>
    </div>
  );
}

function DataTable({ datasets, run }: { datasets: Dataset[]; run: Run }): JSX.Element {
  return (
    <table className="alp-Table">
      <tbody>
        {datasets.map(dataset => (
          <tr key={dataset.id}>
            <td>
              <datasetIcon.react tag="span" width="14px" />
            </td>
            <td>
              <strong>{dataset.name}</strong>
            </td>
            <td className="alp-quiet">
              {describeBars(dataset)}, {month(dataset.start)} – {month(dataset.end)}
            </td>
            <td className="alp-quiet" title={dataset.description}>
              {describeCalendar(dataset.calendar)}
            </td>
            <td className="alp-number">
              <StateIcon state={reportState(dataset.errors, dataset.warnings)} />{' '}
              {ratio(dataset.score)}
            </td>
            <td>
              <Link onClick={() => run(Command.openDataset, { id: dataset.id })}>Passport</Link>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
