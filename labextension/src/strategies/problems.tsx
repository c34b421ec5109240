import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { StateIcon, warningIcon } from '../components/icons';
import { Link } from '../components/parts';
import { plural } from '../format';
import { repairLabel } from './diagnostics';
import type { StrategySession } from './session';

/** What reading the code found, in the down area. */
export class ProblemsPanel extends ReactWidget {
  constructor() {
    super();
    this.id = 'alphintra-problems';
    this.title.label = 'Problems';
    this.title.icon = warningIcon;
    this.title.closable = true;
    this.addClass('alp-Down');
  }

  /** Show the problems of a session, and follow it. */
  follow(session: StrategySession): void {
    if (this._session !== session) {
      this._session?.stateChanged.disconnect(this._onChange, this);
      this._session = session;
      session.stateChanged.connect(this._onChange, this);
    }
    this._onChange();
  }

  protected render(): JSX.Element {
    const session = this._session;
    if (!session || session.problems.length === 0) {
      return (
        <p className="alp-Problems-note alp-quiet">
          {session ? 'No problems found.' : 'No strategy is open.'} Checked as you type, by reading
          the code, never by running it.
        </p>
      );
    }
    const blocked = session.problems.some(problem => problem.severity === 'error');
    return (
      <>
        <table className="alp-Table alp-Problems">
          <tbody>
            {session.problems.map((problem, i) => (
              <tr
                key={i}
                className="alp-mod-clickable"
                onClick={() => session.goTo(problem.line, problem.column)}
              >
                <td>
                  <StateIcon state={problem.severity === 'error' ? 'octagon' : 'triangle'} />
                </td>
                <td>
                  <button type="button" className="alp-Plain">
                    {problem.message}
                  </button>
                </td>
                <td className="alp-quiet">{problem.file || 'strategy.py'}</td>
                <td>
                  <code>
                    {problem.line}:{problem.column}
                  </code>
                </td>
                <td onClick={event => event.stopPropagation()}>
                  {problem.repair !== null && problem.repair !== undefined && (
                    <Link onClick={() => session.repair(problem)}>
                      {repairLabel(problem.repair)}
                    </Link>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        <p className="alp-Problems-note alp-quiet">
          Checked as you type, by reading the code, never by running it.
          {blocked && ' Run backtest waits until the error is gone.'}
        </p>
      </>
    );
  }

  private _onChange(): void {
    const problems = this._session?.problems ?? [];
    const errors = problems.filter(problem => problem.severity === 'error').length;
    const parts = [
      ...(errors > 0 ? [plural(errors, 'error')] : []),
      ...(problems.length > errors ? [plural(problems.length - errors, 'warning')] : [])
    ];
    this.title.label = parts.length > 0 ? `Problems · ${parts.join(', ')}` : 'Problems';
    this.update();
  }

  private _session: StrategySession | null = null;
}
