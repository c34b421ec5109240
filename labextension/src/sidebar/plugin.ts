import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';

import { CATEGORY, Command } from '../commands';
import { alphaIcon } from '../components/icons';
import { IUploads } from '../datasets/plugin';
import type { Uploads } from '../datasets/uploads';
import { ILab, type Lab } from '../lab';
import { LabPanel } from './panel';

/** The panel "Alphintra" in the left sidebar. */
export const sidebarPlugin: JupyterFrontEndPlugin<void> = {
  id: 'alphintra-lab:sidebar',
  description: 'Strategies, datasets and backtests in the left sidebar.',
  autoStart: true,
  requires: [ILab, IUploads],
  optional: [ICommandPalette, ILayoutRestorer, ILabShell],
  activate: (
    app: JupyterFrontEnd,
    lab: Lab,
    uploads: Uploads,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    labShell: ILabShell | null
  ) => {
    const panel = new LabPanel(lab, uploads, app.commands);
    app.shell.add(panel, 'left', { rank: 300, type: 'Alphintra' });
    restorer?.add(panel, 'alphintra-panel');
    app.commands.addCommand(Command.openPanel, {
      label: 'Show Alphintra Panel',
      caption: 'Show strategies, datasets and backtests',
      icon: alphaIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => app.shell.activateById(panel.id)
    });
    palette?.addItem({ command: Command.openPanel, category: CATEGORY });
    // A newcomer does not know of the icon; where a workspace was restored, it says what is open.
    void labShell?.restored.then(async ({ fresh }) => {
      // The file browser shows itself on the same occasion.
      await app.restored;
      if (fresh) {
        labShell.activateById(panel.id);
      }
    });
  }
};
