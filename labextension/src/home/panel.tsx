import { addIcon, closeIcon, notebookIcon, ReactWidget, runIcon } from '@jupyterlab/ui-components';
import React from 'react';

import type { Dataset, Job, Strategy, StrategyTemplate } from '../api/schemas';
import { Command } from '../commands';
import { useModels } from '../components/hooks';
import {
  alphaIcon,
  datasetIcon,
  reportState,
  StateIcon,
  stateName,
  uploadIcon
} from '../components/icons';
import {
  Button,
  ConnectionBanner,
  jobStep,
  Link,
  Loading,
  ProgressBar,
  secondsLeft,
  Sparkline,
  Trouble
} from '../components/parts';
import { ago, count, month, percent, plural, ratio, seconds, time } from '../format';
import type { Lab } from '../lab';
import { describeBars, describeCalendar } from '../datasets/describe';
import { BLANK, inOrder, thumbnailUrl } from '../strategies/templates';

/** Executes a command. */
export type Run = (command: string, args?: Record<string, string | boolean | null>) => void;

/** The first tab: what runs, the strategies with their last result, and the templates. */
export class HomePanel extends ReactWidget {
  constructor(
    private lab: Lab,
    private run: Run
  ) {
    super();
    this.id = 'alphintra-home';
    this.title.label = 'Home';
    this.title.icon = alphaIcon;
    this.title.closable = true;
    this.addClass('alp-Page');
    this.addClass('alp-Home');
    this.node.tabIndex = -1;
  }

  protected render(): JSX.Element {
    return <Home lab={this.lab} run={this.run} />;
  }
}

function Home({ lab, run }: { lab: Lab; run: Run }): JSX.Element {
  useModels(lab, lab.strategies, lab.jobs, lab.templates, lab.datasets);
  const first = lab.strategies.ready && lab.strategies.items.length === 0;
  return (
    <>
      <ConnectionBanner lab={lab} />
      <div className="alp-Home-body">
        {first ? <FirstVisit lab={lab} run={run} /> : <Overview lab={lab} run={run} />}
      </div>
    </>
  );
}

function Overview({ lab, run }: { lab: Lab; run: Run }): JSX.Element {
  const { overview } = lab;
  return (
    <>
      <header className="alp-Home-header">
        <h1>Alphintra Lab</h1>
        <span className="alp-quiet">
          {overview &&
            `${plural(overview.strategies, 'strategy', 'strategies')}, ${plural(overview.datasets, 'dataset')}, ${plural(overview.trials, 'trial')} counted`}
        </span>
        <div className="alp-Home-actions">
          <Button primary onClick={() => run(Command.newStrategy)}>
            <addIcon.react tag="span" /> New strategy
          </Button>
          <Button onClick={() => run(Command.addData)}>
            <uploadIcon.react tag="span" /> Add data
          </Button>
          <Button onClick={() => run('notebook:create-new')}>
            <notebookIcon.react tag="span" /> Notebook
          </Button>
        </div>
      </header>
      {lab.jobs.items.length > 0 && <Running lab={lab} run={run} />}
      <section>
        <h2>
          Strategies, with their last result
          <span className="alp-Home-more">
            <Link onClick={() => run(Command.openPanel)}>All strategies</Link>
          </span>
        </h2>
        {lab.failureOf(lab.strategies) !== null && (
          <Trouble title="The strategies could not be read." text={lab.failureOf(lab.strategies)} />
        )}
        {lab.strategies.ready ? (
          <StrategyTable strategies={lab.strategies.items.slice(0, 20)} run={run} />
        ) : (
          lab.failureOf(lab.strategies) === null && <Loading lines={5} />
        )}
      </section>
      <Templates lab={lab} run={run} title="Start from a template">
        each teaches one idea, and has run on the data you see
      </Templates>
    </>
  );
}

function Running({ lab, run }: { lab: Lab; run: Run }): JSX.Element {
  const parts = [
    `${lab.running.length} running`,
    ...(lab.waiting.length > 0 ? [`${lab.waiting.length} waiting`] : []),
    ...(lab.overview ? [plural(lab.overview.cores, 'core')] : [])
  ];
  return (
    <section>
      <h2>
        Running <small>{parts.join(', ')}. They go on when you close this page.</small>
      </h2>
      <ul className="alp-Home-jobs">
        {lab.jobs.items.map(job => (
          <RunningJob key={job.id} job={job} run={run} />
        ))}
      </ul>
    </section>
  );
}

function RunningJob({ job, run }: { job: Job; run: Run }): JSX.Element {
  const left = secondsLeft(job);
  return (
    <li data-job={job.id}>
      <div className="alp-Home-job">
        <strong>{job.title}</strong>
        <ProgressBar value={job.progress} label={job.title} />
      </div>
      <div className="alp-Home-jobState alp-quiet">
        <span>{left === null ? '' : `${seconds(left)} left`}</span>
        <span>{jobStep(job)}</span>
      </div>
      <Button onClick={() => run(Command.cancelJob, { id: job.id })}>
        <closeIcon.react tag="span" /> Cancel
      </Button>
    </li>
  );
}

