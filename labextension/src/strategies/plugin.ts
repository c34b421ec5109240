import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IEditorTracker } from '@jupyterlab/fileeditor';
import { addIcon } from '@jupyterlab/ui-components';

import { CATEGORY, Command } from '../commands';
import { ILab, type Lab } from '../lab';
import { addActions, WITH_ID } from '../tabs';
import { BLANK } from './templates';
import { type Editor, IStrategies, Strategies } from './workbench';

/** Strategies: making, opening, checking and running them. */
export const strategiesPlugin: JupyterFrontEndPlugin<Strategies> = {
  id: 'alphintra-lab:strategies',
  description: 'New strategies, the form over their editor, their problems, and Run backtest.',
  autoStart: true,
  provides: IStrategies,
  requires: [ILab, IEditorTracker],
  optional: [ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    lab: Lab,
    tracker: IEditorTracker,
    palette: ICommandPalette | null
  ) => {
    const strategies = new Strategies(app, lab);
    // The tracker's editors are document widgets: it is their factory that makes them.
    const consider = (widget: unknown) => void strategies.consider(widget as Editor);
    tracker.widgetAdded.connect((_, widget) => consider(widget));
    lab.strategies.stateChanged.connect(() => tracker.forEach(consider));
    tracker.currentChanged.connect((_, widget) =>
      strategies.followCurrent(widget as Editor | null)
    );
    addCommands(app, strategies);
    for (const command of [
      Command.newStrategy,
      Command.openStrategy,
      Command.runBacktest,
      Command.renameStrategy,
      Command.deleteStrategy,
      Command.openProblems
    ]) {
      palette?.addItem({ command, category: CATEGORY });
    }
    palette?.addItem({
      command: Command.newStrategy,
      args: { template: BLANK },
      category: CATEGORY
    });
    return strategies;
  }
};

function addCommands(app: JupyterFrontEnd, strategies: Strategies): void {
  const { commands } = app;
  const id = { type: 'string' } as const;
  commands.addCommand(Command.newStrategy, {
    label: args => (args.template === BLANK ? 'Blank Strategy' : 'New Strategy…'),
    icon: addIcon,
    caption: 'New strategy from a template',
    describedBy: { args: { type: 'object', properties: { template: id } } },
    execute: args => strategies.create(args.template as string | undefined)
  });
  commands.addCommand(Command.openStrategy, {
    label: args => (args.id ? 'Open' : 'Open Strategy…'),
    caption: 'Open a strategy’s notebook and its code side by side',
    describedBy: WITH_ID,
    execute: async args => {
      const strategy = await strategies.choose(args.id as string | undefined);
      if (strategy) {
        await strategies.open(strategy);
      }
    }
  });
  commands.addCommand(Command.openLine, {
    label: 'Open Line of Strategy',
    describedBy: {
      args: { type: 'object', properties: { id, file: id, line: id }, required: ['id', 'line'] }
    },
    execute: args =>
      strategies.openLine(String(args.id), args.file as string | null, Number(args.line))
  });
  commands.addCommand(Command.runBacktest, {
    label: 'Run Backtest',
    caption: 'Save the strategy and run a backtest of it',
    describedBy: WITH_ID,
    execute: args => strategies.run(args.id as string | undefined)
  });
  commands.addCommand(Command.setParameters, {
    label: 'Parameters of a Run…',
    describedBy: { args: { type: 'object', properties: { id }, required: ['id'] } },
    execute: args => strategies.takeParameters(String(args.id))
  });
  addActions(commands, 'Strategy', () => strategies.current()?.strategy?.id, [
    [Command.renameStrategy, 'Rename', id => strategies.rename(id)],
    [Command.deleteStrategy, 'Delete', id => strategies.remove(id)]
  ]);
  commands.addCommand(Command.openProblems, {
    label: 'Problems',
    caption: 'What reading the strategy’s code found',
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => strategies.openProblems(strategies.current())
  });
}
