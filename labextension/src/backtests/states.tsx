import { closeIcon } from '@jupyterlab/ui-components';
import React, { useEffect, useState } from 'react';

import type { Backtest, Finding, Job, JobError } from '../api/schemas';
import { Command } from '../commands';
import { useNow } from '../components/hooks';
import { resultIcon, StateIcon } from '../components/icons';
import { Button, jobStep, ProgressBar, Trouble } from '../components/parts';
import { plural, seconds } from '../format';
import type { Run } from '../home/panel';
import { describeNoTrades } from './describe';
import type { ResultModel } from './model';

/** A run on its way: the steps done, the step now, and how to stop it. */
export function Running(props: { backtest: Backtest; job: Job; run: Run }): JSX.Element {
  const { backtest, job } = props;
  useNow(250);
  return (
    <section className="alp-RunState" aria-live="polite">
      <header>
        <h2>
          run {backtest.number} · {backtest.strategy_name}{' '}
          <small className="alp-quiet">{backtest.dataset_name}</small>
        </h2>
        <Button onClick={() => props.run(Command.cancelJob, { id: job.id })}>
          <closeIcon.react tag="span" /> Cancel
        </Button>
      </header>
      <p className="alp-Steps">
        {Object.entries(job.steps).map(([step, took]) => (
          <span key={step}>
            <StateIcon state="tick" /> {step} {seconds(took)}
          </span>
        ))}
        <strong>{job.state === 'waiting' ? jobStep(job) : `${job.step || 'starting'} …`}</strong>
      </p>
      <ProgressBar value={job.progress} label={job.title} />
      <p className="alp-quiet">
        It goes on when you close this page. The result appears here, the verdict first.
      </p>
    </section>
  );
}

const LIMITS: Record<string, string> = {
  memory_limit: 'Stopped at the memory limit.',
  time_limit: 'Stopped at the time limit.'
};

const TITLES: Record<string, string> = {
  bad_decisions: 'The strategy’s decisions cannot be used.',
  process_died: 'The strategy’s process ended by itself.',
  engine_error: 'The lab’s engine failed; the strategy did not.',
  worker_lost: 'The run was lost with its worker.',
  disk_full: 'The disk is full.',
  ...LIMITS
};

/** A run that ended without a result: the line, the reason, the way out. */
export function Failed(props: {
  model: ResultModel;
  backtest: Backtest;
  error: JobError;
  run: Run;
}): JSX.Element {
  const { backtest, error, model, run } = props;
  if (error.code === 'data_errors') {
    return <BlockedByData {...props} />;
  }
  const where = error.line ?? null;
  const title =
    error.code === 'strategy_error'
      ? `The strategy stopped: ${error.exception ?? 'Error'}${error.text ? ` ${error.text}` : ''}`
      : (TITLES[error.code] ?? 'The run stopped.');
  const job = backtest.job!;
  return (
    <section className="alp-RunState">
      <header>
        <h2>
          run {backtest.number} · {backtest.strategy_name}{' '}
          <small className="alp-quiet">{backtest.dataset_name}</small>
        </h2>
      </header>
      <Trouble title={title} text={error.message === error.text ? undefined : error.message}>
        {(error.traceback ?? []).length > 0 && (
          <Traceback error={error} backtest={backtest} run={run} />
        )}
        <p className="alp-Buttons">
          {where !== null && (
            <Button
              primary
              onClick={() =>
                run(Command.openLine, {
                  id: backtest.strategy_id,
                  file: error.file ?? null,
                  line: String(where)
                })
              }
            >
              Open line {where}
            </Button>
          )}
          <Button onClick={() => run(Command.openJobLog, { id: job.id })}>Full log</Button>
          <Button onClick={() => void runAgain(model, run)}>Run again</Button>
        </p>
      </Trouble>
    </section>
  );
}

