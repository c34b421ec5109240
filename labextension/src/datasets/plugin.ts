import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, InputDialog, type MainAreaWidget } from '@jupyterlab/apputils';
import { Toolbar, ToolbarButton } from '@jupyterlab/ui-components';
import { Token } from '@lumino/coreutils';

import { nameFromFile } from '../api/upload';
import { CATEGORY, Command } from '../commands';
import { datasetIcon, uploadIcon } from '../components/icons';
import { change, confirmDeletion } from '../components/dialogs';
import { download } from '../components/download';
import { ILab, type Lab } from '../lab';
import { addActions, inFront, makeTab, trackTabs } from '../tabs';
import type { DatasetPanel } from './panel';
import { Uploads } from './uploads';

export const IUploads = new Token<Uploads>(
  'alphintra-lab:IUploads',
  'The uploads of datasets that are on their way.'
);

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
    const { commands } = app;
    const uploads = new Uploads(lab);
    const tracker = trackTabs<DatasetPanel>(app, restorer, {
      command: Command.openDataset,
      noun: 'Dataset',
      icon: datasetIcon,
      choose: () => choose(lab),
      read: lab.client.getDataset,
      make: id => makeDatasetTab(lab, id)
    });
    addActions(commands, 'Dataset', () => inFront(app, tracker), [
      [Command.renameDataset, 'Rename', id => rename(lab, id)],
      [Command.deleteDataset, 'Delete', id => remove(lab, id)]
    ]);
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
    for (const command of [
      Command.addData,
      Command.openDataset,
      Command.renameDataset,
      Command.deleteDataset
    ]) {
      palette?.addItem({ command, category: CATEGORY });
    }
    return uploads;
  }
};

async function makeDatasetTab(lab: Lab, id: string): Promise<MainAreaWidget<DatasetPanel>> {
  const [{ DatasetPanel }, { DatasetModel }] = await Promise.all([
    import('./panel'),
    import('./model')
  ]);
  const model = new DatasetModel(lab, id);
  const tab = makeTab(new DatasetPanel(model), 'Dataset', datasetIcon);
  tab.title.label = lab.datasets.find(id)?.name ?? tab.title.label;
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
    await change(lab.datasets, () => lab.client.renameDataset(id, value));
  }
}

async function remove(lab: Lab, id: string): Promise<void> {
  const name = lab.datasets.find(id)?.name ?? 'this dataset';
  const body = 'It leaves the list; results that were made with it stay.';
  if (await confirmDeletion(name, body)) {
    await change(lab.datasets, () => lab.client.deleteDataset(id));
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
