import { addIcon, closeIcon, notebookIcon, ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import type { Job } from '../api/schemas';
import { Command } from '../commands';
import { useModels } from '../components/hooks';
import { alphaIcon, uploadIcon } from '../components/icons';
import {
  Button,
  ConnectionBanner,
  jobStep,
  Link,
  Loading,
  ProgressBar,
  secondsLeft,
  Trouble
} from '../components/parts';
import { plural, seconds } from '../format';
import type { Lab } from '../lab';
import { FirstVisit } from './first';
import { StrategyTable } from './strategies';
import { Templates } from './templates';

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
        <Link onClick={() => run(Command.takeTour)}>Take the tour</Link>
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
