import { Debugger } from '@jupyterlab/debugger';
import { bugIcon, closeIcon, type LabIcon, ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import React from 'react';

import { useModels } from '../components/hooks';
import { StateIcon } from '../components/icons';
import { Button, Link } from '../components/parts';
import type { DebugModel } from './model';

const STEPS: [label: string, command: string, keys: string, icon: LabIcon][] = [
  ['Continue', 'debugger:continue', 'F9', Debugger.Icons.continueIcon],
  ['Over', 'debugger:next', 'F10', Debugger.Icons.stepOverIcon],
  ['Into', 'debugger:stepIn', 'F11', Debugger.Icons.stepIntoIcon],
  ['Out', 'debugger:stepOut', 'Shift F11', Debugger.Icons.stepOutIcon]
];

/** The button in the editor's toolbar. */
export function debugButton(model: DebugModel, onDebug: () => void): ReactWidget {
  const button = ReactWidget.create(<DebugButton model={model} onDebug={onDebug} />);
  button.addClass('alp-ToolItem');
  return button;
}

function DebugButton({ model, onDebug }: { model: DebugModel; onDebug: () => void }): JSX.Element {
  useModels(model, model.strategy, model.strategy.form);
  const { blocked, active } = model;
  return (
    <button
      type="button"
      className="alp-ToolButton alp-Debug"
      disabled={blocked !== null}
      title={blocked ?? 'Save, and run to the first breakpoint (Alt Shift D)'}
      onClick={onDebug}
    >
      <bugIcon.react tag="span" width="14px" /> {active ? 'Debug again' : 'Debug'}
    </button>
  );
}

/** The bar over the code: what the run does, the steps, the breakpoints, the last bar. */
export class DebugBar extends ReactWidget {
  constructor(
    private model: DebugModel,
    private run: (command: string) => void,
    private goTo: (file: string, line: number) => void
  ) {
    super();
    this.addClass('alp-DebugBar');
    this._observer = new ResizeObserver(() => this._fitHeight());
    model.stateChanged.connect(this._show, this);
    this._show();
  }

  dispose(): void {
    this._observer.disconnect();
    super.dispose();
  }

  protected render(): JSX.Element {
    return <Bar model={this.model} run={this.run} goTo={this.goTo} />;
  }

  protected onAfterAttach(msg: Message): void {
    super.onAfterAttach(msg);
    void this.renderPromise?.then(() => {
      const inner = this.node.firstElementChild;
      if (inner && !this.isDisposed) {
        this._observer.observe(inner);
      }
    });
  }

  /** Nothing to see where nothing is debugged and no breakpoint is set. */
  private _show(): void {
    const { session, error, busy, breakpoints } = this.model;
    this.setHidden(session === null && error === null && !busy && breakpoints.length === 0);
  }

  /** The header's layout knows only fixed heights: it is told when the content changes. */
  private _fitHeight(): void {
    const inner = this.node.firstElementChild as HTMLElement | null;
    const height = `${inner?.offsetHeight ?? 0}px`;
    if (!this.isDisposed && this.node.style.minHeight !== height) {
      this.node.style.minHeight = height;
      this.parent?.fit();
    }
  }

  private _observer: ResizeObserver;
}

type Props = {
  model: DebugModel;
  run: (command: string) => void;
  goTo: (file: string, line: number) => void;
};

function Bar({ model, run, goTo }: Props): JSX.Element {
  useModels(model, model.strategy);
  const { active, session, breakpoints } = model;
  const stopped = session?.state === 'stopped' || model.stop !== null;
  return (
    <div className="alp-DebugBar-inner" role="region" aria-label="Debug">
      <div className="alp-DebugBar-row">
        <Status model={model} />
        {active && (
          <span className="alp-DebugBar-steps">
            {STEPS.map(([label, command, keys, icon]) => (
              <button
                key={command}
                type="button"
                className="alp-ToolButton"
                title={`${label} (${keys})`}
                disabled={!stopped || model.busy}
                onClick={() => run(command)}
              >
                <icon.react tag="span" width="14px" /> {label}
              </button>
            ))}
            <button
              type="button"
              className="alp-ToolButton"
              title="End the session and its kernel"
              onClick={() => void model.end()}
            >
              <Debugger.Icons.terminateIcon.react tag="span" width="14px" /> End
            </button>
          </span>
        )}
      </div>
      <Outcome model={model} goTo={goTo} />
      <div className="alp-DebugBar-row">
        {breakpoints.length === 0 && (
          <span className="alp-quiet">
            No breakpoint: it stops at the first line. Click left of a line’s number, or press Alt
            Shift B, to set one.
          </span>
        )}
        {breakpoints.map(({ line, condition }) => (
          <span key={line} className="alp-DebugBar-breakpoint">
            <span className="alp-Breakpoint" aria-hidden="true" />
            <Link onClick={() => model.strategy.goTo(line)} title="Show the line">
              line {line}
            </Link>
            <input
              aria-label={`Condition of the breakpoint at line ${line}`}
              placeholder="if …"
              spellCheck={false}
              defaultValue={condition}
              onBlur={event => model.setCondition(line, event.target.value.trim())}
              onKeyDown={event => event.key === 'Enter' && event.currentTarget.blur()}
            />
            <button
              type="button"
              className="alp-ToolButton"
              title={`Remove the breakpoint at line ${line}`}
              aria-label={`Remove the breakpoint at line ${line}`}
              onClick={() => model.toggle(line)}
            >
              <closeIcon.react tag="span" width="12px" />
            </button>
          </span>
        ))}
        <label
          className="alp-DebugBar-bar"
          title="The strategy sees the bars up to this one, as at its close, and stops at its first line."
        >
          stop at bar
          <input
            name="stop-at-bar"
            placeholder="2017-11-27 10:00"
            spellCheck={false}
            autoComplete="off"
            value={model.bar}
            onChange={event => model.setBar(event.target.value)}
          />
        </label>
      </div>
    </div>
  );
}

function Status({ model }: { model: DebugModel }): JSX.Element {
  const { session, stop, busy, active } = model;
  if (!session) {
    return <strong role="status">{busy ? 'Starting a kernel in the sandbox …' : 'Debug'}</strong>;
  }
  const on = session.settings.stop_at_bar
    ? `${session.dataset_name}, up to ${session.settings.stop_at_bar.slice(0, 16).replace('T', ' ')}`
    : session.dataset_name;
  const text = stop
    ? `Stopped before ${stop.file} line ${stop.line}`
    : active
      ? { starting: 'Attaching the debugger …', running: 'Running', stopped: 'Stopped' }[
          session.state as 'starting' | 'running' | 'stopped'
        ]
      : session.state === 'failed'
        ? 'Failed'
        : 'Ended';
  return (
    <span role="status">
      <strong>{text}</strong> <span className="alp-quiet">on {on}. No backtest, no trial.</span>
    </span>
  );
}

/** How it ended, what was printed, what stands in the way. */
function Outcome({ model, goTo }: Pick<Props, 'model' | 'goTo'>): JSX.Element | null {
  const { session, error, printed, active } = model;
  const outcome = active ? null : (session?.outcome ?? null);
  const told = error ?? (active ? null : (outcome?.message ?? session?.message ?? null));
  const wrong = error !== null || session?.state === 'failed';
  if (told === null && printed === '') {
    return null;
  }
  return (
    <div className="alp-DebugBar-outcome">
      {told !== null && (
        <p className={wrong ? 'alp-Form-fault' : undefined} role={wrong ? 'alert' : undefined}>
          {wrong && <StateIcon state="octagon" size={12} />} {told}
        </p>
      )}
      {outcome?.traceback && <pre>{outcome.traceback}</pre>}
      {outcome?.line && (
        <Button onClick={() => goTo(outcome.file ?? '', outcome.line!)}>
          Open line {outcome.line}
        </Button>
      )}
      {printed !== '' && (
        <details>
          <summary>Printed</summary>
          <pre>{printed}</pre>
        </details>
      )}
    </div>
  );
}
