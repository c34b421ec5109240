import { type ISignal, Signal } from '@lumino/signaling';

import { ApiError, messageOf } from '../api/client';
import type { Backtest, BacktestResults, Dataset, Trade, TradeFilter } from '../api/schemas';
import {
  type Candles,
  clampWindow,
  firstWindow,
  toCandles,
  type Window,
  windowAround,
  windowBeside,
  zoom
} from '../charts/data';
import type { Change, Lab } from '../lab';
import { isActive } from './checks';
import { TradePages } from './trades';

/** The most bars that one view asks for. */
const POINTS = 2000;

/** The most trades that the price chart draws. */
const MARKS = 1000;

/** One backtest: its run, then its result, drawn only from what the run stored. */
export class ResultModel {
  constructor(
    readonly lab: Lab,
    readonly id: string
  ) {
    lab.changed.connect(this._hear, this);
    lab.jobs.stateChanged.connect(this._follow, this);
    lab.jobEnded.connect(this._follow, this);
    this._all = this._pages('all');
    this.trades = this._all;
  }

  backtest: Backtest | null = null;
  results: BacktestResults | null = null;
  /** The run's dataset as it is now; null where it is gone, undefined before that is known. */
  dataset: Dataset | null | undefined;
  error: string | null = null;
  /** Why it cannot be run again as it was: the data's errors. */
  blocked: string | null = null;

  filter: TradeFilter = 'all';
  trades: TradePages;
  /** The selected row of the table. */
  selectedIndex: number | null = null;
  selected: Trade | null = null;
  /** Whether the reason of the selected trade's fill is open. */
  explaining = false;

  symbol = '';
  window: Window | null = null;
  candles: Candles | null = null;
  /** How many bars one candle stands for. */
  merged = 1;
  /** The run's usual distance of two bars, in milliseconds; null before that is known. */
  barStep: number | null = null;
  /** The symbol's trades that touch the window: the first of them, and how many there are. */
  marks: Trade[] = [];
  marksTotal = 0;
  /** The bar that was gone to last: the crosshair stands there until it is moved. */
  bar: { time: number } | null = null;

  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  /** Whether it runs or waits, be it only its checks. */
  get active(): boolean {
    return isActive(this.backtest?.job);
  }

  /** The whole test, as the price chart can show it. */
  get whole(): Window {
    const { time } = this.results!.curve;
    return { start: time[0], end: time[time.length - 1] };
  }

  /** Read the backtest and, once there is one, its result: one reading after the other. */
  load(): Promise<void> {
    this._queued ??= this._reading.then(() => {
      this._queued = null;
      return this._load();
    });
    this._reading = this._queued;
    return this._reading;
  }

  /** Say that the data's errors stand in the way of another run, or no longer. */
  block(message: string | null): void {
    this.blocked = message;
    this._emit();
  }

  /** Filter the trades; the selection goes. */
  show(filter: TradeFilter): void {
    this.filter = filter;
    this.trades = filter === 'all' ? this._all : this._pages(filter);
    this.selectedIndex = null;
    this.selected = null;
    void this.trades.at(0);
    this._emit();
  }

  /** Select a row; the price chart follows. */
  async select(index: number): Promise<void> {
    const trade = await this.trades.at(index);
    if (!trade || this._disposed) {
      return;
    }
    this.selectedIndex = index;
    this.selected = trade;
    this._showSymbol(trade.symbol);
    await this.setWindow(windowAround(trade, this.window ?? this.whole, this.whole));
  }

  /** Select the next (or previous) trade, or the next loss. */
  async step(by: 1 | -1, lossesOnly = false): Promise<void> {
    let index = this.selectedIndex === null ? (by > 0 ? 0 : -1) : this.selectedIndex + by;
    for (;;) {
      const trade = await this.trades.at(index);
      if (!trade) {
        return;
      }
      if (!lossesOnly || trade.pnl < 0) {
        return this.select(index);
      }
      index += by;
    }
  }

  /** Select the trade whose entry or exit is nearest to a time. */
  async pick(time: number): Promise<void> {
    const distance = (trade: Trade): number =>
      Math.min(
        Math.abs(Date.parse(trade.entry_time) - time),
        Math.abs(Date.parse(trade.exit_time) - time)
      );
    const reach = this.window ? (this.window.end - this.window.start) / 50 : 0;
    const near = this.marks
      .filter(trade => distance(trade) <= reach)
      .sort((a, b) => distance(a) - distance(b));
    if (near.length > 0) {
      if (this.trades !== this._all) {
        this.show('all');
      }
      await this.select(near[0].number - 1);
    }
  }

  /** Move the price chart to a bar, and mark it. */
  async goToBar(symbol: string, time: number): Promise<void> {
    this._showSymbol(symbol);
    this.bar = { time };
    await this.setWindow(windowBeside(time, this.window ?? this.whole, this.whole));
  }

  explain(open: boolean): void {
    this.explaining = open && this.selected !== null;
    this._emit();
  }

