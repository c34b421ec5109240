import { ReactWidget, runIcon, Toolbar } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import type { Widget } from '@lumino/widgets';
import React from 'react';

import type { Parameter } from '../api/schemas';
import { useModels } from '../components/hooks';
import { datasetIcon, StateIcon } from '../components/icons';
import { Link } from '../components/parts';
import { BlockedByData } from '../datasets/blocked';
import { datasetsInOrder } from '../datasets/describe';
import type { Run } from '../home/panel';
import { showValue } from './form';
import type { StrategySession } from './session';

/** The editor's toolbar: Run backtest and the dataset at the left, the version at the right. */
export function toolbarItems(
  session: StrategySession,
  onRun: () => void
): [name: string, widget: Widget][] {
  const item = (element: JSX.Element): Widget => {
    const widget = ReactWidget.create(element);
    widget.addClass('alp-ToolItem');
    return widget;
  };
  return [
    ['run', item(<RunButton session={session} onRun={onRun} />)],
    ['dataset', item(<DatasetPicker session={session} />)],
    ['spacer', Toolbar.createSpacerItem()],
    ['version', item(<Version session={session} />)]
  ];
}

function RunButton(props: { session: StrategySession; onRun: () => void }): JSX.Element {
  const { session, onRun } = props;
  useModels(session, session.form);
  const { blocked } = session;
  return (
    <button
      type="button"
      className="alp-ToolButton alp-Run"
      disabled={blocked !== null}
      title={blocked ?? 'Save, and run a backtest (Alt Shift R)'}
      onClick={onRun}
    >
      <runIcon.react tag="span" width="14px" /> Run backtest
    </button>
  );
}

function DatasetPicker({ session }: { session: StrategySession }): JSX.Element {
  useModels(session, session.form);
  return (
    <label className="alp-Dataset">
      <datasetIcon.react tag="span" width="14px" />
      <span className="alp-visuallyHidden">Dataset</span>
      <select
        name="dataset"
        value={session.dataset}
        onChange={event => session.form.set({ dataset: event.target.value })}
      >
        {datasetsInOrder(session.lab.datasets.items).map(dataset => (
          <option key={dataset.id}>{dataset.name}</option>
        ))}
      </select>
    </label>
  );
}

function Version({ session }: { session: StrategySession }): JSX.Element {
  useModels(session);
  const { strategy, dirty } = session;
  return (
    <span className="alp-Version alp-quiet">
      {strategy?.version ? `v${strategy.version}` : 'no version yet'}
      {dirty ? ' · edited' : ''}
    </span>
  );
}

/** The form below it: the strategy's parameters, cash and costs. */
export class StrategyForm extends ReactWidget {
  constructor(
    private session: StrategySession,
    private run: Run,
    private onRun: (overrides: string[]) => Promise<void>
  ) {
    super();
    this.addClass('alp-StrategyForm');
    this._observer = new ResizeObserver(() => this._fitHeight());
  }

  dispose(): void {
    this._observer.disconnect();
    super.dispose();
  }

  protected render(): JSX.Element {
    return <Form session={this.session} run={this.run} onRun={this.onRun} />;
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

  /** The header's layout knows only fixed heights: it is told when the fields wrap. */
  private _fitHeight(): void {
    const inner = this.node.firstElementChild as HTMLElement | null;
    this.node.style.minHeight = `${inner?.offsetHeight ?? 0}px`;
    this.parent?.fit();
  }

  private _observer: ResizeObserver;
}

function Form(props: {
  session: StrategySession;
  run: Run;
  onRun: (overrides: string[]) => Promise<void>;
}): JSX.Element {
  const { session } = props;
  const { badData, form } = session;
  useModels(session, form);
  const { faults } = form;
  return (
    <div className="alp-Form">
      <div className="alp-Form-fields">
        {form.parameters.map(parameter => (
          <ParameterField
            key={parameter.name}
            parameter={parameter}
            session={session}
            fault={faults[parameter.name]}
          />
        ))}
        {form.changed.length > 0 && (
          <span className="alp-Form-links">
            <Link title="Write these values into the code" onClick={() => session.saveAsDefault()}>
              Save as default
            </Link>
            <Link title="Take the values of the code" onClick={() => form.reset()}>
              Reset
            </Link>
          </span>
        )}
        <span className="alp-Form-gap" />
        <Field
          label="cash"
          value={form.cash}
          fault={faults.cash}
          onChange={cash => form.set({ cash })}
        />
        <Field
          label="commission"
          value={form.commission}
          hint="auto"
          fault={faults.commission}
          title="Percent of the traded value, each side. Empty: what the instrument names, or none."
          onChange={commission => form.set({ commission })}
        />
        <Field
          label="slippage bp"
          value={form.slippage}
          hint="0"
          fault={faults.slippage}
          title="Basis points of the price, against you, on every market fill."
          onChange={slippage => form.set({ slippage })}
        />
      </div>
      {Object.entries(faults).map(([name, fault]) => (
        <p key={name} className="alp-Form-fault" role="alert">
          <StateIcon state="octagon" size={12} /> {fault}
        </p>
      ))}
      {session.error !== null && (
        <p className="alp-Form-fault" role="alert">
          <StateIcon state="octagon" size={12} /> {session.error}
        </p>
      )}
      {badData !== null && badData.dataset === session.dataset && (
        <BlockedByData key={badData.dataset} lab={session.lab} {...props} {...badData} />
      )}
    </div>
  );
}

function ParameterField(props: {
  parameter: Parameter;
  session: StrategySession;
  fault?: string;
}): JSX.Element {
  const { parameter, session, fault } = props;
  const { form } = session;
  const { name, kind, low, high } = parameter;
  const choices =
    kind === 'bool' ? ['true', 'false'] : kind === 'choice' ? (parameter.choices ?? []) : null;
  const text = form.text(parameter);
  if (choices) {
    return (
      <label>
        {name}
        <select
          name={name}
          value={
            text.toLowerCase() === 'true' || text.toLowerCase() === 'false'
              ? text.toLowerCase()
              : text
          }
          onChange={event => form.type(name, event.target.value)}
        >
          {choices.map(choice => (
            <option key={showValue(choice)}>{showValue(choice)}</option>
          ))}
        </select>
      </label>
    );
  }
  const bounds = [
    ...(low !== null && low !== undefined ? [`from ${showValue(low)}`] : []),
    ...(high !== null && high !== undefined ? [`to ${showValue(high)}`] : [])
  ].join(' ');
  return (
    <Field
      label={name}
      value={text}
      fault={fault}
      title={bounds || undefined}
      onChange={value => form.type(name, value)}
    />
  );
}

function Field(props: {
  label: string;
  value: string;
  fault?: string;
  hint?: string;
  title?: string;
  onChange: (value: string) => void;
}): JSX.Element {
  return (
    <label title={props.fault ?? props.title}>
      {props.label}
      <input
        name={props.label}
        inputMode="decimal"
        spellCheck={false}
        autoComplete="off"
        placeholder={props.hint}
        value={props.value}
        aria-invalid={props.fault !== undefined}
        onChange={event => props.onChange(event.target.value)}
      />
    </label>
  );
}
