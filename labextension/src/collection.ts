import { type ISignal, Signal } from '@lumino/signaling';

import { messageOf } from './api/client';
import type { Page } from './api/schemas';

/** A list on the server, read page by page. While it is read again, the old items stay. */
export class Collection<T extends { id: string }> {
  constructor(private fetch: (cursor?: string | null) => Promise<Page<T>>) {}

  items: T[] = [];
  next: string | null = null;
  /** Whether it was ever read. */
  ready = false;
  /** Why the last reading failed. */
  error: string | null = null;

  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  find(id: string): T | undefined {
    return this.items.find(item => item.id === id);
  }

  /** Read the first page again. Calls during a reading are answered by one more reading. */
  async refresh(): Promise<void> {
    if (this._reading) {
      this._again = true;
      return this._reading;
    }
    this._reading = this._read();
    try {
      await this._reading;
    } finally {
      this._reading = null;
    }
    if (this._again) {
      this._again = false;
      await this.refresh();
    }
  }

  /** Read the next page and append it. */
  async more(): Promise<void> {
    if (this.next === null) {
      return;
    }
    const page = await this.fetch(this.next);
    const known = new Set(this.items.map(item => item.id));
    this.items = [...this.items, ...page.items.filter(item => !known.has(item.id))];
    this.next = page.next;
    this._stateChanged.emit();
  }

  private async _read(): Promise<void> {
    try {
      const page = await this.fetch();
      this.items = page.items;
      this.next = page.next;
      this.ready = true;
      this.error = null;
    } catch (error) {
      this.error = messageOf(error);
    }
    this._stateChanged.emit();
  }

  private _reading: Promise<void> | null = null;
  private _again = false;
  private _stateChanged = new Signal<this, void>(this);
}