function Traceback(props: { error: JobError; backtest: Backtest; run: Run }): JSX.Element {
  const { error, backtest, run } = props;
  return (
    <div className="alp-Traceback">
      {(error.traceback ?? []).map((frame, i) => (
        <div key={i}>
          <span className="alp-quiet">{frame.file}</span>{' '}
          <button
            type="button"
            className="alp-Link"
            onClick={() =>
              run(Command.openLine, {
                id: backtest.strategy_id,
                file: frame.file,
                line: String(frame.line)
              })
            }
          >
            line {frame.line}
          </button>
          , in {frame.function}
          <pre>
            {String(frame.line).padStart(4)} {frame.text}
          </pre>
        </div>
      ))}
      {error.exception && (
        <strong>
          {error.exception}
          {error.text ? `: ${error.text}` : ''}
        </strong>
      )}
    </div>
  );
}

/** Run the same backtest once more, with further data checks overridden by name if wanted. */
export async function runAgain(
  model: ResultModel,
  run: Run,
  overrides: string[] = []
): Promise<void> {
  const { settings, strategy_id, dataset_id } = model.backtest!;
  const again = await model.lab.client.createBacktest({
    strategy_id,
    dataset: dataset_id,
    symbols: settings.symbols,
    start: settings.start,
    end: settings.end,
    parameters: settings.parameters,
    cash: settings.cash,
    commission: settings.commission,
    slippage_bps: settings.slippage_bps,
    fill: settings.fill,
    whole_shares: settings.whole_shares,
    overrides: [...new Set([...settings.overrides, ...overrides])]
  });
  await model.lab.client.runBacktest(again.id);
  run(Command.openBacktest, { id: again.id });
  void model.lab.refreshJobs();
  void model.lab.backtests.refresh();
}

function BlockedByData(props: {
  model: ResultModel;
  backtest: Backtest;
  error: JobError;
  run: Run;
}): JSX.Element {
  const { model, backtest, error, run } = props;
  const [findings, setFindings] = useState<Finding[]>([]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [open, setOpen] = useState(false);

  useEffect(() => {
    let gone = false;
    // Without the report the job's own message still says what stands in the way.
    model.lab.client
      .getDataset(backtest.dataset_id)
      .then(({ report }) => {
        if (!gone) {
          setFindings(report.findings.filter(finding => finding.severity === 'error'));
        }
      })
      .catch(() => undefined);
    return () => {
      gone = true;
    };
  }, [model, backtest.dataset_id]);

  const toggle = (check: string) => {
    const next = new Set(chosen);
    if (!next.delete(check)) {
      next.add(check);
    }
    setChosen(next);
  };
  const checks = [...new Set(findings.map(finding => finding.check))];
  return (
    <section className="alp-RunState">
      <Trouble
        title={`${backtest.dataset_name} has ${plural(checks.length || 1, 'error')}, so it cannot be backtested yet.`}
        text={error.message}
      >
        <ul className="alp-Findings">
          {findings.map((finding, i) => (
            <li key={i}>
              <StateIcon state="octagon" size={12} />
              {open && (
                <input
                  type="checkbox"
                  aria-label={`Override ${finding.check}`}
                  checked={chosen.has(finding.check)}
                  onChange={() => toggle(finding.check)}
                />
              )}
              {finding.message}
            </li>
          ))}
        </ul>
        <p className="alp-Buttons">
          {open ? (
            <Button
              primary
              disabled={chosen.size === 0}
              onClick={() => void runAgain(model, run, [...chosen])}
            >
              Run with {plural(chosen.size, 'override')}
            </Button>
          ) : (
            <Button onClick={() => setOpen(true)}>Override by name…</Button>
          )}
          <Button onClick={() => run(Command.openDataset, { id: backtest.dataset_id })}>
            Open the dataset
          </Button>
        </p>
        <p className="alp-quiet">An override is printed on the report and on the run.</p>
      </Trouble>
    </section>
  );
}

/** A run that ended well and traded nothing: why. */
export function NoTrades({ model }: { model: ResultModel }): JSX.Element {
  const results = model.results!;
  return (
    <section className="alp-Empty">
      <resultIcon.react tag="span" width="28px" />
      <h3>No trades in {plural(results.dataset_rows, 'bar')}.</h3>
      <p className="alp-quiet">{describeNoTrades(results)}</p>
    </section>
  );
}
