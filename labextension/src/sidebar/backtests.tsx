import React from 'react';

import type { Backtest, Job } from '../api/schemas';
import { Command } from '../commands';
import { useModels } from '../components/hooks';
import { StateIcon } from '../components/icons';
import { Loading, ProgressBar, secondsLeft } from '../components/parts';
import { ago, percent, ratio, seconds, time } from '../format';
import type { Run } from '../home/panel';
import type { Lab } from '../lab';
import { More, Note, Row, type ShowMenu } from './rows';

/** What runs, then what has run. */
export function BacktestList(props: { lab: Lab; run: Run; showMenu: ShowMenu }): JSX.Element {
  const { lab, run } = props;
  const { backtests, jobs } = lab;
  useModels(backtests, jobs, lab);
  const active = new Set(jobs.items.map(job => job.subject_id));
  const past = backtests.items.filter(backtest => !active.has(backtest.id));
  const failure = lab.failureOf(backtests);
  if (!backtests.ready) {
    return failure === null ? (
      <Loading />
    ) : (
      <Note error>The backtests could not be read: {failure}</Note>
    );
  }
  if (past.length + active.size === 0) {
    return (
      <Note>
        Nothing has run yet. A backtest appears here as soon as it starts, and stays when you close
        the page.
      </Note>
    );
  }
  return (
    <>
      <ul className="alp-Rows">
        {jobs.items.map(job => (
          <RunningRow key={job.id} job={job} run={run} />
        ))}
        {past.map(backtest => (
          <BacktestRow key={backtest.id} backtest={backtest} {...props} />
        ))}
      </ul>
      <More next={backtests.next} onMore={() => void backtests.more()} />
    </>
  );
}

function RunningRow({ job, run }: { job: Job; run: Run }): JSX.Element {
  const left = secondsLeft(job);
  const rest = left === null ? '' : ` · ${seconds(left)} left`;
  return (
    <li className="alp-Running" data-job={job.id}>
      <button
        type="button"
        className="alp-Plain alp-Row-name"
        onClick={() => run(Command.openBacktest, { id: job.subject_id })}
      >
        {job.title}
      </button>
      <div className="alp-Running-line">
        <ProgressBar value={job.progress} label={job.title} />
        <small>{job.state === 'waiting' ? 'waiting' : `${percent(job.progress, 0)}${rest}`}</small>
      </div>
      <button
        type="button"
        className="alp-Stop"
        title="Cancel"
        aria-label={`Cancel ${job.title}`}
        onClick={() => run(Command.cancelJob, { id: job.id })}
      >
        ■
      </button>
    </li>
  );
}

function BacktestRow(props: { backtest: Backtest; run: Run; showMenu: ShowMenu }): JSX.Element {
  const { backtest, run } = props;
  const { id, job, verdict } = backtest;
  const when = job?.ended_at ?? backtest.created_at;
  const failed = job?.state === 'failed' || job?.state === 'cancelled';
  const distrusted = verdict?.icon === 'octagon';
  return (
    <Row
      name={`run ${backtest.number} · ${backtest.strategy_name}`}
      title={`${verdict?.short ?? job?.error?.message ?? job?.state ?? 'Not run yet'} · ${time(when)}`}
      detail={
        failed || distrusted ? (
          <>
            <StateIcon state={job?.state === 'cancelled' ? 'circle' : 'octagon'} size={11} />{' '}
            {distrusted ? verdict.short : job?.state === 'cancelled' ? 'cancelled' : 'stopped'}
          </>
        ) : (
          `${backtest.dataset_name} · ${ago(when)}`
        )
      }
      onOpen={() => run(Command.openBacktest, { id })}
      onMenu={event =>
        props.showMenu(event, [
          [Command.openBacktest, { id }],
          [Command.deleteBacktest, { id }]
        ])
      }
    >
      {backtest.metrics && (
        <span className={`alp-Row-number${distrusted ? ' alp-struck' : ''}`}>
          {ratio(backtest.metrics.sharpe)}
        </span>
      )}
    </Row>
  );
}
