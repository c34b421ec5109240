import {
  ILabShell,
  ILayoutRestorer,
  IRouter,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  Dialog,
  ICommandPalette,
  InputDialog,
  type MainAreaWidget,
  Notification,
  showDialog,
  type WidgetTracker
} from '@jupyterlab/apputils';
import {
  downloadIcon,
  type LabIcon,
  runIcon,
  Toolbar,
  ToolbarButton
} from '@jupyterlab/ui-components';
import { Menu, type Widget } from '@lumino/widgets';

import { messageOf } from '../api/client';
import { CATEGORY, Command } from '../commands';
import { change, confirmDeletion } from '../components/dialogs';
import { download } from '../components/download';
import { resultIcon } from '../components/icons';
import { ILab, type Lab } from '../lab';
import { addActions, inFront, makeTab, trackTabs } from '../tabs';
import { followCards } from './cards';
import type { ResultPanel } from './panel';

type ResultTab = MainAreaWidget<ResultPanel>;

const QUERY = 'backtest';

/** Backtests: a tab for each, at `?backtest=ID`, opened once and restored on reload. */
export const backtestsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'alphintra-lab:backtests',
  description: 'The result of each backtest in a tab of its own.',
  autoStart: true,
  requires: [ILab],
  optional: [ICommandPalette, ILayoutRestorer, IRouter, ILabShell],
  activate: (
    app: JupyterFrontEnd,
    lab: Lab,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    router: IRouter | null,
    labShell: ILabShell | null
  ) => {
    const { commands, shell } = app;
    const tracker = trackTabs<ResultPanel>(app, restorer, {
      command: Command.openBacktest,
      noun: 'Backtest',
      icon: resultIcon,
      choose: () => choose(lab),
      read: lab.client.getBacktest,
      make: id => makeResultTab(app, lab, id),
      // Beside the first tabs: the code at the right stays in sight.
      place: () => {
        const [first] = shell.widgets('main');
        return first ? { mode: 'tab-after', ref: first.id } : {};
      }
    });
    addActions(commands, 'Backtest', () => inFront(app, tracker), [
      [
        Command.exportBacktest,
        'Export',
        id => {
          const tab = tracker.find(item => item.content.model.id === id);
          if (tab) {
            showExportMenu(app, tab);
          }
        }
      ],
      [Command.deleteBacktest, 'Delete', id => remove(lab, id)]
    ]);
    const text = { type: 'string' } as const;
    commands.addCommand(Command.downloadBacktest, {
      label: args => `${String(args.title)}, ${args.format === 'csv' ? 'CSV' : 'Parquet'}`,
      describedBy: {
        args: { type: 'object', properties: { id: text, table: text, format: text, title: text } }
      },
      execute: args =>
        download(
          lab.client.backtestExport(String(args.id), String(args.table), String(args.format))
        )
    });
    commands.addCommand(Command.showKeys, {
      label: 'Keys of a Result',
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => showDialog({ title: 'Keys', body: KEYS, buttons: [Dialog.okButton()] })
    });
    for (const command of [
      Command.openBacktest,
      Command.exportBacktest,
      Command.deleteBacktest,
      Command.showKeys
    ]) {
      palette?.addItem({ command, category: CATEGORY });
    }
    followCards(document.body, backtest => {
      void commands.execute(Command.openBacktest, { id: backtest });
    });
    if (router) {
      followUrl(app, router, tracker, labShell);
    }
  }
};

const KEYS = [
  'J, K: next, previous trade',
  'Shift J, Shift K: next, previous loss',
  'W: why this fill',
  'B: go to the trade’s bars',
  '[ ]: wider, narrower',
  '0: the whole test',
  'E: export'
].join(' · ');

