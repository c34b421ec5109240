import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { IStatusBar } from '@jupyterlab/statusbar';

import { messageOf } from '../api/client';
import type { Job } from '../api/schemas';
import { CATEGORY, Command } from '../commands';
import { ILab, type Lab } from '../lab';
import { LogPanel } from './log';
import { RunningItem, VersionItem } from './status';

/** What runs: the status bar's item, cancelling, the log, and a word when a job is over. */
export const jobsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'alphintra-lab:jobs',
  description: 'The running jobs in the status bar, their log, and how to stop them.',
  autoStart: true,
  requires: [ILab],
  optional: [ICommandPalette, IStatusBar],
  activate: (
    app: JupyterFrontEnd,
    lab: Lab,
    palette: ICommandPalette | null,
    statusBar: IStatusBar | null
  ) => {
    statusBar?.registerStatusItem('alphintra-lab:running', {
      item: new RunningItem(lab, () => void app.commands.execute(Command.openPanel)),
      align: 'left',
      rank: 5
    });
    statusBar?.registerStatusItem('alphintra-lab:version', {
      item: new VersionItem(lab),
      align: 'right',
      rank: 0
    });

    app.commands.addCommand(Command.cancelJob, {
      label: args => (args.id ? 'Cancel' : 'Cancel Newest Job'),
      caption: 'Stop a running or waiting job',
      isEnabled: () => lab.jobs.items.length > 0,
      describedBy: { args: { type: 'object', properties: { id: { type: 'string' } } } },
      execute: async args => {
        const id = (args.id as string | undefined) ?? newest(lab.jobs.items)?.id;
        if (!id) {
          return;
        }
        try {
          await lab.client.cancelJob(id);
        } catch (error) {
          Notification.error(messageOf(error));
        }
        await lab.refreshJobs();
      }
    });
    palette?.addItem({ command: Command.cancelJob, category: CATEGORY });

    let log: LogPanel | null = null;
    app.commands.addCommand(Command.openJobLog, {
      label: 'Job Log',
      caption: 'What the strategy printed in a job',
      describedBy: { args: { type: 'object', properties: { id: { type: 'string' } } } },
      execute: async args => {
        const id = (args.id as string | undefined) ?? newest(lab.jobs.items)?.id ?? lastJob(lab);
        if (!log || log.isDisposed) {
          log = new LogPanel(lab);
        }
        if (!log.isAttached) {
          app.shell.add(log, 'down');
        }
        app.shell.activateById(log.id);
        if (id) {
          await log.showJob(id);
        }
      }
    });
    palette?.addItem({ command: Command.openJobLog, category: CATEGORY });

    lab.jobEnded.connect((_, job) => {
      // A notebook, or whatever else started a run, shows its result itself.
      if (lab.isOwn(job.subject_id) && !isOpen(app.shell.widgets('main'), job.subject_id)) {
        tell(job, () => void app.commands.execute(Command.openBacktest, { id: job.subject_id }));
      }
    });
  }
};

const newest = (jobs: Job[]): Job | undefined =>
  [...jobs].sort((a, b) => b.created_at.localeCompare(a.created_at))[0];

const lastJob = (lab: Lab): string | undefined =>
  lab.backtests.items.find(backtest => backtest.job !== null)?.job?.id;

/** Whether a backtest's tab is on the screen: then the page itself says how it ended. */
function isOpen(widgets: Iterable<{ id: string; isVisible: boolean }>, backtest: string): boolean {
  for (const widget of widgets) {
    if (widget.isVisible && widget.id === `alphintra-backtest-${backtest}`) {
      return true;
    }
  }
  return false;
}

/** One sentence and one action. */
function tell(job: Job, open: () => void): void {
  const options = { actions: [{ label: 'Open', callback: open }], autoClose: 8000 };
  if (job.state === 'succeeded') {
    Notification.success(`${job.title} is done.`, options);
  } else if (job.state === 'failed') {
    Notification.error(
      `${job.title} stopped: ${job.error?.message ?? 'no reason was given'}`,
      options
    );
  }
}
