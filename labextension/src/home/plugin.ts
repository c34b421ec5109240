import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { Widget } from '@lumino/widgets';

import { CATEGORY, Command } from '../commands';
import { alphaIcon } from '../components/icons';
import { ILab, type Lab } from '../lab';

/** Home: opened by its command, and by itself where nothing else is open. */
export const homePlugin: JupyterFrontEndPlugin<void> = {
  id: 'alphintra-lab:home',
  description: 'The lab’s first tab.',
  autoStart: true,
  requires: [ILab],
  optional: [ICommandPalette, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    lab: Lab,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null
  ) => {
    const tracker = new WidgetTracker<MainAreaWidget<Widget>>({ namespace: 'alphintra-home' });
    let home: MainAreaWidget<Widget> | null = null;

    app.commands.addCommand(Command.openHome, {
      label: 'Home',
      caption: 'Open the lab’s home',
      icon: alphaIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: async () => {
        if (!home || home.isDisposed) {
          const { HomePanel } = await import('./panel');
          const content = new HomePanel(lab, (id, args) => void app.commands.execute(id, args));
          home = new MainAreaWidget<Widget>({ content });
          home.id = 'alphintra-home-tab';
          home.toolbar.hide();
          void tracker.add(home);
        }
        if (!home.isAttached) {
          // The first tab: before whatever is open.
          const [first] = app.shell.widgets('main');
          const place = first ? ({ mode: 'tab-before', ref: first.id } as const) : {};
          app.shell.add(home, 'main', { type: 'Alphintra', ...place });
        }
        app.shell.activateById(home.id);
        return home;
      }
    });
    palette?.addItem({ command: Command.openHome, category: CATEGORY });
    if (restorer) {
      void restorer.restore(tracker, { command: Command.openHome, name: () => 'home' });
    }
    void app.restored.then(() => openOnEmpty(app));
  }
};

/** Open Home where only the launcher stands, after the launcher was painted, and in its place. */
function openOnEmpty(app: JupyterFrontEnd): void {
  const afterPaint = (then: () => Promise<void>) =>
    requestAnimationFrame(() => requestAnimationFrame(() => void then()));
  const look = (tries: number) => {
    const open = [...app.shell.widgets('main')];
    const launcher = open.length === 1 && open[0].node.querySelector('.jp-Launcher') !== null;
    if (launcher || (open.length === 0 && tries === 0)) {
      afterPaint(async () => {
        await app.commands.execute(Command.openHome);
        if (launcher) {
          open[0].close();
        }
      });
    } else if (open.length === 0) {
      // JupyterLab adds its launcher a moment after the workspace was restored.
      window.setTimeout(() => look(tries - 1), 50);
    }
  };
  look(20);
}
