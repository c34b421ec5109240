import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import React from 'react';

import { Command } from '../commands';
import { useModels } from '../components/hooks';
import {
  Button,
  Chip,
  ConnectionBanner,
  Link,
  Loading,
  Trouble,
  VerdictLine
} from '../components/parts';
import { StateIcon } from '../components/icons';
import { count, day, number, seconds } from '../format';
import type { Run } from '../home/panel';
import { Charts } from './charts';
import { type CheckLine, DATA, describeChecks, leakLine } from './checks';
import { describeCosts, describeMetrics, describeParameters } from './describe';
import { WhyThisFill } from './fill';
import type { ResultModel } from './model';
import { Blocked, Failed, NoTrades, Running, runAgain } from './states';
import { TradeTable } from './table';

/** A backtest's tab: the verdict first, then checks, numbers and pictures. */
export class ResultPanel extends ReactWidget {
  constructor(
    readonly model: ResultModel,
    private run: Run
  ) {
    super();
    this.addClass('alp-Page');
    this.addClass('alp-Result');
    this.node.tabIndex = -1;
  }

  handleEvent(event: Event): void {
    if (event.type === 'keydown') {
      onKey(event as KeyboardEvent, this.model, this.run);
    }
  }

  dispose(): void {
    this.model.dispose();
    super.dispose();
  }

  protected render(): JSX.Element {
    return <Page model={this.model} run={this.run} />;
  }

  protected onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    this.node.addEventListener('keydown', this);
  }

  protected onBeforeDetach(msg: Message): void {
    this.node.removeEventListener('keydown', this);
    super.onBeforeDetach(msg);
  }

  protected onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    this.node.focus();
  }
}