  /** Show a window: its bars and the trades in it are read unless they are here. */
  async setWindow(window: Window): Promise<void> {
    this.window = clampWindow(window, this.whole);
    this._emit();
    await this._loadWindow();
  }

  async setSymbol(symbol: string): Promise<void> {
    this._showSymbol(symbol);
    await this._loadWindow();
  }

  zoom(factor: number): Promise<void> {
    return this.window ? this.setWindow(zoom(this.window, factor, this.whole)) : Promise.resolve();
  }

  resetWindow(): Promise<void> {
    const { start, end } = this.whole;
    // The rows of all symbols together; the chart shows one.
    const { backtest, dataset_rows: rows } = this.results!;
    return this.setWindow(firstWindow(start, end, rows / backtest.settings.symbols.length));
  }

  dispose(): void {
    this._disposed = true;
    Signal.clearData(this);
  }

  private _showSymbol(symbol: string): void {
    if (symbol !== this.symbol) {
      this.symbol = symbol;
      this.candles = null;
    }
  }

  private async _load(): Promise<void> {
    try {
      this.backtest = await this.lab.client.getBacktest(this.id);
      this.error = null;
      // What was read while the checks ran is read again once they are over.
      const open = this.results !== null && isActive(this.results.backtest.job) && !this.active;
      if (this.backtest.verdict !== null && (this.results === null || open)) {
        await this._loadResults();
      }
    } catch (error) {
      this.error = messageOf(error);
    }
    this._emit();
  }

  private async _loadResults(): Promise<void> {
    const first = this.results === null;
    this.results = await this.lab.client.getResults(this.id);
    if (!first) {
      return;
    }
    void this._loadDataset();
    this.symbol = this.results.backtest.settings.symbols[0] ?? '';
    if (this.results.curve.time.length > 0) {
      await this._all.at(0);
      await this.resetWindow();
    }
  }

  /** What fails otherwise leaves it unknown: the result does not need it. */
  private async _loadDataset(): Promise<void> {
    try {
      const { dataset } = await this.lab.client.getDataset(this.backtest!.dataset_id);
      this.dataset = dataset;
    } catch (error) {
      this.dataset = error instanceof ApiError && error.status === 404 ? null : undefined;
    }
    this._emit();
  }

  private async _loadWindow(): Promise<void> {
    const { window, symbol } = this;
    if (!window || !this.results) {
      return;
    }
    const covered =
      this.candles !== null &&
      this._covered !== null &&
      this._covered.start <= window.start &&
      this._covered.end >= window.end &&
      // Bars were merged for a wider window: the narrower one deserves finer bars.
      (this.merged === 1 ||
        this._covered.end - this._covered.start < 4 * (window.end - window.start));
    const key = (this._loadKey += 1);
    try {
      if (!covered) {
        // Half a window more at each side, so that a drag shows bars at once.
        const room = (window.end - window.start) / 2;
        const around = { start: window.start - room, end: window.end + room };
        const series = await this.lab.client.getBars(this.id, {
          symbol,
          start: new Date(around.start).toISOString(),
          end: new Date(around.end + 1).toISOString(),
          points: POINTS
        });
        if (key !== this._loadKey || this._disposed) {
          return;
        }
        this.candles = toCandles(series);
        this._covered = around;
        this.merged = series.merged;
        if (series.merged === 1 && this.candles.step > 0) {
          this.barStep = this.candles.step;
        }
      }
      const trades = await this._all.within(window.start, window.end);
      if (key === this._loadKey) {
        const marks = trades.filter(trade => trade.symbol === symbol);
        this.marks = marks.slice(0, MARKS);
        this.marksTotal = marks.length;
      }
    } catch (error) {
      this.error = messageOf(error);
    }
    this._emit();
  }

  private _pages(filter: TradeFilter): TradePages {
    const pages = new TradePages((offset, limit) =>
      this.lab.client.listTrades(this.id, offset, limit, filter)
    );
    pages.stateChanged.connect(() => this._emit());
    return pages;
  }

  private _hear(_: Lab, change: Change): void {
    if (change.id === this.id || change.id === this.backtest?.job?.id) {
      void this.load();
    }
  }

  private _follow(): void {
    const job = this.lab.jobs.items.find(item => item.subject_id === this.id);
    const { backtest } = this;
    if (job && backtest) {
      const moved = job.step !== backtest.job?.step;
      this.backtest = { ...backtest, job };
      this._emit();
      if (moved) {
        void this.load();
      }
    } else if (this.active || (backtest && backtest.job === null)) {
      void this.load();
    }
  }

  private _emit(): void {
    if (!this._disposed) {
      this._stateChanged.emit();
    }
  }

  private _reading: Promise<void> = Promise.resolve();
  private _queued: Promise<void> | null = null;
  private _all: TradePages;
  private _covered: Window | null = null;
  private _loadKey = 0;
  private _disposed = false;
  private _stateChanged = new Signal<this, void>(this);
}
