import type { IStateDB } from '@jupyterlab/statedb';
import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';
import { Debouncer } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

/** A breakpoint of a file; the condition is an expression, or empty. */
export type Breakpoint = { line: number; condition: string };

const KEY = 'alphintra-lab:breakpoints';

/** Breakpoints by file: set before any kernel runs, kept with the workspace, gone with none. */
export class Breakpoints {
  constructor(private state: IStateDB | null) {
    this._save = new Debouncer(() => this._write(), 300);
    this.ready = this._read();
  }

  /** Resolves once those of an earlier visit are here. */
  readonly ready: Promise<void>;

  /** Those of a path have changed. */
  get changed(): ISignal<this, string> {
    return this._changed;
  }

  /** A file's, by line. */
  of(path: string): Breakpoint[] {
    return this._files.get(path) ?? [];
  }

  /** Set one where there is none, else take it away. */
  toggle(path: string, line: number): void {
    const others = this.of(path).filter(one => one.line !== line);
    const found = others.length < this.of(path).length;
    this.replace(path, found ? others : [...others, { line, condition: '' }]);
  }

  /** Let one stop only where an expression holds. */
  setCondition(path: string, line: number, condition: string): void {
    this.replace(
      path,
      this.of(path).map(one => (one.line === line ? { line, condition } : one))
    );
  }

  /** Take these; of two on one line the first stays. */
  replace(path: string, breakpoints: Breakpoint[]): void {
    const byLine = new Map<number, Breakpoint>();
    breakpoints.forEach(one => byLine.has(one.line) || byLine.set(one.line, one));
    const next = [...byLine.values()].sort((a, b) => a.line - b.line);
    if (JSON.stringify(next) !== JSON.stringify(this.of(path))) {
      this._files.set(path, next);
      this._changed.emit(path);
      void this._save.invoke().catch(() => undefined);
    }
  }

  private async _read(): Promise<void> {
    const kept = await this.state?.fetch(KEY);
    for (const [path, list] of Object.entries((kept ?? {}) as Record<string, Breakpoint[]>)) {
      if (!this._files.has(path) && Array.isArray(list)) {
        this._files.set(path, list);
        this._changed.emit(path);
      }
    }
  }

  private async _write(): Promise<void> {
    const kept = Object.fromEntries([...this._files].filter(([, list]) => list.length > 0));
    await this.state?.save(KEY, kept as unknown as ReadonlyPartialJSONValue);
  }

  private _files = new Map<string, Breakpoint[]>();
  private _save: Debouncer;
  private _changed = new Signal<this, string>(this);
}