/** The keys of a focused result. */
export function onKey(event: KeyboardEvent, model: ResultModel, run: Run): void {
  const target = event.target as HTMLElement;
  if (!model.results || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  if (target.closest('input, select, textarea')) {
    return;
  }
  const actions: Record<string, () => unknown> = {
    j: () => model.step(1, event.shiftKey),
    k: () => model.step(-1, event.shiftKey),
    w: () => model.explain(!model.explaining),
    escape: () => model.explain(false),
    b: () => model.selectedIndex !== null && model.select(model.selectedIndex),
    '[': () => model.zoom(1.5),
    ']': () => model.zoom(1 / 1.5),
    '0': () => model.setWindow(model.whole),
    e: () => run(Command.exportBacktest, { id: model.id }),
    '?': () => run(Command.showKeys)
  };
  const action = actions[event.key.toLowerCase()];
  if (action) {
    event.preventDefault();
    event.stopPropagation();
    void action();
  }
}

function Page({ model, run }: { model: ResultModel; run: Run }): JSX.Element {
  useModels(model);
  return (
    <>
      <ConnectionBanner lab={model.lab} />
      {model.blocked !== null && <Blocked model={model} message={model.blocked} run={run} />}
      <Body model={model} run={run} />
    </>
  );
}

function Body({ model, run }: { model: ResultModel; run: Run }): JSX.Element {
  const { backtest, results, error } = model;
  if (error !== null && !results) {
    return (
      <Trouble title="The backtest could not be read." text={error}>
        <Button onClick={() => void model.load()}>Try again</Button>
      </Trouble>
    );
  }
  if (!backtest) {
    return <Loading lines={8} />;
  }
  if (results) {
    return <Result model={model} run={run} />;
  }
  const { job } = backtest;
  if (job?.state === 'failed' && job.error) {
    return <Failed model={model} backtest={backtest} error={job.error} run={run} />;
  }
  if (job === null || job.state === 'cancelled') {
    return (
      <Trouble
        state="circle"
        title={
          job
            ? `run ${backtest.number} was cancelled.`
            : `run ${backtest.number} has not been started.`
        }
        text="Nothing was written."
      >
        <p className="alp-Buttons">
          <Button primary onClick={() => void runAgain(model, run)}>
            Run again
          </Button>
        </p>
      </Trouble>
    );
  }
  return job.state === 'succeeded' ? (
    <Loading lines={8} />
  ) : (
    <Running backtest={backtest} job={job} run={run} />
  );
}

function Result({ model, run }: { model: ResultModel; run: Run }): JSX.Element {
  const results = model.results!;
  const { job, verdict } = model.backtest!;
  const { dataset } = model;
  const checks = describeChecks(results, job, dataset);
  const openData = dataset ? () => run(Command.openDataset, { id: dataset.id }) : undefined;
  const distrusted = verdict?.icon === 'octagon';
  const traded = results.trades_total > 0;
  return (
    <>
      {job && model.active && <Running backtest={model.backtest!} job={job} run={run} checking />}
      <header className="alp-Result-header">
        <Identity model={model} />
        {verdict && <VerdictLine verdict={verdict} />}
        <div className="alp-Chips">
          {checks.map(check => (
            <Chip
              key={check.key}
              state={check.state}
              title={check.title}
              detail={check.brief}
              onClick={
                (check.key === DATA ? openData : undefined) ?? (() => showCheck(model, check.key))
              }
            />
          ))}
        </div>
      </header>
      <MetricStrip model={model} struck={distrusted} />
      <div className="alp-Result-columns">
        <div className="alp-Result-main">
          {!traded && <NoTrades model={model} />}
          {results.curve.time.length > 0 && <Charts model={model} />}
          {model.explaining && model.selected && (
            <div className="alp-WhyPlace">
              <WhyThisFill key={model.selected.number} model={model} trade={model.selected} />
            </div>
          )}
          {traded && <TradeTable model={model} />}
        </div>
        <aside className="alp-Result-side">
          <Checks model={model} checks={checks} openData={openData} />
          {verdict?.rule === 'look_ahead' && <Leak model={model} run={run} />}
        </aside>
      </div>
    </>
  );
}

function Identity({ model }: { model: ResultModel }): JSX.Element {
  const results = model.results!;
  const { backtest, currency } = results;
  const { settings } = backtest;
  const said = [
    backtest.dataset_name,
    `${day(results.first_bar)} – ${day(results.last_bar)}`,
    `${count(results.dataset_rows)} bars`,
    `${number(settings.cash, Number.isInteger(settings.cash) ? 0 : 2)} ${currency}`,
    ...describeCosts(settings),
    ...(settings.whole_shares ? ['whole shares'] : [])
  ];
  return (
    <div className="alp-Identity">
      <h1>{backtest.strategy_name}</h1>
      <code>{describeParameters(settings.parameters)}</code>
      <span className="alp-quiet">{said.join(' · ')}</span>
    </div>
  );
}

function MetricStrip({ model, struck }: { model: ResultModel; struck: boolean }): JSX.Element {
  return (
    <dl className={`alp-Metrics${struck ? ' alp-mod-struck' : ''}`}>
      {describeMetrics(model.results!).map(metric => (
        <div key={metric.label} title={metric.help}>
          <dt>{metric.label}</dt>
          <dd>{metric.value}</dd>
          <small>{metric.note}</small>
        </div>
      ))}
    </dl>
  );
}

function Checks(props: {
  model: ResultModel;
  checks: CheckLine[];
  openData?: () => void;
}): JSX.Element {
  const { model, checks, openData } = props;
  const steps = model.results!.backtest.job?.steps ?? {};
  const took = steps.checks;
  return (
    <section className="alp-Checks">
      <h2>Checks {took !== undefined && <small>after the run, {seconds(took)}</small>}</h2>
      <ul>
        {checks.map(check => (
          <li key={check.key} id={checkId(model, check.key)} tabIndex={-1}>
            <StateIcon state={check.state} />
            <div>
              <strong>{check.title}</strong>
              {check.sentences.map((sentence, i) => (
                <p key={i}>{sentence}</p>
              ))}
              {check.key === DATA && openData && <Link onClick={openData}>Passport</Link>}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What to do about a run that looks ahead. */
function Leak({ model, run }: { model: ResultModel; run: Run }): JSX.Element {
  const place = leakLine(model.results!);
  const { strategy_id: id } = model.backtest!;
  return (
    <section className="alp-Checks">
      <h2>What you can do now</h2>
      <p className="alp-quiet">
        Fix the leak and run again; this run stays recorded, marked, and counted as a trial.
      </p>
      <p className="alp-Buttons">
        {place && (
          <Button
            primary
            onClick={() =>
              run(Command.openLine, { id, file: place.file, line: String(place.line) })
            }
          >
            Open {place.file}:{place.line}
          </Button>
        )}
        <Button onClick={() => void runAgain(model, run)}>Run again</Button>
      </p>
    </section>
  );
}

const checkId = (model: ResultModel, key: string): string => `alp-check-${model.id}-${key}`;

function showCheck(model: ResultModel, key: string): void {
  const node = document.getElementById(checkId(model, key));
  node?.scrollIntoView({ block: 'nearest' });
  node?.focus();
}
