import { type ISignal, Signal } from '@lumino/signaling';

import { messageOf } from '../api/client';
import type { Trade, TradeFilter, TradePage } from '../api/schemas';

const PAGE = 200;

/** The trades of one filter, of which only the pages that were looked at are read. */
export class TradePages {
  constructor(private fetch: (offset: number, limit: number) => Promise<TradePage>) {}

  /** How many there are; null before the first page. */
  total: number | null = null;
  error: string | null = null;

  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  /** The trade at an index, if its page was read. */
  get(index: number): Trade | undefined {
    return this._pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** All that were read, in order. */
  get loaded(): Trade[] {
    return [...this._pages.keys()].sort((a, b) => a - b).flatMap(page => this._pages.get(page)!);
  }

  /** The trade at an index, read if need be; undefined past the end. */
  async at(index: number): Promise<Trade | undefined> {
    if (index < 0 || (this.total !== null && index >= this.total)) {
      return undefined;
    }
    await this._read(Math.floor(index / PAGE));
    return this.get(index);
  }

  /** Read the pages under these rows. */
  async ensure(first: number, last: number): Promise<void> {
    for (let page = Math.floor(first / PAGE); page <= Math.floor(last / PAGE); page++) {
      await this._read(page);
    }
  }

  /**
   * The trades that begin or end in a stretch of time, of pages sorted by entry.
   * Found by halving: log2 of the pages are read, not all.
   */
  async within(start: number, end: number): Promise<Trade[]> {
    await this._read(0);
    let low = 0;
    let high = this.total ?? 0;
    while (low < high) {
      const middle = (low + high) >> 1;
      const trade = await this.at(middle);
      if (!trade || Date.parse(trade.entry_time) >= start) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    // One page earlier, for trades that were open already.
    const found: Trade[] = [];
    for (let i = Math.max(0, low - PAGE); i < (this.total ?? 0); i++) {
      const trade = await this.at(i);
      if (!trade || Date.parse(trade.entry_time) > end) {
        break;
      }
      if (Date.parse(trade.exit_time) >= start) {
        found.push(trade);
      }
    }
    return found;
  }

  private async _read(page: number): Promise<void> {
    let reading = this._reading.get(page);
    if (!reading) {
      reading = this._fetchPage(page);
      this._reading.set(page, reading);
    }
    await reading;
  }

  private async _fetchPage(page: number): Promise<void> {
    try {
      const { items, total } = await this.fetch(page * PAGE, PAGE);
      this._pages.set(page, items);
      this.total = total;
      this.error = null;
    } catch (error) {
      this._reading.delete(page);
      this.error = messageOf(error);
    }
    this._stateChanged.emit();
  }

  private _pages = new Map<number, Trade[]>();
  private _reading = new Map<number, Promise<void>>();
  private _stateChanged = new Signal<this, void>(this);
}

/** The filters of the table, in their order. */
export const FILTERS: [TradeFilter, string][] = [
  ['all', 'All'],
  ['wins', 'Wins'],
  ['losses', 'Losses']
];
