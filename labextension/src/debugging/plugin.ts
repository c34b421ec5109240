import {
  ILabShell,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, InputDialog, Notification } from '@jupyterlab/apputils';
import { IDebugger, IDebuggerDisplayRegistry, IDebuggerSources } from '@jupyterlab/debugger';
import { IStateDB } from '@jupyterlab/statedb';
import { bugIcon } from '@jupyterlab/ui-components';

import { CATEGORY, Command } from '../commands';
import type { StrategySession } from '../strategies/session';
import { IStrategies, type Strategies } from '../strategies/workbench';
import { DebugBar, debugButton } from './bar';
import { Breakpoints } from './breakpoints';
import { DebugModel } from './model';

/** Debugging: breakpoints in a strategy's own file, a sandboxed kernel, JupyterLab's debugger. */
export const debuggingPlugin: JupyterFrontEndPlugin<void> = {
  id: 'alphintra-lab:debugging',
  description: 'Runs a strategy to its breakpoints in JupyterLab’s debugger.',
  autoStart: true,
  requires: [IStrategies, IDebugger],
  optional: [IDebuggerSources, IDebuggerDisplayRegistry, IStateDB, ICommandPalette, ILabShell],
  activate: (
    app: JupyterFrontEnd,
    strategies: Strategies,
    debug: IDebugger,
    sources: IDebugger.ISources | null,
    names: IDebuggerDisplayRegistry | null,
    state: IStateDB | null,
    palette: ICommandPalette | null,
    labShell: ILabShell | null
  ) => {
    const models = new Map<StrategySession, DebugModel>();
    const breakpoints = new Breakpoints(state);
    const run = (command: string, args = {}) => void app.commands.execute(command, args);
    const services = {
      debug,
      manager: app.serviceManager,
      breakpoints,
      showPanel: () => {
        const focused = document.activeElement as HTMLElement | null;
        run('debugger:show-panel');
        focused?.focus(); // the keyboard stays with who writes code
      }
    };
    strategies.opened.connect((_, session) => {
      const { widget } = session;
      const model = new DebugModel(session, services);
      models.set(session, model);
      widget.disposed.connect(() => models.delete(session));
      const button = debugButton(model, () => void model.start());
      widget.toolbar.insertAfter('alphintra-run', 'alphintra-debug', button);
      const goTo = (file: string, line: number) =>
        run(Command.openLine, { id: session.strategy?.id ?? '', file, line: String(line) });
      widget.contentHeader.addWidget(new DebugBar(model, run, goTo));
    });
    labShell?.currentChanged.connect((_, { newValue }) => {
      for (const model of models.values()) {
        if (model.strategy.widget === newValue) {
          void model.focus();
        }
      }
    });
    if (sources) {
      offerEditors(app, sources, models);
    }
    names?.register({
      canHandle: ({ path }) => nameOf(models, path) !== undefined,
      getDisplayName: ({ path }) => nameOf(models, path) ?? path ?? ''
    });
    addCommands(app, strategies, models);
    for (const command of [Command.debug, Command.debugToBar, Command.toggleBreakpoint]) {
      palette?.addItem({ command, category: CATEGORY });
    }
  }
};

/** A file of a strategy that is being debugged, relative to its folder. */
function nameOf(
  models: Map<StrategySession, DebugModel>,
  path: string | undefined
): string | undefined {
  const own = [...models.values()].find(
    ({ active, session }) => active && path?.startsWith(`${session?.folder}/`)
  );
  return own && path?.slice((own.session?.folder ?? '').length + 1);
}

/**
 * JupyterLab finds the editor of a cell, by its text, and opens a copy of any file: here it finds
 * the strategy's own editor. There is no other way in than its list of editors.
 */
function offerEditors(
  app: JupyterFrontEnd,
  sources: IDebugger.ISources,
  models: Map<StrategySession, DebugModel>
): void {
  const find = sources.find.bind(sources);
  sources.find = params => [
    ...find(params),
    ...[...models.values()]
      .filter(model => model.active && model.shows(params.source))
      .map(model => ({
        get: () => model.editor,
        reveal: () => Promise.resolve(app.shell.activateById(model.strategy.widget.id)),
        src: model.editor.model.sharedModel
      }))
  ];
}

function addCommands(
  app: JupyterFrontEnd,
  strategies: Strategies,
  models: Map<StrategySession, DebugModel>
): void {
  const { commands } = app;
  const describedBy = { args: { type: 'object' as const, properties: {} } };
  const withModel = async (action: (model: DebugModel) => unknown): Promise<void> => {
    const session = strategies.current();
    const model = session && models.get(session);
    if (model) {
      await action(model);
      return;
    }
    Notification.info('Open a strategy first, then debug it.', {
      actions: [{ label: 'Open', callback: () => void commands.execute(Command.openStrategy) }]
    });
  };
  const start = async (model: DebugModel): Promise<void> => {
    if (model.blocked === null) {
      await model.start();
    } else {
      Notification.warning(model.blocked);
    }
  };
  commands.addCommand(Command.debug, {
    label: 'Debug Strategy',
    caption: 'Save the strategy and run it to its first breakpoint',
    icon: bugIcon,
    describedBy,
    execute: () => withModel(start)
  });
  commands.addCommand(Command.debugToBar, {
    label: 'Debug Strategy up to Bar…',
    caption: 'Show the strategy the bars up to one, as at its close, and stop at its first line',
    describedBy,
    execute: () =>
      withModel(async model => {
        const { value } = await InputDialog.getText({
          title: 'Debug up to bar',
          label: 'Time of the bar, in UTC',
          text: model.bar,
          placeholder: '2017-11-27 10:00'
        });
        if (value) {
          model.setBar(value);
          await start(model);
        }
      })
  });
  commands.addCommand(Command.toggleBreakpoint, {
    label: 'Toggle Breakpoint',
    caption: 'Set or remove a breakpoint at the cursor’s line',
    describedBy,
    execute: () => withModel(model => model.toggleAtCursor())
  });
}
