import { type ISignal, Signal } from '@lumino/signaling';

import { messageOf } from '../api/client';
import type { DatasetDetail, Preview } from '../api/schemas';
import { type Candles, clampWindow, toCandles, type Window } from '../charts/data';
import type { Change, Lab } from '../lab';

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
    await Promise.all([this.goTo(0), this.setWindow(this.whole)]);
  }

  /** Show the page of rows that begins at an offset. */
  async goTo(offset: number): Promise<void> {
    this.offset = Math.max(0, offset);
    await this._attempt(() => this._loadRows());
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
