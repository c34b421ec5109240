import React, { useEffect, useState } from 'react';

import type { Finding } from '../api/schemas';
import { messageOf } from '../api/client';
import { Command } from '../commands';
import { StateIcon } from '../components/icons';
import { Button, Trouble } from '../components/parts';
import { plural } from '../format';
import type { Run } from '../home/panel';
import type { Lab } from '../lab';

/** Why a dataset cannot be backtested yet, and the way to override its errors by name. */
export function BlockedByData(props: {
  lab: Lab;
  /** Name or id. */
  dataset: string;
  /** What the server said. */
  message: string;
  run: Run;
  onRun: (overrides: string[]) => Promise<void>;
}): JSX.Element {
  const { lab, message } = props;
  const known = lab.datasets.items.find(({ id, name }) => [id, name].includes(props.dataset));
  const id = known?.id ?? props.dataset;
  const [findings, setFindings] = useState<Finding[]>([]);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [open, setOpen] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);

  useEffect(() => {
    let gone = false;
    // Without the report the server's message still says what stands in the way.
    lab.client
      .getDataset(id)
      .then(({ report }) => {
        if (!gone) {
          setFindings(report.findings.filter(finding => finding.severity === 'error'));
        }
      })
      .catch(() => undefined);
    return () => {
      gone = true;
    };
  }, [lab, id]);

  const toggle = (check: string) => {
    const next = new Set(chosen);
    if (!next.delete(check)) {
      next.add(check);
    }
    setChosen(next);
  };
  const checks = new Set(findings.map(finding => finding.check));
  const start = () =>
    props.onRun([...chosen]).catch(reason => setFailure(`Not started: ${messageOf(reason)}`));
  return (
    <Trouble
      title={`${known?.name ?? props.dataset} has ${plural(checks.size || 1, 'error')}, so it cannot be backtested yet.`}
      text={findings.length === 0 ? message : undefined}
    >
      <ul className="alp-Findings">
        {findings.map((finding, i) => (
          <li key={i}>
            <label>
              {open && (
                <input
                  type="checkbox"
                  aria-label={`Override ${finding.check}`}
                  checked={chosen.has(finding.check)}
                  onChange={() => toggle(finding.check)}
                />
              )}
              <StateIcon state="octagon" size={12} />
              <span>
                {finding.message} <code>{finding.check}</code>, {plural(finding.count, 'row')}
                {finding.symbol ? ` of ${finding.symbol}` : ''}
              </span>
            </label>
          </li>
        ))}
      </ul>
      <p className="alp-Buttons">
        {open ? (
          <Button primary disabled={chosen.size === 0} onClick={() => void start()}>
            Run with {plural(chosen.size, 'override')}
          </Button>
        ) : (
          <Button onClick={() => setOpen(true)}>Override by name…</Button>
        )}
        <Button onClick={() => props.run(Command.openDataset, { id })}>Open the dataset</Button>
      </p>
      {failure !== null && <p role="alert">{failure}</p>}
      <p className="alp-quiet">An override is printed on the report and on the run.</p>
    </Trouble>
  );
}
