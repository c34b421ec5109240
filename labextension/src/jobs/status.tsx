import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { useModels } from '../components/hooks';
import { alphaIcon, StateIcon } from '../components/icons';
import type { Lab } from '../lab';

/** "2 running, 1 waiting", or that the server does not answer; opens the panel. */
export class RunningItem extends ReactWidget {
  constructor(
    private lab: Lab,
    private open: () => void
  ) {
    super();
    this.addClass('alp-Status');
  }

  protected render(): JSX.Element {
    return <Running lab={this.lab} open={this.open} />;
  }
}

/** "2 running, 1 waiting", "0 running" */
export function describeRunning(running: number, waiting: number): string {
  return waiting > 0 ? `${running} running, ${waiting} waiting` : `${running} running`;
}

function Running({ lab, open }: { lab: Lab; open: () => void }): JSX.Element {
  useModels(lab, lab.jobs);
  if (lab.lostSince !== null) {
    return (
      <button
        type="button"
        className="alp-Status-button"
        onClick={() => void lab.tryNow()}
        title="The lab does not answer. Your runs go on. Click to try now."
      >
        <StateIcon state="triangle" size={14} /> No connection
      </button>
    );
  }
  return (
    <button type="button" className="alp-Status-button" onClick={open} title="Show the backtests">
      <alphaIcon.react tag="span" width="14px" />
      {describeRunning(lab.running.length, lab.waiting.length)}
    </button>
  );
}

/** The lab's name and version, at the right end. */
export class VersionItem extends ReactWidget {
  constructor(private lab: Lab) {
    super();
    this.addClass('alp-Status');
  }

  protected render(): JSX.Element {
    return <Version lab={this.lab} />;
  }
}

function Version({ lab }: { lab: Lab }): JSX.Element {
  useModels(lab);
  const version = lab.overview?.version.split('.').slice(0, 2).join('.') ?? '';
  return <span className="alp-Status-version">Alphintra Lab {version}</span>;
}
