import {
  ILayoutRestorer,
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
import { Toolbar, ToolbarButton } from '@jupyterlab/ui-components';
import { Token } from '@lumino/coreutils';

import { messageOf } from '../api/client';
import { nameFromFile } from '../api/upload';
import { CATEGORY, Command } from '../commands';
import { datasetIcon, uploadIcon } from '../components/icons';
import { download } from '../components/download';
import { ILab, type Lab } from '../lab';
import type { DatasetPanel } from './panel';
import { Uploads } from './uploads';

export const IUploads = new Token<Uploads>(
  'alphintra-lab:IUploads',
  'The uploads of datasets that are on their way.'
);

type DatasetTab = MainAreaWidget<DatasetPanel>;

/** Datasets: adding, opening, renaming and deleting them. */
export const datasetsPlugin: JupyterFrontEndPlugin<Uploads> = {
  id: 'alphintra-lab:datasets',
  description: 'Add data by upload, and a tab for each dataset.',
  autoStart: true,
  provides: IUploads,
  requires: [ILab],
  optional: [ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    lab: Lab,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ) => {
    const { commands, shell } = app;
    const uploads = new Uploads(lab);
    const tracker = new WidgetTracker<DatasetTab>({ namespace: 'alphintra-dataset' });
    const id = { type: 'string' } as const;
    const withId = { args: { type: 'object', properties: { id } } } as const;

    commands.addCommand(Command.openDataset, {
      label: args => (args.id ? 'Open' : 'Open Dataset…'),
      icon: datasetIcon,
      describedBy: withId,
      execute: async args => {
        const dataset = (args.id as string | undefined) ?? (await choose(lab));
        if (!dataset) {
          return;
        }
        const open = tracker.find(tab => tab.content.model.id === dataset);
        const tab = open ?? (await makeTab(lab, dataset));
        if (!open) {
          void tracker.add(tab);
          shell.add(tab, 'main', { type: 'Alphintra' });
        }
        shell.activateById(tab.id);
        return tab;
      }
    });
    commands.addCommand(Command.addData, {
      label: 'Add Data…',
      caption: 'Upload a CSV or Parquet file with bars',
      icon: uploadIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: async () => {
        const file = await pickFile();
        const name = file && (await askName(file));
        if (!file || !name) {
          return;
        }
        void commands.execute(Command.openPanel);
        const detail = await uploads.add(file, name.name, name.symbol);
        if (detail) {
          await commands.execute(Command.openDataset, { id: detail.dataset.id });
        }
      }
    });
    const subject = (args: { id?: unknown }): string | undefined =>
      (args.id as string | undefined) ??
      tracker.find(tab => tab === shell.currentWidget)?.content.model.id;
    const actions: [string, string, (id: string) => Promise<void>][] = [
      [Command.renameDataset, 'Rename', dataset => rename(lab, dataset)],
      [Command.deleteDataset, 'Delete', dataset => remove(lab, dataset)]
    ];
    for (const [command, verb, action] of actions) {
      commands.addCommand(command, {
        label: args => (args.id ? `${verb}…` : `${verb} Dataset…`),
        caption: 'The dataset that is in front',
        isEnabled: args => subject(args) !== undefined,
        describedBy: withId,
        execute: args => action(subject(args)!)
      });
      palette?.addItem({ command, category: CATEGORY });
    }
    for (const command of [Command.addData, Command.openDataset]) {
      palette?.addItem({ command, category: CATEGORY });
    }
    if (restorer) {
      void restorer.restore(tracker, {
        command: Command.openDataset,
        args: tab => ({ id: tab.content.model.id }),
        name: tab => tab.content.model.id
      });
    }
    return uploads;
  }
};

async function makeTab(lab: Lab, id: string): Promise<DatasetTab> {
  const [{ DatasetPanel }, { DatasetModel }] = await Promise.all([
    import('./panel'),
    import('./model')
  ]);
  const model = new DatasetModel(lab, id);
  const tab = new MainAreaWidget({ content: new DatasetPanel(model) });
  tab.id = `alphintra-dataset-${id}`;
  tab.title.icon = datasetIcon;
  tab.title.closable = true;
  tab.title.label = lab.datasets.find(id)?.name ?? 'Dataset';
  tab.title.className = 'alp-Tab';
  tab.toolbar.addClass('alp-Toolbar');
  model.stateChanged.connect(() => {
    tab.title.label = model.detail?.dataset.name ?? tab.title.label;
  });
  const get = (format: string) => () =>
    download(lab.client.datasetDownload(id, { symbols: model.symbol, format }));
  const items: [string, string, () => void][] = [
    ['Check again', 'Run the quality checks again', () => void model.validate()],
    ['Download CSV', 'Download the symbol’s bars as CSV', get('csv')],
    ['Download Parquet', 'Download the symbol’s bars as Parquet', get('parquet')]
  ];
  items.forEach(([label, tooltip, onClick]) =>
    tab.toolbar.addItem(label, new ToolbarButton({ label, tooltip, onClick }))
  );
  tab.toolbar.addItem('spacer', Toolbar.createSpacerItem());
  void model.load();
  return tab;
}

async function choose(lab: Lab): Promise<string | undefined> {
  const { items } = lab.datasets;
  const { value } = await InputDialog.getItem({
    title: 'Open dataset',
    items: items.map(dataset => dataset.name)
  });
  return items.find(dataset => dataset.name === value)?.id;
}

async function rename(lab: Lab, id: string): Promise<void> {
  const text = lab.datasets.find(id)?.name;
  const { value } = await InputDialog.getText({ title: 'Rename dataset', text });
  if (value) {
    await change(lab, () => lab.client.renameDataset(id, value));
  }
}

async function remove(lab: Lab, id: string): Promise<void> {
  const name = lab.datasets.find(id)?.name ?? 'this dataset';
  const { button } = await showDialog({
    title: `Delete ${name}?`,
    body: 'It leaves the list; results that were made with it stay.',
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Delete' })]
  });
  if (button.accept) {
    await change(lab, () => lab.client.deleteDataset(id));
  }
}

async function change(lab: Lab, action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
    await lab.datasets.refresh();
  } catch (error) {
    Notification.error(messageOf(error));
  }
}

function pickFile(): Promise<File | null> {
  return new Promise(resolve => {
    const input = document.createElement('input');
    input.type = 'file';
    input.accept = '.csv,.txt,.parquet,.pq,.gz,.zst';
    input.onchange = () => resolve(input.files?.[0] ?? null);
    input.oncancel = () => resolve(null);
    input.click();
  });
}

/** The name, and for a file of one symbol without a symbol column that symbol. */
async function askName(file: File): Promise<{ name: string; symbol: string } | null> {
  const { value: name } = await InputDialog.getText({
    title: `Add ${file.name}`,
    label: 'Name of the dataset',
    text: nameFromFile(file.name),
    okLabel: 'Add',
    pattern: '.*\\S.*',
    required: true
  });
  return name ? { name: name.trim(), symbol: '' } : null;
}
