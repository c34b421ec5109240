import type { BacktestResults, Settings, Trade } from '../api/schemas';
import {
  barLength,
  count,
  day,
  number,
  percent,
  plain,
  plural,
  rate,
  ratio,
  shortTime,
  time,
  UNDEFINED
} from '../format';

/** `fast=44 slow=70` */
export function describeParameters(parameters: Settings['parameters']): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${name}=${typeof value === 'number' ? plain(value) : String(value)}`)
    .join(' ');
}

/** "commission 0.01 %", "slippage 0.3 bp", or that there are none. */
export function describeCosts(settings: Settings): string[] {
  const { commission, slippage_bps: slippage } = settings;
  if (commission === 0 && slippage === 0) {
    return ['no costs'];
  }
  return [
    `commission ${rate(commission)}`,
    ...(slippage > 0 ? [`slippage ${plain(slippage)} bp`] : [])
  ];
}

const DAY = 86_400_000;

/** How a run's bars are named in a table: the day where that is enough, the year where it is needed. */
export function barNames(results: BacktestResults): (at: string) => string {
  const length = Date.parse(results.last_bar) - Date.parse(results.first_bar);
  const bars = results.backtest.metrics?.bars ?? 0;
  if (bars > 1 && length / (bars - 1) > 0.9 * DAY) {
    return day;
  }
  return length > 366 * DAY ? time : shortTime;
}

/** ", 1 h"; where bars were merged, ", 1 h, 12 bars in a candle". The step is that of two bars. */
export function describeCandles({
  barStep: step,
  merged
}: {
  barStep: number | null;
  merged: number;
}): string {
  const length = step === null ? '' : `, ${barLength(step)}`;
  return merged > 1 ? `${length}, ${count(merged)} bars in a candle` : length;
}

/** "first 1,000 of 1,204 trades drawn"; empty where all are. */
export function describeUndrawn(drawn: number, total: number): string {
  return total > drawn ? `first ${count(drawn)} of ${count(total)} trades drawn` : '';
}

/** One cell of the metric strip. */
export type Metric = { label: string; value: string; note: string; help: string };

/** The numbers under the verdict, in their order. */
export function describeMetrics(results: BacktestResults): Metric[] {
  const { benchmark, currency } = results;
  const m = results.backtest.metrics ?? {};
  const yearly = m.bars && m.years ? `Annualised with ${count(m.bars / m.years)} bars a year.` : '';
  const held = benchmark.total_return;
  const open = results.trades_total - results.trades_closed;
  return [
    {
      label: 'Return',
      value: percent(m.total_return, 1, true),
      note: held === undefined || held === null ? '' : `hold ${percent(held, 1, true)}`,
      help: `Final equity over starting cash, minus one, in ${currency}, net of costs.`
    },
    {
      label: 'CAGR',
      value: percent(m.cagr, 1, true),
      note: `${number(m.years, 2)} years`,
      help: `The return as a constant rate a year. ${yearly}`
    },
    {
      label: 'Sharpe',
      value: ratio(m.sharpe),
      note: benchmark.sharpe === undefined ? '' : `hold ${ratio(benchmark.sharpe)}`,
      help: `Mean over standard deviation (ddof 1) of the bars’ returns, risk-free 0. ${yearly}`
    },
    {
      label: 'Sortino',
      value: ratio(m.sortino),
      note: '',
      help: `Mean return over the root mean square of the losing bars. ${yearly}`
    },
    {
      label: 'Volatility',
      value: percent(m.volatility),
      note: 'a year',
      help: `Standard deviation (ddof 1) of the bars’ returns. ${yearly}`
    },
    {
      label: 'Max drawdown',
      value: percent(m.max_drawdown),
      note: m.max_drawdown_bars ? plural(m.max_drawdown_bars, 'bar') : '',
      help: 'Deepest fall from a peak; the starting cash is the first peak.'
    },
    {
      label: 'Trades',
      value: count(results.trades_total),
      note: [
        ...(open > 0 ? [`${count(open)} open`] : []),
        ...(m.hit_rate === undefined || m.hit_rate === null
          ? []
          : [`${percent(m.hit_rate, 0)}\u00a0won`])
      ].join(', '),
      help: `${plural(results.trades_closed, 'trade')} closed; the share won is of these.`
    },
    {
      label: 'Profit factor',
      value: ratio(m.profit_factor),
      note: '',
      help: 'Sum of the wins over the sum of the losses, closed trades, net of costs.'
    },
    {
      label: 'Exposure',
      value: percent(m.exposure, 0),
      note: m.turnover ? `turnover ${count(m.turnover)}×` : '',
      help: 'Share of bars with a position at the close. Turnover: both sides, over mean equity, a year.'
    },
    {
      label: 'Cost share',
      value: percent(m.cost_share),
      note: 'of gross',
      help: 'Costs over net PnL plus costs; undefined when that is not positive.'
    }
  ].map(metric => ({
    ...metric,
    help: metric.value === UNDEFINED ? `Undefined for this run. ${metric.help}` : metric.help
  }));
}

const RULES: Record<string, string> = {
  next_open: 'next open',
  same_close: 'same close',
  cut_cash: 'next open, cut to the cash that was there'
};

/** "signal, next open": what decided the order, and how it filled. */
export function describeRule(rule: string, results: BacktestResults): string {
  const decided = 'entries' in results.decision_counts ? 'signal' : 'target weight';
  return `${decided}, ${RULES[rule] ?? rule.replace(/_/g, ' ')}`;
}

/** "▲ long" */
export const describeSide = (side: Trade['side']): string =>
  side === 'long' ? '▲ long' : '▼ short';

/** Why a run has no trades, from how often each kind of decision was taken. */
export function describeNoTrades(results: BacktestResults): string {
  const { decision_counts: counts, refused, refused_total, pending_total } = results;
  const said = Object.entries(counts)
    .filter(([kind, n]) => n > 0 || kind === 'entries')
    .map(([kind, n]) => `${kind} on ${plural(n, 'bar')}`);
  const sentences = [
    said.length > 0 ? `The strategy decided ${said.join(', ')}.` : 'The strategy decided nothing.',
    ...(refused.length > 0
      ? [`${plural(refused_total, 'order')} refused; the first: ${refused[0].reason}`]
      : []),
    ...(pending_total > 0
      ? [`${plural(pending_total, 'decision')} on the last bar had no bar left to fill on.`]
      : [])
  ];
  return sentences.join(' ');
}
