import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';

import { Client } from './api/client';
import { CATEGORY, Command } from './commands';
import { ILab, Lab } from './lab';

/** The lab that all panels share. Its name is that of the settings: menu and shortcuts. */
export const labPlugin: JupyterFrontEndPlugin<Lab> = {
  id: 'alphintra-lab:plugin',
  description: 'The lab’s client, its lists and its events.',
  autoStart: true,
  provides: ILab,
  optional: [ICommandPalette, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    palette: ICommandPalette | null,
    settings: ISettingRegistry | null
  ) => {
    const lab = new Lab(new Client(app.serviceManager.serverSettings));
    // The page comes first: nothing is asked before it is there.
    void app.restored.then(() => lab.start(app.serviceManager));
    void settings?.load('alphintra-lab:plugin');
    app.commands.addCommand(Command.openApiDocs, {
      label: 'API Documentation',
      caption: 'The REST API, to read and to try',
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => void window.open(lab.client.url('docs'), '_blank', 'noopener')
    });
    palette?.addItem({ command: Command.openApiDocs, category: CATEGORY });
    return lab;
  }
};
