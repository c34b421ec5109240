import type { CodeMirrorEditor } from '@jupyterlab/codemirror';
import { Debugger, type IDebugger } from '@jupyterlab/debugger';
import type { KernelMessage, ServiceManager, Session } from '@jupyterlab/services';
import { type ISignal, Signal } from '@lumino/signaling';

import { messageOf } from '../api/client';
import type { DebugSession } from '../api/schemas';
import type { StrategySession } from '../strategies/session';
import type { Breakpoint, Breakpoints } from './breakpoints';
import { breakpointGutter, refreshGutter, showStop } from './gutter';

const ACTIVE: DebugSession['state'][] = ['starting', 'running', 'stopped'];
const PRINTED = 20_000;

/** What debugging needs of JupyterLab. */
export type Services = {
  debug: IDebugger;
  manager: ServiceManager.IManager;
  breakpoints: Breakpoints;
  /** JupyterLab's debugger comes into view. */
  showPanel: () => void;
};

/** One strategy's debugging: its breakpoints, its session, and JupyterLab's debugger at its kernel. */
export class DebugModel {
  constructor(
    readonly strategy: StrategySession,
    private services: Services
  ) {
    const { widget, lab } = strategy;
    void Promise.all([widget.context.ready, services.breakpoints.ready]).then(() => {
      if (!widget.isDisposed) {
        this._editor.injectExtension(breakpointGutter(services.breakpoints, () => this.path));
        services.breakpoints.changed.connect(this._onBreakpoints, this);
        services.debug.model.callstack.currentFrameChanged.connect(this._onFrame, this);
        this._emit();
      }
    });
    lab.changed.connect((_, { kind, id }) => {
      if (kind === 'debug' && id === this.session?.id) {
        void this.refresh();
      }
    }, this);
    strategy.stateChanged.connect(() => void this._resume(), this);
    void this._resume();
    widget.disposed.connect(() => this.dispose());
  }

  /** The session that goes on, or the last one that did. */
  session: DebugSession | null = null;
  /** The line before which it stands, and its file. */
  stop: { file: string; line: number } | null = null;
  /** What the strategy printed. */
  printed = '';
  /** Why no session could be begun, or this page not attach to it. */
  error: string | null = null;
  busy = false;
  /** The last bar that the strategy is shown; empty for all. */
  bar = '';

  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  get path(): string {
    return this.strategy.path;
  }

  get breakpoints(): Breakpoint[] {
    return this.services.breakpoints.of(this.path);
  }

  get active(): boolean {
    return this.session !== null && ACTIVE.includes(this.session.state);
  }

  /** Why it cannot be begun; null when it can. */
  get blocked(): string | null {
    return this.busy ? 'The debugger is being started.' : this.strategy.blocked;
  }

  /** Save the file, begin a session and run to the first breakpoint. One that goes on ends first. */
  async start(): Promise<void> {
    await this._guard(async () => {
      await this._end();
      this.session = null;
      this.printed = '';
      this._emit();
      const { strategy } = this;
      await strategy.widget.context.save();
      const known = strategy.strategy;
      if (!known) {
        throw new Error(`The lab knows no strategy at ${this.path}. Create it with New strategy.`);
      }
      await this._endOthers(known.id);
      const bar = this.bar.trim();
      this.session = await strategy.lab.client.startDebugging(known.id, {
        dataset: strategy.dataset,
        parameters: strategy.form.toBacktest(known.id).parameters,
        breakpoints: this.breakpoints.map(({ line, condition }) => ({
          file: known.entry,
          line,
          condition: condition.trim() || null
        })),
        stop_at_bar: bar || null,
        stop_on_entry: this.breakpoints.length === 0
      });
      this._emit();
      await this._attach(this.session);
    });
  }

  /** End the session and its kernel. */
  async end(): Promise<void> {
    await this._guard(() => this._end());
  }

  /** Read the session again. */
  async refresh(): Promise<void> {
    const { session } = this;
    if (!session) {
      return;
    }
    try {
      const now = await this.strategy.lab.client.getDebugSession(session.id);
      if (this.session?.id === now.id) {
        this.session = now;
      }
    } catch (error) {
      this.error = messageOf(error);
    }
    if (!this.active) {
      this._detach();
    }
    this._emit();
  }

  /** JupyterLab's debugger follows the tab in front: bring it back to this one's kernel. */
  async focus(): Promise<void> {
    const { debug } = this.services;
    const connection = this._connection;
    if (!connection || connection.isDisposed || this.busy) {
      return;
    }
    if (debug.session?.connection !== connection) {
      debug.session = new Debugger.Session({ connection, config: debug.config });
      await debug.restoreState(true);
    }
    if (this.active) {
      await this._setBreakpoints(this._wanted());
    }
  }

  /** Set or take away a breakpoint at the cursor. */
  toggleAtCursor(): void {
    const { line } = this._editor.getCursorPosition();
    this.services.breakpoints.toggle(this.path, line + 1);
  }

  toggle(line: number): void {
    this.services.breakpoints.toggle(this.path, line);
  }

  setCondition(line: number, condition: string): void {
    this.services.breakpoints.setCondition(this.path, line, condition);
  }

  setBar(bar: string): void {
    this.bar = bar;
    this._emit();
  }

  /** Whether a file that the kernel names is the one in this editor. */
  shows(source: string | undefined): boolean {
    const { session } = this;
    return session !== null && source === `${session.folder}/${this._entry}`;
  }

  get editor(): CodeMirrorEditor {
    return this._editor;
  }

  dispose(): void {
    this._detach();
    Signal.clearData(this);
  }

  private get _editor(): CodeMirrorEditor {
    return this.strategy.widget.content.editor as CodeMirrorEditor;
  }

