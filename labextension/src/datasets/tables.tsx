import React, { useEffect, useRef } from 'react';

import type { DatasetDetail } from '../api/schemas';
import { Link, Loading } from '../components/parts';
import { columnDecimals, count, number, time, UNDEFINED } from '../format';
import { type DatasetModel, PAGE } from './model';

/** A page of rows. */
export function Rows({ model }: { model: DatasetModel }): JSX.Element {
  const { marked, preview } = model;
  const table = useRef<HTMLDivElement>(null);
  useEffect(() => {
    table.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'center' });
  }, [marked, preview]);
  if (!preview) {
    return <Loading lines={6} />;
  }
  const { offset, total_rows: total, columns, rows } = preview;
  const decimals = columns.map((_, j) =>
    columnDecimals(rows.map(row => row[j]).filter(value => typeof value === 'number'))
  );
  return (
    <section>
      <h2 className="alp-Bar">
        Rows{' '}
        <small>
          {count(Math.min(offset + 1, total))} – {count(offset + rows.length)} of {count(total)},{' '}
          {preview.symbol}, times in UTC
        </small>
        <span className="alp-Home-more">
          {offset > 0 && <Link onClick={() => void model.goTo(offset - PAGE)}>Previous</Link>}{' '}
          {offset + rows.length < total && (
            <Link onClick={() => void model.goTo(offset + PAGE)}>Next</Link>
          )}
        </span>
      </h2>
      <div className="alp-Rows-scroll" tabIndex={0} ref={table}>
        <table className="alp-Table">
          <thead>
            <tr>
              <th className="alp-number">#</th>
              {columns.map(column => (
                <th key={column} className="alp-number">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, i) => (
              <tr key={i} aria-selected={marked.includes(offset + i)}>
                <td className="alp-number alp-quiet">{count(offset + i)}</td>
                {row.map((value, j) => (
                  <td key={j} className="alp-number">
                    {showCell(value, decimals[j])}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** A cell: times as times, numbers with their column's decimals, nothing as a dash. */
export function showCell(value: string | number | null, decimals: number): string {
  if (value === null) {
    return UNDEFINED;
  }
  if (typeof value === 'number') {
    return number(value, decimals);
  }
  return /^\d{4}-\d\d-\d\dT/.test(value) ? time(value) : value;
}

/** Each column over the whole dataset. */
export function Columns({ model }: { model: DatasetModel }): JSX.Element {
  const statistics = model.preview?.statistics ?? [];
  const value = (x: number | null, { kind, maximum }: (typeof statistics)[number]): string =>
    x === null
      ? UNDEFINED
      : kind.startsWith('time')
        ? time(x)
        : number(x, (maximum ?? 0) < 1000 ? 4 : 0);
  return (
    <section>
      <h2 className="alp-Bar">
        Columns <small>over the whole dataset</small>
      </h2>
      <table className="alp-Table">
        <thead>
          <tr>
            <th>Name</th>
            <th>Type</th>
            <th className="alp-number">Empty</th>
            <th className="alp-number">Min</th>
            <th className="alp-number">Mean</th>
            <th className="alp-number">Max</th>
          </tr>
        </thead>
        <tbody>
          {statistics.map(column => (
            <tr key={column.name}>
              <td>
                <code>{column.name}</code>
              </td>
              <td className="alp-quiet">{column.kind}</td>
              <td className="alp-number">{count(column.empty)}</td>
              <td className="alp-number">{value(column.minimum, column)}</td>
              <td className="alp-number">{value(column.mean, column)}</td>
              <td className="alp-number">{value(column.maximum, column)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** What the symbols are. */
export function Instruments({ detail }: { detail: DatasetDetail }): JSX.Element {
  return (
    <section>
      <h2 className="alp-Bar">Instruments</h2>
      <table className="alp-Table">
        <thead>
          <tr>
            <th>Symbol</th>
            <th className="alp-number">Tick</th>
            <th className="alp-number">Lot</th>
            <th>Quote</th>
            <th>Prices</th>
          </tr>
        </thead>
        <tbody>
          {detail.instruments.map(instrument => (
            <tr key={instrument.symbol}>
              <td>{instrument.symbol}</td>
              <td className="alp-number">{instrument.tick ?? UNDEFINED}</td>
              <td className="alp-number">{instrument.lot ?? UNDEFINED}</td>
              <td>{instrument.currency}</td>
              <td className="alp-quiet">{instrument.adjusted ? 'adjusted' : 'raw'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
