import { type ISignal, Signal } from '@lumino/signaling';

import type { BacktestCreate, Outline, Parameter, Settings, Strategy } from '../api/schemas';
import { parseNumber, plain, rate } from '../format';

/** What a run is made with, as it was typed. It never edits the code. */
export class FormModel {
  outline: Outline = {
    class_name: null,
    doc: '',
    kind: null,
    universe: false,
    parameters: [],
    problems: []
  };
  dataset = '';
  cash = '10,000';
  /** Percent of the traded value, each side; empty takes the instrument's own. */
  commission = '';
  /** Basis points; empty takes none. */
  slippage = '';
  /** Only the parameters that were changed here; the others keep their default. */
  typed: Record<string, string> = {};

  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  get parameters(): Parameter[] {
    return this.outline.parameters ?? [];
  }

  /** The text of a parameter's field. */
  text(parameter: Parameter): string {
    return this.typed[parameter.name] ?? showValue(parameter.default);
  }

  /** Set a field; the empty text is the default again. */
  set(
    change: Partial<Pick<FormModel, 'dataset' | 'cash' | 'commission' | 'slippage' | 'outline'>>
  ): void {
    Object.assign(this, change);
    this._stateChanged.emit();
  }

  type(name: string, text: string): void {
    this.typed = { ...this.typed, [name]: text };
    this._stateChanged.emit();
  }

  /** Forget what was typed over the defaults. */
  reset(): void {
    this.typed = {};
    this._stateChanged.emit();
  }

  /** Whether a parameter has another value here than in the code. */
  get changed(): Parameter[] {
    return this.parameters.filter(
      parameter => this.text(parameter) !== showValue(parameter.default)
    );
  }

  /** What is wrong, by field: its name, or cash, commission, slippage. */
  get faults(): Record<string, string> {
    const faults: Record<string, string> = {};
    for (const parameter of this.parameters) {
      const fault = checkValue(parameter, this.text(parameter));
      if (fault) {
        faults[parameter.name] = fault;
      }
    }
    const cash = parseNumber(this.cash);
    if (cash === null || cash <= 0) {
      faults.cash = `cash: ${this.cash || 'nothing'} is not an amount above 0.`;
    }
    const commission = parseNumber(this.commission);
    if (this.commission !== '' && (commission === null || commission < 0 || commission >= 100)) {
      faults.commission = `commission: ${this.commission} is not a percentage from 0 to 100.`;
    }
    const slippage = parseNumber(this.slippage);
    if (this.slippage !== '' && (slippage === null || slippage < 0 || slippage >= 10_000)) {
      faults.slippage = `slippage: ${this.slippage} is not a number of basis points from 0 to 10,000.`;
    }
    return faults;
  }

  /** The backtest to define. */
  toBacktest(strategyId: string): BacktestCreate {
    // All of them, changed or not: the run is what the form shows.
    const given = this.parameters.map(parameter => [
      parameter.name,
      readValue(parameter, this.text(parameter))
    ]);
    return {
      strategy_id: strategyId,
      dataset: this.dataset,
      parameters: Object.fromEntries(given),
      cash: parseNumber(this.cash) ?? 10_000,
      commission: this.commission === '' ? null : parseNumber(this.commission, true),
      slippage_bps: this.slippage === '' ? null : parseNumber(this.slippage)
    };
  }

  /** Take the settings of an earlier run. */
  take(settings: Settings, dataset: string): void {
    this.dataset = dataset;
    this.cash = settings.cash.toLocaleString('en-US', { maximumFractionDigits: 10 });
    this.commission = rate(settings.commission);
    this.slippage = plain(settings.slippage_bps);
    this.typed = Object.fromEntries(
      Object.entries(settings.parameters).map(([name, value]) => [name, showValue(value)])
    );
    this._stateChanged.emit();
  }

  private _stateChanged = new Signal<this, void>(this);
}

/**
 * The dataset that a strategy starts with: that of its last run, of its template, or the first of
 * those offered that has no errors.
 */
export function firstDataset(
  strategy: Strategy | undefined,
  templates: { id: string; dataset: string }[],
  datasets: { name: string; errors: number }[]
): string {
  const template = templates.find(item => item.id === strategy?.template);
  const first = datasets.find(({ errors }) => errors === 0) ?? datasets[0];
  return strategy?.last_result?.dataset ?? template?.dataset ?? first?.name ?? '';
}

/** A parameter's value as text. */
export function showValue(value: unknown): string {
  return typeof value === 'number' ? plain(value) : String(value);
}

/** Why a text is no value for a parameter; null when it is one. */
export function checkValue(parameter: Parameter, text: string): string | null {
  const { name, kind, low = null, high = null } = parameter;
  if (kind === 'bool' || kind === 'choice') {
    return null;
  }
  const value = parseNumber(text);
  if (value === null) {
    return `${name}: ${text || 'nothing'} is not a number.`;
  }
  if (kind === 'int' && !Number.isInteger(value)) {
    return `${name}: ${text} is not a whole number.`;
  }
  if (low !== null && value < low) {
    return `${name}: ${text} is below low=${plain(low)}. Raise it, or lower low.`;
  }
  if (high !== null && value > high) {
    return `${name}: ${text} is above high=${plain(high)}. Lower it, or raise high.`;
  }
  return null;
}

function readValue(parameter: Parameter, text: string): unknown {
  switch (parameter.kind) {
    case 'bool':
      return text === 'true' || text === 'True';
    case 'choice':
      return (parameter.choices ?? []).find(choice => showValue(choice) === text) ?? text;
    default:
      return parseNumber(text);
  }
}

/**
 * The line of a `param(...)` with another default; null when the line cannot be changed safely.
 * Only the first argument is replaced, and only where it is a plain value.
 */
export function withDefault(line: string, name: string, value: string): string | null {
  const pattern = new RegExp(
    `^(\\s*${name}\\s*(?::[^=]+)?=\\s*(?:\\w+\\.)?param\\(\\s*)([-+\\w.]+)(\\s*[,)].*)$`
  );
  const found = line.match(pattern);
  return found ? `${found[1]}${value.replace('\u2212', '-')}${found[3]}` : null;
}
