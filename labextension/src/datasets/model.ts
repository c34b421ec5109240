import { type ISignal, Signal } from '@lumino/signaling';

import { messageOf } from '../api/client';
import type { DatasetDetail, Finding, Preview } from '../api/schemas';
import { type Candles, clampWindow, toCandles, type Window } from '../charts/data';
import type { Change, Lab } from '../lab';
import { placeOfRow } from './rows';

/** Rows on a page of the table. */
export const PAGE = 100;
const POINTS = 2000;

/** One dataset: its facts and report, a page of its rows, and a window of its chart. */
export class DatasetModel {
  constructor(
    readonly lab: Lab,
    readonly id: string
  ) {
    lab.changed.connect(this._hear, this);
  }

  detail: DatasetDetail | null = null;
  preview: Preview | null = null;
  error: string | null = null;
  symbol = '';
  offset = 0;
  window: Window | null = null;
  candles: Candles | null = null;
  validating = false;
  /** The rows of the finding that was clicked, and the time of the first: the chart marks it. */
  marked: readonly number[] = [];
  markedAt: number | null = null;

  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  /** From the first bar to the last. */
  get whole(): Window {
    const { start, end } = this.detail!.dataset;
    return { start: Date.parse(start), end: Date.parse(end) };
  }

  async load(): Promise<void> {
    try {
      this.detail = await this.lab.client.getDataset(this.id);
      this.error = null;
      this._emit();
      this.symbol ||= this.detail.dataset.symbols[0] ?? '';
      await Promise.all([this._loadRows(), this.setWindow(this.window ?? this.whole)]);
    } catch (error) {
      this.error = messageOf(error);
    }
    this._emit();
  }

  async setSymbol(symbol: string): Promise<void> {
    this.symbol = symbol;
    this.candles = null;
    this.marked = [];
    this.markedAt = null;
    await Promise.all([this.goTo(0), this.setWindow(this.whole)]);
  }

  /** Show the page of rows that begins at an offset. */
  async goTo(offset: number): Promise<void> {
    this.offset = Math.max(0, offset);
    await this._attempt(() => this._loadRows());
  }

  /** Show the rows of a finding, marked, and the bars around the first of them. */
  async showFinding(finding: Finding): Promise<void> {
    if (finding.symbol && finding.symbol !== this.symbol) {
      await this.setSymbol(finding.symbol);
    }
    const places = finding.rows.map(row => placeOfRow(this.detail!, row));
    this.marked = places.filter(place => place !== null);
    this.markedAt = null;
    if (this.marked.length === 0) {
      this._emit();
      return;
    }
    const [first] = this.marked;
    await this.goTo(Math.floor(first / PAGE) * PAGE);
    const cell = this.preview?.rows[first - this.preview.offset]?.[0];
    const at = typeof cell === 'string' ? Date.parse(cell) : NaN;
    if (isNaN(at)) {
      return;
    }
    this.markedAt = at;
    // As many bars as can be told apart, the finding's in the middle.
    const { start, end } = this.whole;
    const width = ((end - start) * 120) / Math.max(this.preview!.total_rows, 120);
    await this.setWindow({ start: at - width / 2, end: at + width / 2 });
  }

  async setWindow(window: Window): Promise<void> {
    this.window = clampWindow(window, this.whole);
    const key = (this._windowKey += 1);
    await this._attempt(async () => {
      const { series } = await this.lab.client.previewDataset(this.id, {
        symbol: this.symbol,
        offset: 0,
        limit: 0,
        start: new Date(this.window!.start).toISOString(),
        // The end is excluded, and the last bar belongs to the picture.
        end: new Date(this.window!.end + 1).toISOString(),
        points: POINTS
      });
      if (key === this._windowKey) {
        this.candles = toCandles(series);
      }
    });
  }

  /** Run the checks again. */
  async validate(): Promise<void> {
    this.validating = true;
    this._emit();
    await this._attempt(async () => {
      const report = await this.lab.client.validateDataset(this.id);
      this.detail = { ...this.detail!, report };
    });
    this.validating = false;
    this._emit();
  }

  dispose(): void {
    this._disposed = true;
    Signal.clearData(this);
  }

  private async _loadRows(): Promise<void> {
    const { symbol, offset } = this;
    const preview = await this.lab.client.previewDataset(this.id, {
      symbol,
      offset,
      limit: PAGE,
      points: 10
    });
    if (symbol === this.symbol && offset === this.offset) {
      this.preview = preview;
    }
  }

  private async _attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
      this.error = null;
    } catch (error) {
      this.error = messageOf(error);
    }
    this._emit();
  }

  private _hear(_: Lab, change: Change): void {
    if (change.kind === 'dataset' && change.id === this.id) {
      void this.load();
    }
  }

  private _emit(): void {
    if (!this._disposed) {
      this._stateChanged.emit();
    }
  }

  private _windowKey = 0;
  private _disposed = false;
  private _stateChanged = new Signal<this, void>(this);
}
