import { closeIcon } from '@jupyterlab/ui-components';
import React from 'react';

import { ApiError } from '../api/client';
import type { Backtest, Job, JobError } from '../api/schemas';
import { Command } from '../commands';
import { useNow } from '../components/hooks';
import { resultIcon, StateIcon } from '../components/icons';
import { Button, jobStep, ProgressBar, Trouble } from '../components/parts';
import { BlockedByData } from '../datasets/blocked';
import { plural, seconds } from '../format';
import type { Run } from '../home/panel';
import { describeNoTrades } from './describe';
import type { ResultModel } from './model';

/** A run on its way: the steps done, the step now, and how to stop it. */
export function Running(props: {
  backtest: Backtest;
  job: Job;
  run: Run;
  /** The result is there already; its checks go on. */
  checking?: boolean;
}): JSX.Element {
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
        {props.checking
          ? 'The result is below already. The verdict waits for the checks.'
          : 'It goes on when you close this page. The result appears here, the verdict first.'}
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
    return <Blocked model={model} message={error.message} run={run} />;
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
          <pre>{`${String(frame.line).padStart(4)}  ${frame.text}`}</pre>
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
  try {
    const id = await model.lab.startBacktest({
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
    model.block(null);
    run(Command.openBacktest, { id });
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'data_errors')) {
      throw error;
    }
    model.block(error.message);
  }
}

/** Why the same run cannot be started again yet. */
export function Blocked(props: { model: ResultModel; message: string; run: Run }): JSX.Element {
  const { model, run } = props;
  return (
    <section className="alp-RunState">
      <BlockedByData
        lab={model.lab}
        dataset={model.backtest!.dataset_id}
        message={props.message}
        run={run}
        onRun={overrides => runAgain(model, run, overrides)}
      />
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
