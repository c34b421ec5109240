import { IConnectionLost, type JupyterFrontEndPlugin } from '@jupyterlab/application';

/**
 * In place of JupyterLab's dialog, which lies over what is still readable: nothing. The status bar
 * and the banner on the lab's pages say it. A notification would need a script from the server.
 */
export const connectionPlugin: JupyterFrontEndPlugin<IConnectionLost> = {
  id: 'alphintra-lab:connection',
  description: 'Lets a lost connection be told by status bar and banner, not by a dialog.',
  autoStart: true,
  provides: IConnectionLost,
  activate: () => () => Promise.resolve()
};
