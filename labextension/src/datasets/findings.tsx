import React from 'react';

import type { Finding } from '../api/schemas';
import { type StateName, StateIcon } from '../components/icons';
import { count, UNDEFINED } from '../format';
import type { DatasetModel } from './model';

const STATES: Record<Finding['severity'], StateName> = {
  error: 'octagon',
  warning: 'triangle',
  note: 'info'
};

/** What the checks found; a click shows the rows of a finding. */
export function Findings({
  model,
  findings
}: {
  model: DatasetModel;
  findings: Finding[];
}): JSX.Element {
  return (
    <section>
      <h2 className="alp-Bar">
        Findings <small>click a row to see it below</small>
      </h2>
      <table className="alp-Table alp-FindingTable">
        <thead>
          <tr>
            <th>Check</th>
            <th>Symbol</th>
            <th className="alp-number">Count</th>
            <th>Rows</th>
            <th>What was found</th>
          </tr>
        </thead>
        <tbody>
          {findings.map((finding, i) => (
            <tr
              key={i}
              className="alp-mod-clickable"
              onClick={() => void model.showFinding(finding)}
            >
              <td>
                <StateIcon state={STATES[finding.severity]} />{' '}
                <button type="button" className="alp-Plain">
                  {sentence(finding.check)}
                </button>
              </td>
              <td>{finding.symbol ?? 'all'}</td>
              <td className="alp-number">{count(finding.count)}</td>
              <td>
                <code>{describeRows(finding)}</code>
              </td>
              <td>{finding.message}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const sentence = (name: string): string =>
  name.charAt(0).toUpperCase() + name.slice(1).replace(/_/g, ' ');

/** "5,568, 5,569, …" */
export function describeRows(finding: Finding): string {
  const { rows } = finding;
  if (rows.length === 0) {
    return UNDEFINED;
  }
  const shown = rows.slice(0, 2).map(row => count(row));
  return rows.length > 2 || finding.count > rows.length
    ? `${shown.join(', ')}, …`
    : shown.join(', ');
}
