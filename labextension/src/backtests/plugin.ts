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
  MainAreaWidget,
  Notification,
  showDialog,
  WidgetTracker
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
import { download } from '../components/download';
import { resultIcon } from '../components/icons';
import { ILab, type Lab } from '../lab';
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
    const tracker = new WidgetTracker<ResultTab>({ namespace: 'alphintra-backtest' });
    const id = { type: 'string' } as const;
    const withId = { args: { type: 'object', properties: { id } } } as const;

    commands.addCommand(Command.openBacktest, {
      label: args => (args.id ? 'Open' : 'Open Backtest…'),
      icon: resultIcon,
      describedBy: withId,
      execute: async args => {
        const backtest = (args.id as string | undefined) ?? (await choose(lab));
        if (!backtest) {
          return;
        }
        const open = tracker.find(tab => tab.content.model.id === backtest);
        const tab = open ?? (await makeTab(app, lab, backtest));
        if (!open) {
          void tracker.add(tab);
          // Beside the first tabs: the code at the right stays in sight.
          const [first] = shell.widgets('main');
          const place = first ? ({ mode: 'tab-after', ref: first.id } as const) : {};
          shell.add(tab, 'main', { type: 'Alphintra', ...place });
        }
        shell.activateById(tab.id);
        return tab;
      }
    });
    const inFront = () => tracker.find(tab => tab === shell.currentWidget);
    const subject = (args: { id?: unknown }): string | undefined =>
      (args.id as string | undefined) ?? inFront()?.content.model.id;
    commands.addCommand(Command.exportBacktest, {
      label: args => (args.id ? 'Export…' : 'Export Backtest…'),
      caption: 'Trades, orders or equity of the backtest that is in front',
      isEnabled: args => subject(args) !== undefined,
      describedBy: withId,
      execute: args => {
        const tab = tracker.find(item => item.content.model.id === subject(args));
        if (tab) {
          showExportMenu(app, tab);
        }
      }
    });
    commands.addCommand(Command.downloadBacktest, {
      label: args => `${String(args.title)}, ${args.format === 'csv' ? 'CSV' : 'Parquet'}`,
      describedBy: {
        args: { type: 'object', properties: { id, table: id, format: id, title: id } }
      },
      execute: args =>
        download(
          lab.client.backtestExport(String(args.id), String(args.table), String(args.format))
        )
    });
    commands.addCommand(Command.deleteBacktest, {
      label: args => (args.id ? 'Delete…' : 'Delete Backtest…'),
      caption: 'The backtest that is in front',
      isEnabled: args => subject(args) !== undefined,
      describedBy: withId,
      execute: args => remove(lab, subject(args)!)
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
    if (restorer) {
      void restorer.restore(tracker, {
        command: Command.openBacktest,
        args: tab => ({ id: tab.content.model.id }),
        name: tab => tab.content.model.id
      });
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

async function makeTab(app: JupyterFrontEnd, lab: Lab, id: string): Promise<ResultTab> {
  const [{ ResultPanel }, { ResultModel }, { LedgerItem }] = await Promise.all([
    import('./panel'),
    import('./model'),
    import('./toolbar')
  ]);
  const run = (command: string, args = {}) => void app.commands.execute(command, args);
  const model = new ResultModel(lab, id);
  const tab = new MainAreaWidget({ content: new ResultPanel(model, run) });
  tab.id = `alphintra-backtest-${id}`;
  tab.title.icon = resultIcon;
  tab.title.closable = true;
  tab.title.label = 'Backtest';
  tab.title.className = 'alp-Tab';
  tab.toolbar.addClass('alp-Toolbar');
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
  const backtest = lab.backtests.find(id);
  const { button } = await showDialog({
    title: `Delete run ${backtest?.number ?? ''}?`,
    body: 'Its result is gone then; it stays counted as a trial.',
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Delete' })]
  });
  if (!button.accept) {
    return;
  }
  try {
    await lab.client.deleteBacktest(id);
    await lab.backtests.refresh();
  } catch (error) {
    Notification.error(messageOf(error));
  }
}
