import type { CodeMirrorEditor } from '@jupyterlab/codemirror';
import type { DocumentWidget } from '@jupyterlab/docregistry';
import type { FileEditor } from '@jupyterlab/fileeditor';
import { Debouncer } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { ApiError, messageOf } from '../api/client';
import type { Problem, Strategy } from '../api/schemas';
import { datasetsInOrder } from '../datasets/describe';
import type { Lab } from '../lab';
import { diagnosticsExtension, repair, showProblems } from './diagnostics';
import { FormModel, firstDataset, showValue, withDefault } from './form';

type Editor = DocumentWidget<FileEditor>;

/** A strategy's open editor: its static check, its form and its runs. */
export class StrategySession {
  constructor(
    readonly lab: Lab,
    readonly widget: Editor,
    readonly form: FormModel
  ) {
    this._check = new Debouncer(() => this._runCheck(), 300);
    const { context } = widget;
    void context.ready.then(() => {
      if (widget.isDisposed) {
        return;
      }
      this._editor.injectExtension(diagnosticsExtension(() => this.problems));
      context.model.contentChanged.connect(this._onEdit, this);
      this._onEdit();
    });
    lab.strategies.stateChanged.connect(this._emit, this);
    lab.templates.stateChanged.connect(this._emit, this);
    lab.datasets.stateChanged.connect(this._emit, this);
    context.model.stateChanged.connect(this._emit, this);
    context.saveState.connect(this._onSave, this);
    widget.disposed.connect(() => this.dispose());
  }

  problems: Problem[] = [];
  /** Why the code could not be checked, or the last run not be started. */
  error: string | null = null;
  /** The errors of the dataset that stand in the way of a run, as the server put it. */
  badData: { dataset: string; message: string } | null = null;
  starting = false;

  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  get path(): string {
    return this.widget.context.localPath;
  }

  get strategy(): Strategy | undefined {
    return strategyOf(this.lab.strategies.items, this.path);
  }

  get dirty(): boolean {
    return this.widget.context.model.dirty;
  }

  /** The dataset that a run would use: the one picked here, or the one to start with. */
  get dataset(): string {
    const { templates, datasets } = this.lab;
    const offered = datasetsInOrder(datasets.items);
    return this.form.dataset || firstDataset(this.strategy, templates.items, offered);
  }

  /** Why a run has to wait; null when it need not. */
  get blocked(): string | null {
    if (this.starting) {
      return 'The run is being started.';
    }
    const faults = Object.values(this.form.faults);
    if (faults.length > 0) {
      return faults[0];
    }
    const error = this.problems.find(problem => problem.severity === 'error');
    return error ? `Line ${error.line}: ${error.message}` : null;
  }

  /**
   * Save the file and start a backtest of it, with data checks overridden by name if wanted;
   * gives back the backtest's id, or null where the data's errors stand in the way.
   */
  async start(overrides: string[] = []): Promise<string | null> {
    this.starting = true;
    this.error = null;
    this.badData = null;
    this._emit();
    try {
      await this.widget.context.save();
      const { strategy } = this;
      if (!strategy) {
        throw new Error(`The lab knows no strategy at ${this.path}. Create it with New strategy.`);
      }
      this.form.dataset = this.dataset;
      const data = this.lab.datasets.items.find(({ name }) => name === this.dataset);
      if (data && data.errors > 0 && overrides.length === 0) {
        // Nothing is defined that could not run.
        this.badData = { dataset: this.dataset, message: `${data.name} has errors.` };
        return null;
      }
      return await this.lab.startBacktest({
        ...this.form.toBacktest(strategy.id),
        overrides
      });
    } catch (error) {
      if (error instanceof ApiError && error.code === 'data_errors') {
        this.badData = { dataset: this.form.dataset, message: error.message };
        return null;
      }
      this.error = messageOf(error);
      throw error;
    } finally {
      this.starting = false;
      this._emit();
    }
  }

  /** Put the cursor on a line and show it. */
  goTo(line: number, column = 1): void {
    const { editor } = this.widget.content;
    editor.setCursorPosition({ line: line - 1, column: column - 1 }, { scroll: true });
    editor.revealPosition({ line: line - 1, column: column - 1 });
    editor.focus();
  }

  /** Repair a problem where it is marked. */
  repair(problem: Problem): void {
    repair(this._editor.editor, problem);
  }

  /** Write the form's values into the code as its defaults. */
  saveAsDefault(): void {
    const view = this._editor.editor;
    for (const parameter of this.form.changed) {
      const line = view.state.doc.line(Math.min(parameter.line ?? 1, view.state.doc.lines));
      const text = toPython(this.form.text(parameter), parameter.kind);
      const changed = withDefault(line.text, parameter.name, text);
      if (changed === null) {
        this.error = `The default of ${parameter.name} is not a plain value; change line ${parameter.line} by hand.`;
        continue;
      }
      view.dispatch({ changes: { from: line.from, to: line.to, insert: changed } });
    }
    this._emit();
  }

  dispose(): void {
    this._check.dispose();
    this._stop?.abort();
    Signal.clearData(this);
  }

  private get _editor(): CodeMirrorEditor {
    return this.widget.content.editor as CodeMirrorEditor;
  }

  private _onEdit(): void {
    // A check that another one overtook ends with an error that nobody waits for.
    void this._check.invoke().catch(() => undefined);
  }

  private async _runCheck(): Promise<void> {
    this._stop?.abort();
    const stop = (this._stop = new AbortController());
    const code = this.widget.context.model.toString();
    try {
      const outline = await this.lab.client.checkStrategy(code, stop.signal);
      if (stop.signal.aborted || this.widget.isDisposed) {
        return;
      }
      this.problems = outline.problems ?? [];
      this.error = null;
      showProblems(this._editor.editor, this.problems);
      // While the code cannot be parsed, the fields of the last good state stay.
      const unreadable = this.problems.some(problem => problem.code.startsWith('syntax'));
      if (!unreadable) {
        this.form.set({ outline });
      }
    } catch (error) {
      if (stop.signal.aborted) {
        return;
      }
      this.error = `The code could not be checked: ${messageOf(error)}`;
    }
    this._emit();
  }

  /** What is wrong with the saved files, the lists say too. */
  private _onSave(_: unknown, state: string): void {
    if (state === 'completed') {
      void this.lab.strategies.refresh();
    }
  }

  private _emit(): void {
    this._stateChanged.emit();
  }

  private _check: Debouncer;
  private _stop: AbortController | null = null;
  private _stateChanged = new Signal<this, void>(this);
}

/** The strategy whose entry is at a path. */
export function strategyOf(strategies: Strategy[], path: string): Strategy | undefined {
  return strategies.find(strategy => entryPath(strategy) === path);
}

/** The strategy in whose folder a path lies, as its notebooks do. */
export function strategyAround(strategies: Strategy[], path: string): Strategy | undefined {
  return strategies.find(strategy => path.startsWith(`${strategy.folder}/`));
}

/** The path of the file with the class. */
export function entryPath(strategy: Strategy): string {
  return `${strategy.folder}/${strategy.entry}`;
}

/** Whether a path looks like a strategy's, known or not. */
export function looksLikeStrategy(path: string): boolean {
  return /(^|\/)strategies\/[^/]+\/strategy\.py$/.test(path);
}

function toPython(text: string, kind: string): string {
  if (kind === 'bool') {
    return text === 'true' || text === 'True' ? 'True' : 'False';
  }
  return showValue(text.replace(/,/g, ''));
}