/** Open what the address names, and let the address name what is in front. */
function followUrl(
  app: JupyterFrontEnd,
  router: IRouter,
  tracker: WidgetTracker<ResultTab>,
  labShell: ILabShell | null
): void {
  const asked = new URLSearchParams(router.current.search ?? '').get(QUERY);
  void app.restored.then(async () => {
    if (asked) {
      await app.commands.execute(Command.openBacktest, { id: asked });
    }
    labShell?.currentChanged.connect((_, { newValue }) => {
      const tab = newValue && tracker.find(item => item === newValue);
      const { path, search, hash } = router.current;
      const query = new URLSearchParams(search ?? '');
      if (tab) {
        query.set(QUERY, tab.content.model.id);
      } else {
        query.delete(QUERY);
      }
      const text = query.toString();
      const url = `${path ?? ''}${text ? `?${text}` : ''}${hash ?? ''}`;
      if (url !== `${path ?? ''}${search ?? ''}${hash ?? ''}`) {
        router.navigate(url, { skipRouting: true });
      }
    });
  });
}

async function makeResultTab(app: JupyterFrontEnd, lab: Lab, id: string): Promise<ResultTab> {
  const [{ ResultPanel }, { ResultModel }, { LedgerItem }] = await Promise.all([
    import('./panel'),
    import('./model'),
    import('./toolbar')
  ]);
  const run = (command: string, args = {}) => void app.commands.execute(command, args);
  const model = new ResultModel(lab, id);
  const tab = makeTab(new ResultPanel(model, run), 'Backtest', resultIcon);
  model.stateChanged.connect(() => {
    const { backtest } = model;
    if (backtest) {
      tab.title.label = `${backtest.strategy_name} · ${backtest.dataset_name} · run ${backtest.number}`;
      tab.title.caption = tab.title.label;
    }
  });
  const again = async () => {
    const { runAgain } = await import('./states');
    try {
      await runAgain(model, run);
    } catch (error) {
      Notification.error(`The backtest was not started: ${messageOf(error)}`);
    }
  };
  const button = (label: string, tooltip: string, onClick: () => void, icon?: LabIcon): Widget =>
    new ToolbarButton({ label, tooltip, onClick, icon });
  tab.toolbar.addItem(
    'again',
    button('Run again', 'Run with the same settings', () => void again(), runIcon)
  );
  tab.toolbar.addItem(
    'parameters',
    button('Parameters…', 'Open the strategy with this run’s parameters', () =>
      run(Command.setParameters, { id })
    )
  );
  tab.toolbar.addItem(
    'export',
    button(
      'Export',
      'Trades, orders or equity as a file (E)',
      () => run(Command.exportBacktest, { id }),
      downloadIcon
    )
  );
  tab.toolbar.addItem('spacer', Toolbar.createSpacerItem());
  tab.toolbar.addItem('ledger', new LedgerItem(model));
  void model.load();
  return tab;
}

function showExportMenu(app: JupyterFrontEnd, tab: ResultTab): void {
  const menu = new Menu({ commands: app.commands });
  const { id } = tab.content.model;
  for (const [table, title] of [
    ['trades', 'Trades'],
    ['orders', 'Orders'],
    ['equity', 'Equity']
  ]) {
    for (const format of ['csv', 'parquet']) {
      menu.addItem({ command: Command.downloadBacktest, args: { id, table, title, format } });
    }
  }
  const box = tab.toolbar.node.getBoundingClientRect();
  menu.open(box.left + 160, box.bottom);
}

async function choose(lab: Lab): Promise<string | undefined> {
  const { items } = lab.backtests;
  const names = items.map(
    backtest => `run ${backtest.number} · ${backtest.strategy_name} · ${backtest.dataset_name}`
  );
  const { value } = await InputDialog.getItem({ title: 'Open backtest', items: names });
  return items[names.indexOf(value ?? '')]?.id;
}

async function remove(lab: Lab, id: string): Promise<void> {
  const name = `run ${lab.backtests.find(id)?.number ?? ''}`.trim();
  if (await confirmDeletion(name, 'Its result is gone then; it stays counted as a trial.')) {
    await change(lab.backtests, () => lab.client.deleteBacktest(id));
  }
}
