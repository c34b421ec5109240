import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILauncher } from '@jupyterlab/launcher';

import { CATEGORY, Command } from './commands';

/** Before Notebook, whose rank is 0. */
const FIRST = -1;

/** The launcher's cards: New strategy, Add data, Home. */
export const launcherPlugin: JupyterFrontEndPlugin<void> = {
  id: 'alphintra-lab:launcher',
  description: 'The lab’s cards in the launcher.',
  autoStart: true,
  requires: [ILauncher],
  activate: (_: JupyterFrontEnd, launcher: ILauncher) => {
    [Command.newStrategy, Command.addData, Command.openHome].forEach((command, rank) =>
      launcher.add({ command, category: CATEGORY, categoryRank: FIRST, rank })
    );
  }
};
