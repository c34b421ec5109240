import React, { useEffect, useRef, useState } from 'react';

import type { Trade } from '../api/schemas';
import { Link } from '../components/parts';
import { count, money, number, percent, priceDecimals, quantity, time } from '../format';
import { barNames, describeRule, describeSide } from './describe';
import type { ResultModel } from './model';
import { FILTERS } from './trades';

const ROW = 22;
const OVERSCAN = 20;

type Column = {
  key: string;
  title: string;
  numeric?: boolean;
  cell: (trade: Trade) => React.ReactNode;
  hint?: (trade: Trade) => string;
};

function columns(model: ResultModel): Column[] {
  const { backtest, currency } = model.results!;
  const name = barNames(model.results!);
  const decimals = priceDecimals(model.candles?.close ?? []);
  const signed = (value: number, text: string) => (
    <span className={value < 0 ? 'alp-loss' : 'alp-gain'}>{text}</span>
  );
  const many = backtest.settings.symbols.length > 1;
  return [
    { key: 'number', title: '#', numeric: true, cell: t => t.number },
    ...(many ? [{ key: 'symbol', title: 'Symbol', cell: (t: Trade) => t.symbol }] : []),
    { key: 'side', title: 'Side', cell: t => describeSide(t.side) },
    {
      key: 'entry',
      title: 'Entry (UTC)',
      numeric: true,
      cell: t => name(t.entry_time),
      hint: t => time(t.entry_time)
    },
    {
      key: 'entry_price',
      title: 'Price',
      numeric: true,
      cell: t => number(t.entry_price, many ? 2 : decimals),
      hint: t => String(t.entry_price)
    },
    {
      key: 'exit',
      title: 'Exit',
      numeric: true,
      cell: t => (t.status === 'open' ? 'open' : name(t.exit_time)),
      hint: t => time(t.exit_time)
    },
    {
      key: 'exit_price',
      title: 'Price',
      numeric: true,
      cell: t => number(t.exit_price, many ? 2 : decimals),
      hint: t => String(t.exit_price)
    },
    {
      key: 'quantity',
      title: 'Quantity',
      numeric: true,
      cell: t => quantity(t.quantity),
      hint: t => String(t.quantity)
    },
    { key: 'bars', title: 'Bars', numeric: true, cell: t => count(t.bars) },
    {
      key: 'costs',
      title: 'Costs',
      numeric: true,
      cell: t => money(t.costs),
      hint: t => String(t.costs)
    },
    {
      key: 'pnl',
      title: `PnL, ${currency}`,
      numeric: true,
      cell: t => signed(t.pnl, money(t.pnl, true)),
      hint: t => String(t.pnl)
    },
    {
      key: 'pnl_fraction',
      title: 'PnL',
      numeric: true,
      cell: t => signed(t.pnl, percent(t.pnl_fraction, 2, true)),
      hint: t => String(t.pnl_fraction)
    },
    {
      key: 'rule',
      title: 'Exit rule',
      cell: t => (t.status === 'open' ? 'still open' : describeRule(t.exit_rule, model.results!))
    }
  ];
}

/** The trades: only the rows in sight are drawn, and only the pages under them are read. */
export function TradeTable({ model }: { model: ResultModel }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(240);
  const { trades, selectedIndex } = model;
  const total = trades.total ?? 0;
  const first = Math.max(0, Math.floor(top / ROW) - OVERSCAN);
  const last = Math.min(total, Math.ceil((top + height) / ROW) + OVERSCAN);

  useEffect(() => {
    const observer = new ResizeObserver(() => setHeight(box.current?.clientHeight ?? 240));
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (last > first) {
      void trades.ensure(first, last - 1);
    }
  }, [trades, first, last]);

  useEffect(() => {
    const node = box.current!;
    if (selectedIndex === null) {
      return;
    }
    const row = selectedIndex * ROW;
    if (row < node.scrollTop || row + 2 * ROW > node.scrollTop + node.clientHeight) {
      node.scrollTop = row - node.clientHeight / 2;
    }
    // The page itself may be scrolled too.
    node.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [selectedIndex]);

  const shown = columns(model);
  const rows: React.ReactNode[] = [];
  for (let index = first; index < last; index++) {
    rows.push(
      <TradeRow
        key={index}
        index={index}
        trade={trades.get(index)}
        columns={shown}
        selected={index === selectedIndex}
        model={model}
      />
    );
  }
  return (
    <section className="alp-Trades" aria-label="Trades">
      <TradeBar model={model} />
      <div
        ref={box}
        className="alp-Trades-scroll"
        tabIndex={0}
        onScroll={event => setTop(event.currentTarget.scrollTop)}
      >
        <table className="alp-Table" aria-rowcount={total + 1}>
          <thead>
            <tr>
              {shown.map(column => (
                <th key={column.key} className={column.numeric ? 'alp-number' : undefined}>
                  {column.title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {first > 0 && <tr style={{ height: first * ROW }} aria-hidden="true" />}
            {rows}
            {last < total && <tr style={{ height: (total - last) * ROW }} aria-hidden="true" />}
          </tbody>
        </table>
        {trades.total === 0 && <p className="alp-quiet alp-Trades-none">No such trades.</p>}
        {trades.error !== null && (
          <p className="alp-Trades-none" role="alert">
            The trades could not be read: {trades.error}
          </p>
        )}
      </div>
    </section>
  );
}

function TradeRow(props: {
  index: number;
  trade: Trade | undefined;
  columns: Column[];
  selected: boolean;
  model: ResultModel;
}): JSX.Element {
  const { index, trade, model } = props;
  if (!trade) {
    return (
      <tr aria-rowindex={index + 2}>
        <td colSpan={props.columns.length}>&nbsp;</td>
      </tr>
    );
  }
  return (
    <tr
      className="alp-mod-clickable"
      aria-rowindex={index + 2}
      aria-selected={props.selected}
      data-trade={trade.number}
      onClick={() => void model.select(index)}
      onDoubleClick={() => model.explain(true)}
    >
      {props.columns.map(column => (
        <td
          key={column.key}
          className={column.numeric ? 'alp-number' : undefined}
          title={column.hint?.(trade)}
        >
          {column.cell(trade)}
        </td>
      ))}
    </tr>
  );
}

function TradeBar({ model }: { model: ResultModel }): JSX.Element {
  const { trades_total: total, trades_closed: closed } = model.results!;
  const open = total - closed;
  return (
    <header className="alp-Trades-bar">
      <strong>Trades</strong>
      <span className="alp-quiet">
        {count(closed)} closed{open > 0 ? `, ${count(open)} open` : ''}
      </span>
      <div className="alp-Filters" role="group" aria-label="Filter">
        {FILTERS.map(([filter, label]) => (
          <button
            key={filter}
            type="button"
            aria-pressed={model.filter === filter}
            onClick={() => model.show(filter)}
          >
            {label}
            {model.filter === filter && filter !== 'all' && model.trades.total !== null
              ? ` ${count(model.trades.total)}`
              : ''}
          </button>
        ))}
      </div>
      <span className="alp-Keys alp-quiet">
        <kbd>J</kbd> <kbd>K</kbd> next, previous <kbd>⇧J</kbd> next loss <kbd>W</kbd>{' '}
        <Link onClick={() => model.explain(true)}>why</Link>
      </span>
    </header>
  );
}
