import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import { CATEGORY, Command } from '../commands';
import { ILab, type Lab } from '../lab';

/** The tour through the lab, on the user's own first result. */
export const tourPlugin: JupyterFrontEndPlugin<void> = {
  id: 'alphintra-lab:tour',
  description: 'A short tour through the lab, for a newcomer.',
  autoStart: true,
  requires: [ILab],
  optional: [ICommandPalette],
  activate: (app: JupyterFrontEnd, lab: Lab, palette: ICommandPalette | null) => {
    let tour: Widget | null = null;
    app.commands.addCommand(Command.takeTour, {
      label: 'Take the Tour',
      caption: 'Five stops on your own first result; Escape ends it',
      describedBy: { args: { type: 'object', properties: {} } },
      execute: async () => {
        const [{ Tour }, { makeStops }] = await Promise.all([import('./tour'), import('./stops')]);
        tour?.dispose();
        tour = new Tour(makeStops(lab, (command, args) => app.commands.execute(command, args)));
        Widget.attach(tour, document.body);
        // The keyboard goes to what the tour has opened.
        tour.disposed.connect(() => {
          if (app.shell.currentWidget) {
            app.shell.activateById(app.shell.currentWidget.id);
          }
        });
      }
    });
    palette?.addItem({ command: Command.takeTour, category: CATEGORY });
  }
};
