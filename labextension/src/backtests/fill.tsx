import React, { useEffect, useRef, useState } from 'react';

import type { Order, Trade } from '../api/schemas';
import { messageOf } from '../api/client';
import { StateIcon } from '../components/icons';
import { Link } from '../components/parts';
import { money, number, percent, quantity, shortTime, time } from '../format';
import { barNames, describeRule } from './describe';
import type { ResultModel } from './model';

/** Why this fill: the rule in a sentence, when it was decided, and what came of it. */
export function WhyThisFill({ model, trade }: { model: ResultModel; trade: Trade }): JSX.Element {
  const [side, setSide] = useState<'entry' | 'exit'>(trade.status === 'open' ? 'entry' : 'exit');
  const [order, setOrder] = useState<Order | null>(null);
  const [error, setError] = useState<string | null>(null);
  const card = useRef<HTMLElement>(null);
  const at = side === 'entry' ? trade.entry_time : trade.exit_time;

  // When it closes with the keyboard in it, the result's keys go on.
  useEffect(() => {
    const page = card.current?.closest<HTMLElement>('.alp-Result');
    return () => {
      if (document.activeElement === document.body) {
        page?.focus();
      }
    };
  }, []);

  useEffect(() => {
    let gone = false;
    setOrder(null);
    setError(null);
    const end = new Date(Date.parse(at) + 1).toISOString();
    model.lab.client
      .listOrders(model.id, { symbol: trade.symbol, start: at, end })
      .then(({ items }) => !gone && setOrder(items[0] ?? null))
      .catch(reason => !gone && setError(messageOf(reason)));
    return () => {
      gone = true;
    };
  }, [model, trade.symbol, at]);

  const { backtest, currency } = model.results!;
  const short = barNames(model.results!);
  const name = short === shortTime ? time : short;
  const price = side === 'entry' ? trade.entry_price : trade.exit_price;
  const rule = side === 'entry' ? trade.entry_rule : trade.exit_rule;
  return (
    <aside ref={card} className="alp-Why" role="dialog" aria-label="Why this fill">
      <header>
        <StateIcon state="info" size={16} />
        <strong>Why this fill</strong>
        <span className="alp-quiet">
          {side} of trade {trade.number} of {model.results!.trades_total}
        </span>
        <button
          type="button"
          className="alp-Plain"
          aria-label="Close"
          onClick={() => model.explain(false)}
        >
          ✕
        </button>
      </header>
      <p>{explain(trade, side, describeRule(rule, model.results!), backtest.settings.fill)}</p>
      {error !== null && <p role="alert">{error}</p>}
      <dl>
        <dt>Decided</dt>
        <dd>{order ? `at the close of the bar of ${name(order.decided)}` : '–'}</dd>
        <dt>Filled</dt>
        <dd>
          {name(at)} at {number(price, 5)}
          {backtest.settings.slippage_bps > 0 ? ', slippage included' : ''}
        </dd>
        <dt>Quantity</dt>
        <dd>{order ? `${order.side} ${quantity(order.quantity)}` : quantity(trade.quantity)}</dd>
        <dt>Commission</dt>
        <dd>{order ? `${money(order.commission)} ${currency}` : '–'}</dd>
        <dt>Result</dt>
        <dd className={trade.pnl < 0 ? 'alp-loss' : 'alp-gain'}>
          {money(trade.pnl, true)} {currency}, {percent(trade.pnl_fraction, 2, true)} after costs
        </dd>
      </dl>
      <footer>
        <Link onClick={() => void model.goToBar(trade.symbol, Date.parse(at))}>Go to this bar</Link>
        {trade.status === 'closed' && (
          <Link onClick={() => setSide(side === 'entry' ? 'exit' : 'entry')}>
            {side === 'entry' ? 'Why the exit' : 'Why the entry'}
          </Link>
        )}
        <span>
          <kbd>K</kbd> <kbd>J</kbd>
        </span>
      </footer>
    </aside>
  );
}

function explain(
  trade: Trade,
  side: 'entry' | 'exit',
  rule: string,
  fill: 'next_open' | 'unsafe_same_close'
): string {
  const what = side === 'entry' ? `${trade.side} entry` : `exit of the ${trade.side} position`;
  const where =
    fill === 'next_open'
      ? 'filled at the next open after the close it was decided on.'
      : 'filled at the very close it was decided on, a price nobody can trade at.';
  return `The ${what} (${rule}) ${where}`;
}
