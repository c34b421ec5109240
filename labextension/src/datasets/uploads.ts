import { type ISignal, Signal } from '@lumino/signaling';

import { ApiError, messageOf } from '../api/client';
import type { DatasetDetail } from '../api/schemas';
import { uploadDataset } from '../api/upload';
import type { Lab } from '../lab';

/** A file on its way. All of it sent, the server still reads the rows. */
export type Upload = {
  key: number;
  name: string;
  sent: number;
  total: number;
  error: string | null;
};

/** The uploads of this page: those on their way, and those that failed until they are dismissed. */
export class Uploads {
  constructor(private lab: Lab) {}

  items: readonly Upload[] = [];

  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  /** Send a file; null when it failed (the reason stands in the list) or was stopped. */
  async add(file: File, name: string, symbol: string): Promise<DatasetDetail | null> {
    const key = this._nextKey++;
    const stop = new AbortController();
    this._stops.set(key, stop);
    this._set([...this.items, { key, name, sent: 0, total: file.size, error: null }]);
    try {
      const detail = await uploadDataset(
        this.lab.client,
        file,
        name,
        symbol,
        progress => this._change(key, progress),
        stop.signal
      );
      this.stop(key);
      await this.lab.datasets.refresh();
      return detail;
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'aborted')) {
        this._change(key, { error: messageOf(error) });
      }
      return null;
    }
  }

  /** Stop an upload, or take a failed one off the list. */
  stop(key: number): void {
    this._stops.get(key)?.abort();
    this._stops.delete(key);
    this._set(this.items.filter(item => item.key !== key));
  }

  private _change(key: number, change: Partial<Upload>): void {
    this._set(this.items.map(item => (item.key === key ? { ...item, ...change } : item)));
  }

  private _set(items: Upload[]): void {
    this.items = items;
    this._stateChanged.emit();
  }

  private _nextKey = 0;
  private _stops = new Map<number, AbortController>();
  private _stateChanged = new Signal<this, void>(this);
}