function StrategyTable(props: { strategies: Strategy[]; run: Run }): JSX.Element {
  return (
    <div className="alp-Home-scroll">
      <table className="alp-Table alp-Home-strategies">
        <thead>
          <tr>
            <th aria-label="State" />
            <th>Strategy</th>
            <th>Data</th>
            <th>Equity</th>
            <th className="alp-number">Return</th>
            <th className="alp-number">Sharpe</th>
            <th className="alp-number">Drawdown</th>
            <th className="alp-number">Trials</th>
            <th>Verdict</th>
            <th className="alp-number">When</th>
          </tr>
        </thead>
        <tbody>
          {props.strategies.map(strategy => (
            <StrategyRow key={strategy.id} strategy={strategy} run={props.run} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function StrategyRow({ strategy, run }: { strategy: Strategy; run: Run }): JSX.Element {
  const last = strategy.last_result;
  const struck = last?.icon === 'octagon' ? 'alp-number alp-struck' : 'alp-number';
  const openResult = () =>
    last
      ? run(Command.openBacktest, { id: last.backtest_id })
      : run(Command.openStrategy, { id: strategy.id });
  return (
    <tr className="alp-mod-clickable" onClick={openResult}>
      <td>{last && <StateIcon state={stateName(last.icon)} />}</td>
      <td
        onClick={event => {
          event.stopPropagation();
          run(Command.openStrategy, { id: strategy.id });
        }}
      >
        <button type="button" className="alp-Link alp-mod-strong" title="Open the strategy">
          {strategy.name}
        </button>
      </td>
      <td className="alp-quiet">{last?.dataset ?? ''}</td>
      <td>{last && <Sparkline values={last.sparkline} width={104} height={18} />}</td>
      <td className={struck}>{percent(last?.total_return, 1, true)}</td>
      <td className={struck}>
        <strong>{ratio(last?.sharpe)}</strong>
      </td>
      <td className="alp-number">{percent(last?.max_drawdown)}</td>
      <td className="alp-number">{count(strategy.trials)}</td>
      <td>
        {strategy.missing ? (
          'Its folder is gone'
        ) : last ? (
          <button type="button" className="alp-Plain" title="Open the result">
            {last.verdict}
          </button>
        ) : (
          <span className="alp-quiet">Not run yet</span>
        )}
      </td>
      <td className="alp-number alp-quiet" title={last ? time(last.ended_at) : undefined}>
        {last ? ago(last.ended_at) : ''}
      </td>
    </tr>
  );
}

function Templates(props: {
  lab: Lab;
  run: Run;
  title: string;
  /** A template that is offered elsewhere already. */
  skip?: string;
  children: string;
}): JSX.Element {
  const { lab, run } = props;
  const { templates } = lab;
  return (
    <section>
      <h2>
        {props.title} <small>{props.children}</small>
      </h2>
      {lab.failureOf(templates) !== null && (
        <Trouble title="The templates could not be read." text={lab.failureOf(templates)} />
      )}
      {!templates.ready && templates.error === null && <Loading lines={2} />}
      <div className="alp-Home-templates">
        {inOrder(templates.items)
          .filter(({ id }) => id !== props.skip)
          .map(template => (
            <TemplateCard key={template.id} template={template} run={run} />
          ))}
      </div>
    </section>
  );
}

function TemplateCard({ template, run }: { template: StrategyTemplate; run: Run }): JSX.Element {
  return (
    <button
      type="button"
      className={template.id === BLANK ? 'alp-Template alp-mod-blank' : 'alp-Template'}
      title={template.summary}
      data-template={template.id}
      onClick={() => run(Command.newStrategy, { template: template.id })}
    >
      {template.id === BLANK ? (
        <>
          <addIcon.react tag="span" width="20px" />
          {template.title}
        </>
      ) : (
        <>
          <img src={thumbnailUrl(template.thumbnail)} alt="" />
          <strong>{template.title}</strong>
          <small>{template.subtitle}</small>
        </>
      )}
    </button>
  );
}

const STEPS = [
  [
    'Pick a template',
    'A moving-average cross is a good first one. It opens with its notebook, ready to run.'
  ],
  ['Run it on real data', 'eurusd-1h is already here, checked, with its passport. Two seconds.'],
  [
    'Read the verdict',
    'Before the curve: did it look ahead, what did it cost, and would luck do as well?'
  ]
];

function FirstVisit({ lab, run }: { lab: Lab; run: Run }): JSX.Element {
  const [start, ...others] = inOrder(lab.templates.items);
  return (
    <div className="alp-First">
      <h1>A strategy you can believe, in five minutes</h1>
      <p className="alp-First-promise">
        The lab runs your idea on real market data, looks for look-ahead in every run, counts every
        trial, and tells you what luck would have done.
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
      </div>
      {(others.length > 0 || !lab.templates.ready) && (
        <Templates lab={lab} run={run} title="Or choose another idea" skip={start?.id}>
          each teaches one thing, and has run on the data below
        </Templates>
      )}
      <section>
        <h2>Data that is here already</h2>
        {lab.failureOf(lab.datasets) !== null && (
          <Trouble title="The datasets could not be read." text={lab.failureOf(lab.datasets)} />
        )}
        {lab.datasets.ready ? (
          <DataTable datasets={lab.datasets.items} run={run} />
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
