import { listIcon, ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { messageOf } from '../api/client';
import type { Lab } from '../lab';

/** What the user's code printed in one job, in the down area. */
export class LogPanel extends ReactWidget {
  constructor(private lab: Lab) {
    super();
    this.id = 'alphintra-job-log';
    this.title.label = 'Job log';
    this.title.icon = listIcon;
    this.title.closable = true;
    this.addClass('alp-Down');
    lab.changed.connect((_, change) => {
      if (change.kind === 'job' && change.id === this._job && this.isVisible) {
        void this._read();
      }
    }, this);
  }

  /** Show the log of a job, and follow it while it runs. */
  async showJob(id: string): Promise<void> {
    this._job = id;
    await this._read();
  }

  protected render(): JSX.Element {
    return <pre className="alp-Log">{this._text}</pre>;
  }

  private async _read(): Promise<void> {
    if (this._job === null) {
      return;
    }
    try {
      const [job, log] = await Promise.all([
        this.lab.client.getJob(this._job),
        this.lab.client.getLog(this._job)
      ]);
      this.title.label = `Job log · ${job.title}`;
      this._text = log.text || 'The strategy printed nothing.';
      if (log.truncated) {
        this._text += '\n… The log was cut at its limit.';
      }
    } catch (error) {
      this._text = messageOf(error);
    }
    this.update();
  }

  private _job: string | null = null;
  private _text = 'No job has run yet.';
}
