import { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import type { DatasetDetail, Finding, Report } from '../api/schemas';
import { useModels } from '../components/hooks';
import { type StateName, StateIcon } from '../components/icons';
import { Button, Chip, ConnectionBanner, Loading, Trouble } from '../components/parts';
import { bytes, count, day, plural, ratio, shortHash, time } from '../format';
import { DatasetChart } from './chart';
import { describeCalendar } from './describe';
import { Findings } from './findings';
import { Columns, Instruments, Rows } from './tables';
import type { DatasetModel } from './model';

/** A dataset's tab: the passport first, then the bars, the rows and the columns. */
export class DatasetPanel extends ReactWidget {
  constructor(readonly model: DatasetModel) {
    super();
    this.addClass('alp-Page');
    this.addClass('alp-DatasetPage');
    this.node.tabIndex = -1;
  }

  dispose(): void {
    this.model.dispose();
    super.dispose();
  }

  protected render(): JSX.Element {
    return <Page model={this.model} />;
  }
}

function Page({ model }: { model: DatasetModel }): JSX.Element {
  useModels(model);
  const { detail, error } = model;
  return (
    <>
      <ConnectionBanner lab={model.lab} />
      {error !== null && (
        <Trouble title="The dataset could not be read." text={error}>
          <Button onClick={() => void model.load()}>Try again</Button>
        </Trouble>
      )}
      {detail ? (
        <Passport model={model} detail={detail} />
      ) : (
        error === null && <Loading lines={8} />
      )}
    </>
  );
}

function Passport({ model, detail }: { model: DatasetModel; detail: DatasetDetail }): JSX.Element {
  const { dataset, report } = detail;
  return (
    <>
      <header className="alp-Dataset-header">
        <ScoreRing score={report.score} />
        <div>
          <div className="alp-Identity">
            <h1>{dataset.name}</h1>
            <span className="alp-Tag">version {dataset.version}</span>
            <span className="alp-quiet">
              {[dataset.source, ...dataset.notes].filter(Boolean).join(' · ')} · sha256{' '}
              <code title={dataset.sha256}>{shortHash(dataset.sha256)}</code>
            </span>
          </div>
          <ReportVerdict report={report} />
          <ReportChips report={report} />
        </div>
      </header>
      <Facts detail={detail} />
      <div className="alp-Result-columns">
        <div className="alp-Result-main">
          {report.findings.length > 0 && <Findings model={model} findings={report.findings} />}
          <DatasetChart model={model} />
          <Rows model={model} />
        </div>
        <aside className="alp-Result-side">
          <Columns model={model} />
          <Instruments detail={detail} />
        </aside>
      </div>
    </>
  );
}

/** The score as a ring: full is 1. */
function ScoreRing({ score }: { score: number }): JSX.Element {
  const around = 2 * Math.PI * 34;
  return (
    <div className="alp-Ring" role="img" aria-label={`Score ${ratio(score)} of 1`}>
      <svg viewBox="0 0 80 80" width="80" height="80" aria-hidden="true">
        <circle cx="40" cy="40" r="34" />
        <circle
          className={score < 1 ? 'alp-mod-warn' : 'alp-mod-ok'}
          cx="40"
          cy="40"
          r="34"
          strokeDasharray={`${around * score} ${around}`}
          transform="rotate(-90 40 40)"
        />
      </svg>
      <strong>{ratio(score)}</strong>
      <small>score</small>
    </div>
  );
}

/** What the report amounts to: what blocks, what to know, or that nothing was found. */
export function ReportVerdict({ report }: { report: Report }): JSX.Element {
  const of = (severity: Finding['severity']) =>
    report.findings.filter(finding => finding.severity === severity).length;
  const [errors, warnings, notes] = [of('error'), of('warning'), of('note')];
  const [state, title, text]: [StateName, string, string] =
    errors > 0
      ? [
          'octagon',
          `${plural(errors, 'error')} ${errors === 1 ? 'blocks' : 'block'} backtests.`,
          'Correct the file and add it again, which makes a new version and leaves this one as it is. Or override each by name; every report then says so.'
        ]
      : warnings > 0
        ? ['triangle', `Usable, with ${plural(warnings, 'warning')}.`, '']
        : [
            'tick',
            'Clean.',
            notes > 0
              ? `There ${notes === 1 ? 'is' : 'are'} ${plural(notes, 'note')}.`
              : 'The checks found nothing.'
          ];
  return (
    <p className="alp-Verdict">
      <StateIcon state={state} size={18} />
      <span>
        <strong>{title}</strong> {text}
      </span>
    </p>
  );
}

function ReportChips({ report }: { report: Report }): JSX.Element | null {
  const kinds: [Finding['severity'], StateName][] = [
    ['error', 'octagon'],
    ['warning', 'triangle'],
    ['note', 'circle']
  ];
  const chips = kinds
    .map(([severity, state]) => {
      const found = report.findings.filter(finding => finding.severity === severity);
      const rows = found.reduce((sum, finding) => sum + finding.count, 0);
      return { severity, state, found: found.length, rows };
    })
    .filter(({ found }) => found > 0);
  return chips.length === 0 ? null : (
    <div className="alp-Chips">
      {chips.map(({ severity, state, found, rows }) => (
        <Chip
          key={severity}
          state={state}
          title={plural(found, severity)}
          detail={plural(rows, 'row')}
        />
      ))}
    </div>
  );
}

function Facts({ detail }: { detail: DatasetDetail }): JSX.Element {
  const { dataset } = detail;
  const facts: [string, string, string][] = [
    ['Rows', count(dataset.rows), ''],
    ['Symbols', count(dataset.symbols.length), dataset.symbols.slice(0, 4).join(', ')],
    ['From', day(dataset.start), `${time(dataset.start).slice(-5)} UTC`],
    ['To', day(dataset.end), `${time(dataset.end).slice(-5)} UTC`],
    ['Frequency', dataset.frequency, describeCalendar(dataset.calendar)],
    ['Bars a year', count(dataset.periods_per_year), 'for annual figures'],
    ['Size', bytes(dataset.bytes), 'Parquet']
  ];
  return (
    <dl className="alp-Metrics alp-mod-left">
      {facts.map(([label, value, note]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
          <small>{note}</small>
        </div>
      ))}
    </dl>
  );
}
