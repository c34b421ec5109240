import type { JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog, Notification } from '@jupyterlab/apputils';
import type { DocumentWidget } from '@jupyterlab/docregistry';
import type { FileEditor } from '@jupyterlab/fileeditor';
import { Token } from '@lumino/coreutils';
import { type ISignal, Signal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

import { messageOf } from '../api/client';
import type { Settings, Strategy } from '../api/schemas';
import { Command } from '../commands';
import { change, confirmDeletion } from '../components/dialogs';
import type { Lab } from '../lab';
import { StrategyForm, toolbarItems } from './editor';
import { FormModel } from './form';
import { createNamed, pickTemplate } from './picker';
import { ProblemsPanel } from './problems';
import {
  entryPath,
  looksLikeStrategy,
  strategyAround,
  strategyOf,
  StrategySession
} from './session';

/** A text editor's tab. */
export type Editor = DocumentWidget<FileEditor>;

/** What a tab with a document has. */
type InTab = Pick<DocumentWidget, 'context'>;

export const IStrategies = new Token<Strategies>(
  'alphintra-lab:IStrategies',
  'The strategies that are open in editors.'
);

/** The open strategies, and what can be done with them. */
export class Strategies {
  constructor(
    private app: JupyterFrontEnd,
    private lab: Lab
  ) {}

  /** A strategy was opened in an editor, which has its bar and form. */
  get opened(): ISignal<this, StrategySession> {
    return this._opened;
  }

  /** Give an editor the lab's bar and form, if a strategy is open in it. */
  async consider(widget: Editor): Promise<void> {
    await widget.context.ready;
    const path = widget.context.localPath;
    const strategy = strategyOf(this.lab.strategies.items, path);
    if (widget.isDisposed || this._sessions.has(widget) || !(strategy || looksLikeStrategy(path))) {
      return;
    }
    const session = new StrategySession(this.lab, widget, this._form(path));
    this._sessions.set(widget, session);
    widget.disposed.connect(() => this._sessions.delete(widget));
    toolbarItems(session, () => void this._start(session)).forEach(([name, item], i) =>
      widget.toolbar.insertItem(i, `alphintra-${name}`, item)
    );
    const run = (command: string, args = {}) => void this.app.commands.execute(command, args);
    widget.contentHeader.addWidget(
      new StrategyForm(session, run, overrides => this._start(session, overrides))
    );
    this._opened.emit(session);
    session.stateChanged.connect(() => this._showErrors(session));
    this.followCurrent(widget);
  }

  /** The problems panel follows the editor that is in front. */
  followCurrent(widget: Editor | null): void {
    const session = widget && this._sessions.get(widget);
    if (session) {
      this._problems?.follow(session);
    }
  }

  /** Create a strategy from a template, or ask for one, and open it. */
  async create(templateId: string | undefined): Promise<void> {
    try {
      if (templateId && !this.lab.templates.find(templateId)) {
        await this.lab.templates.refresh();
      }
      const template = templateId ? this.lab.templates.find(templateId) : undefined;
      const strategy = template
        ? await createNamed(this.lab, template)
        : await pickTemplate(this.lab);
      if (strategy) {
        await this.lab.strategies.refresh();
        await this.open(strategy);
        void this._settle(strategy);
      }
    } catch (error) {
      Notification.error(`The strategy was not created: ${messageOf(error)}`);
    }
  }

  /** The notebook at the left, the code at the right. */
  async open(strategy: Strategy): Promise<Editor | null> {
    if (strategy.missing) {
      Notification.warning(`The folder ${strategy.folder} of ${strategy.name} is gone.`);
      return null;
    }
    const { commands } = this.app;
    let ref: string | undefined;
    if (strategy.notebook) {
      const notebook = (await commands.execute('docmanager:open', {
        path: `${strategy.folder}/${strategy.notebook}`
      })) as Widget | undefined;
      ref = notebook?.id;
    }
    const editor = (await commands.execute('docmanager:open', {
      path: entryPath(strategy),
      factory: 'Editor',
      options: ref ? { mode: 'split-right', ref } : {}
    })) as Editor;
    await this.consider(editor);
    return editor;
  }

  /** A new notebook is saved once its kernel has written its language into it. */
  private async _settle(strategy: Strategy): Promise<void> {
    const path = `${strategy.folder}/${strategy.notebook}`;
    const tabs = [...this.app.shell.widgets('main')] as (Widget & Partial<InTab>)[];
    const { context } = tabs.find(tab => tab.context?.localPath === path) ?? {};
    await context?.sessionContext.ready;
    await context?.sessionContext.session?.kernel?.info;
    if (context && !context.isDisposed && context.model.dirty) {
      await context.save();
    }
  }

  /** Open a file of a strategy at a line. */
  async openLine(id: string, file: string | null, line: number): Promise<void> {
    const strategy = this.lab.strategies.find(id) ?? (await this.lab.client.getStrategy(id));
    const path = `${strategy.folder}/${file ?? strategy.entry}`;
    const editor = (await this.app.commands.execute('docmanager:open', {
      path,
      factory: 'Editor'
    })) as Editor;
    await editor.context.ready;
    await editor.revealed;
    const position = { line: line - 1, column: 0 };
    editor.content.editor.setCursorPosition(position);
    editor.content.editor.revealPosition(position);
    editor.content.editor.focus();
  }

  /** Run a strategy: the one named, or the one in front. */
  async run(id: string | undefined): Promise<void> {
    let session = id ? this._sessionOf(id) : this.current();
    if (!session) {
      const strategy = id ? this.lab.strategies.find(id) : this._strategyInFront();
      const editor = strategy && (await this.open(strategy));
      session = editor ? this._sessions.get(editor) : undefined;
    }
    if (!session) {
      Notification.info('Open a strategy first, then run it.', {
        actions: [
          { label: 'Open', callback: () => void this.app.commands.execute(Command.openStrategy) }
        ]
      });
      return;
    }
    await this._start(session);
  }

  private async _start(session: StrategySession, overrides: string[] = []): Promise<void> {
    if (session.blocked !== null) {
      this.openProblems(session);
      return;
    }
    try {
      const id = await session.start(overrides);
      if (id !== null) {
        await this.app.commands.execute(Command.openBacktest, { id });
      }
    } catch (error) {
      Notification.error(`The backtest was not started: ${messageOf(error)}`);
    }
  }

  /** Open the strategy of a run with that run’s settings in its form. */
  async takeParameters(backtestId: string): Promise<void> {
    const backtest = await this.lab.client.getBacktest(backtestId);
    const strategy = this.lab.strategies.find(backtest.strategy_id);
    if (!strategy) {
      Notification.warning(`${backtest.strategy_name} is no longer in the lab.`);
      return;
    }
    const settings: Settings = backtest.settings;
    this._form(entryPath(strategy)).take(settings, backtest.dataset_name);
    const editor = await this.open(strategy);
    editor?.contentHeader.node.querySelector('input')?.focus();
  }

  /** Ask for another name. */
  async rename(id: string): Promise<void> {
    const strategy = this.lab.strategies.find(id);
    const { value } = await InputDialog.getText({
      title: 'Rename strategy',
      text: strategy?.name
    });
    if (value) {
      await change(this.lab.strategies, () => this.lab.client.renameStrategy(id, value));
    }
  }

  /** Delete a strategy, after asking. */
  async remove(id: string): Promise<void> {
    const name = this.lab.strategies.find(id)?.name ?? 'this strategy';
    const body = 'It leaves the list; results that were made with it stay.';
    if (await confirmDeletion(name, body)) {
      await change(this.lab.strategies, () => this.lab.client.deleteStrategy(id));
    }
  }

  /** The strategy named, or the one picked from the list. */
  async choose(id: string | undefined): Promise<Strategy | undefined> {
    if (id) {
      return this.lab.strategies.find(id) ?? this.lab.client.getStrategy(id);
    }
    const { items } = this.lab.strategies;
    const { value } = await InputDialog.getItem({
      title: 'Open strategy',
      items: items.map(strategy => strategy.name)
    });
    return items.find(strategy => strategy.name === value);
  }

  /** Show the problems panel, of this strategy if there is one. */
  openProblems(session: StrategySession | undefined): void {
    if (!this._problems || this._problems.isDisposed) {
      this._problems = new ProblemsPanel();
    }
    if (session) {
      this._problems.follow(session);
    }
    if (!this._problems.isAttached) {
      this.app.shell.add(this._problems, 'down');
    }
    this.app.shell.activateById(this._problems.id);
  }

  /** The panel opens by itself with the first problem of a strategy, and only then. */
  private _showErrors(session: StrategySession): void {
    if (session.problems.length > 0 && !this._shown.has(session)) {
      this._shown.add(session);
      const focused = document.activeElement as HTMLElement | null;
      this.openProblems(session);
      // Opening it must not take the keyboard from who is typing.
      focused?.focus();
    }
  }

  private _form(path: string): FormModel {
    let form = this._forms.get(path);
    if (!form) {
      form = new FormModel();
      this._forms.set(path, form);
    }
    return form;
  }

  private _sessionOf(id: string): StrategySession | undefined {
    return [...this._sessions.values()].find(session => session.strategy?.id === id);
  }

  /** The strategy in front: its editor, or a document in its folder. */
  current(): StrategySession | undefined {
    const widget = this.app.shell.currentWidget as Editor | null;
    const session = widget ? this._sessions.get(widget) : undefined;
    const strategy = session ? undefined : this._strategyInFront();
    return session ?? (strategy && this._sessionOf(strategy.id));
  }

  private _strategyInFront(): Strategy | undefined {
    const widget = this.app.shell.currentWidget as Partial<Editor> | null;
    const path = widget?.context?.localPath;
    return path === undefined ? undefined : strategyAround(this.lab.strategies.items, path);
  }

  private _opened = new Signal<this, StrategySession>(this);
  private _sessions = new Map<Editor, StrategySession>();
  private _forms = new Map<string, FormModel>();
  private _shown = new WeakSet<StrategySession>();
  private _problems: ProblemsPanel | null = null;
}