  private get _entry(): string {
    return this.strategy.strategy?.entry ?? 'strategy.py';
  }

  private async _guard(action: () => Promise<void>): Promise<void> {
    this.busy = true;
    this.error = null;
    this._emit();
    try {
      await action();
    } catch (error) {
      this.error = messageOf(error);
    } finally {
      this.busy = false;
      this._emit();
    }
  }

  private async _end(): Promise<void> {
    if (this.session && this.active) {
      this._detach();
      this.session = await this.strategy.lab.client.endDebugSession(this.session.id);
    }
  }

  /** A strategy is debugged once at a time: one that goes on, here or in another tab, ends. */
  private async _endOthers(strategyId: string): Promise<void> {
    const { client } = this.strategy.lab;
    const { items } = await client.listDebugSessions(strategyId);
    await Promise.all(items.map(({ id }) => client.endDebugSession(id)));
  }

  /** After a reload: a session that goes on is taken up where it stands. */
  private async _resume(): Promise<void> {
    const id = this.strategy.strategy?.id;
    if (!id || this._resumed || this.busy) {
      return;
    }
    this._resumed = true;
    const { items } = await this.strategy.lab.client.listDebugSessions(id);
    if (items.length > 0 && this.session === null && !this.busy) {
      await this._guard(async () => {
        this.session = items[0];
        await this._attach(items[0]);
      });
    }
  }

  /** Attach JupyterLab's debugger, set the breakpoints and, unless it goes on already, run. */
  private async _attach(session: DebugSession): Promise<void> {
    const { debug, manager, showPanel } = this.services;
    const model = await manager.sessions.findById(session.session_id ?? '');
    if (!model) {
      await this.refresh();
      return;
    }
    const connection = (this._connection = manager.sessions.connectTo({ model }));
    connection.iopubMessage.connect(this._onMessage, this);
    connection.statusChanged.connect((_, status) => {
      if (status === 'dead' || status === 'terminating') {
        void this.refresh();
      }
    }, this);
    // Not after the kernel's info: a kernel that stands at a line gives none.
    debug.session = new Debugger.Session({ connection, config: debug.config });
    await debug.restoreState(true);
    showPanel();
    if (session.state === 'starting') {
      await this._setBreakpoints(session.settings.breakpoints);
      await debug.session.sendRequest('configurationDone', {});
      connection.kernel?.requestExecute({ code: session.code, store_history: false });
    } else {
      await this._setBreakpoints(this._wanted());
    }
  }

  /** Those set now. JupyterLab forgets conditions whenever it sends breakpoints by itself. */
  private _wanted(): DebugSession['settings']['breakpoints'] {
    const { breakpoints = [], stop_at_bar } = this.session?.settings ?? {};
    const first = stop_at_bar ? breakpoints.slice(-1) : [];
    const others = breakpoints.filter(one => (one.file ?? this._entry) !== this._entry);
    const own = this.breakpoints.filter(({ line }) => first.every(one => one.line !== line));
    return [...own, ...others.filter(one => !first.includes(one)), ...first];
  }

  private async _setBreakpoints(
    breakpoints: DebugSession['settings']['breakpoints']
  ): Promise<void> {
    const { debug } = this.services;
    const { session } = this;
    const files = new Set([this._entry, ...breakpoints.map(one => one.file ?? this._entry)]);
    for (const file of files) {
      const path = `${session?.folder}/${file}`;
      const reply = await debug.session?.sendRequest('setBreakpoints', {
        source: { path },
        sourceModified: false,
        breakpoints: breakpoints
          .filter(one => (one.file ?? this._entry) === file)
          .map(({ line, condition }) => ({ line, ...(condition ? { condition } : {}) }))
      });
      // So that JupyterLab's panel lists them.
      debug.model.breakpoints.setBreakpoints(
        path,
        (reply?.body.breakpoints ?? []).map(one => ({ ...one, source: { path } }))
      );
    }
  }

  private _onBreakpoints(_: Breakpoints, path: string): void {
    if (path !== this.path || this.strategy.widget.isDisposed) {
      return;
    }
    // Not at once: an editor that tells of a change takes none meanwhile.
    queueMicrotask(() => !this.strategy.widget.isDisposed && refreshGutter(this._editor.editor));
    if (this._connection && this.services.debug.session?.connection === this._connection) {
      void this._setBreakpoints(this._wanted());
    }
    this._emit();
  }

  private _onFrame(_: unknown, frame: IDebugger.IStackFrame | null): void {
    if (this.strategy.widget.isDisposed || !this._connection) {
      return;
    }
    const path = frame?.source?.path;
    const folder = this.session?.folder ?? '';
    const inside = frame && path?.startsWith(`${folder}/`);
    this.stop = inside ? { file: path!.slice(folder.length + 1), line: frame.line } : null;
    showStop(this._editor.editor, frame && this.shows(path) ? frame.line : null);
    this._emit();
  }

  private _onMessage(_: Session.ISessionConnection, message: KernelMessage.IIOPubMessage): void {
    if (message.header.msg_type === 'stream') {
      const { text } = message.content as KernelMessage.IStreamMsg['content'];
      this.printed = (this.printed + text).slice(-PRINTED);
      this._emit();
    }
  }

  private _detach(): void {
    const { debug } = this.services;
    const connection = this._connection;
    this._connection = null;
    this.stop = null;
    if (!this.strategy.widget.isDisposed) {
      showStop(this._editor.editor, null);
    }
    if (connection) {
      if (debug.session?.connection === connection) {
        debug.model.clear();
        debug.session = null;
      }
      connection.dispose();
    }
  }

  private _emit(): void {
    this._stateChanged.emit();
  }

  private _connection: Session.ISessionConnection | null = null;
  private _resumed = false;
  private _stateChanged = new Signal<this, void>(this);
}
