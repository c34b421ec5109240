import { cleanup, render } from '@testing-library/react';
import React from 'react';

import type { BacktestResults, Dataset, Job, Verdict } from '../api/schemas';
import { VerdictLine } from '../components/parts';
import { describeChecks, leakLine } from './checks';
import {
  barNames,
  describeCandles,
  describeMetrics,
  describeNoTrades,
  describeRule,
  describeUndrawn
} from './describe';

const results = (change: Partial<BacktestResults> = {}): BacktestResults => ({
  backtest: {
    id: '1',
    number: 41,
    strategy_id: 's',
    strategy_name: 'SmaCross',
    strategy_version: 7,
    dataset_id: 'd',
    dataset_name: 'eurusd-1h',
    dataset_version: 1,
    settings: {
      symbols: ['EURUSD'],
      start: null,
      end: null,
      parameters: { fast: 44 },
      cash: 10_000,
      commission: 0.0001,
      slippage_bps: 0.3,
      fill: 'next_open',
      whole_shares: false,
      overrides: []
    },
    job: null,
    verdict: null,
    metrics: { total_return: 0.129, sharpe: 2.2, cost_share: null, years: 0.8, bars: 5000 },
    sparkline: [],
    mlflow_run_id: null,
    created_at: '2026-01-01T00:00:00Z',
    updated_at: '2026-01-01T00:00:00Z'
  },
  dataset_rows: 5000,
  first_bar: '2017-04-19T09:00:00Z',
  last_bar: '2018-02-06T15:00:00Z',
  currency: 'USD',
  checks: {},
  benchmark: { total_return: 0.14 },
  benchmark_label: 'buy and hold EURUSD, same costs',
  curve: { time: [], equity: [], benchmark: [], drawdown: [] },
  trades_total: 84,
  trades_closed: 84,
  refused: [],
  refused_total: 0,
  pending: [],
  pending_total: 0,
  decision_counts: { entries: 0, exits: 4, short_entries: 0, short_exits: 0 },
  ledger_sha256: '',
  dataset_sha256: '',
  strategy_sha256: '',
  versions: {},
  ...change
});

afterEach(cleanup);

describe('the verdict', () => {
  const verdict: Verdict = {
    icon: 'octagon',
    rule: 'look_ahead',
    title: 'Do not trust these numbers.',
    text: 'The strategy reads the future.',
    short: 'Looks ahead'
  };

  it('shows the bold words, the rest and the shape', () => {
    const { container } = render(<VerdictLine verdict={verdict} />);
    expect(container.querySelector('strong')?.textContent).toBe('Do not trust these numbers.');
    expect(container.textContent).toContain('The strategy reads the future.');
    expect(container.querySelector('.alp-mod-octagon')).not.toBeNull();
  });

  it('renders text as text, whatever is in it', () => {
    const { container } = render(
      <VerdictLine verdict={{ ...verdict, text: '<img src=x onerror=alert(1)>' }} />
    );
    expect(container.querySelector('img')).toBeNull();
  });
});

describe('the checks', () => {
  it('show problems first and what passed last', () => {
    const checks = describeChecks(
      results({
        checks: {
          sanity: { passed: true, findings: [], power: 'to the cent' },
          warm_up: { passed: null, findings: ['Not checked.'], power: '' },
          look_ahead: { passed: false, findings: ['23 of 64 cuts changed.'], power: '64 cuts' }
        }
      })
    );
    expect(checks.map(check => [check.key, check.state])).toEqual([
      ['look_ahead', 'octagon'],
      ['warm_up', 'circle'],
      ['data', 'circle'],
      ['sanity', 'tick'],
      ['fills', 'tick']
    ]);
    expect(checks[1].title).toBe('Warm-up not assessed');
  });

  const passed = (findings: string[], power: string) => ({ passed: true, findings, power });

  it('say in two words how hard each looked', () => {
    const checks = describeChecks(
      results({
        checks: {
          look_ahead: passed(
            [],
            '64 histories cut, 51 at decisions; 60 with the future perturbed.'
          ),
          warm_up: passed([], '2 histories begun later, at 1 May and 3 Jun; decisions agree.'),
          determinism: passed([], 'Ran twice, in a fresh process each: the ledgers are equal.'),
          sanity: passed([], '1,215 fills added up again from the ledger and the last closes')
        }
      })
    );
    expect(checks.map(check => check.brief)).toEqual([
      'version 1',
      '60 cuts',
      '2 starts',
      'same ledger twice',
      'to the cent',
      '1,215 of 1,215'
    ]);
    expect(checks[4].sentences).toEqual([
      '1,215 fills added up again from the ledger and the last closes.'
    ]);
  });

  it('wait while they run, and say how far they are', () => {
    const unchecked = { passed: null, findings: ['The checks were stopped.'], power: '' };
    const checks = describeChecks(
      results({
        checks: {
          look_ahead: unchecked,
          warm_up: unchecked,
          sanity: passed([], '2 fills added up again')
        }
      }),
      { state: 'running', step: 'checks, cut 40 of 64' } as Job
    );
    expect(checks.map(({ title, brief, state }) => [title, brief, state])).toEqual([
      ['Look-ahead', '40 of 64', 'circle'],
      ['Warm-up', 'waits', 'circle'],
      ['Data passport', 'version 1', 'circle'],
      ['Books balance', 'to the cent', 'tick'],
      ['Fills at next open', '2 of 2', 'tick']
    ]);
  });

  it('name how many cuts a leak shows at, and the line it comes through', () => {
    const leak = results({
      checks: {
        look_ahead: {
          passed: false,
          findings: [
            'The strategy reads the future: 23 of 64 cuts changed a decision already made. First at 2 May 2017 09:00, column close, through strategy.py line 14.'
          ],
          power: '64 histories cut'
        }
      }
    });
    expect(describeChecks(leak)[0]).toMatchObject({ state: 'octagon', brief: '23 of 64 cuts' });
    expect(leakLine(leak)).toEqual({ file: 'strategy.py', line: 14 });
    expect(leakLine(results())).toBeNull();
  });

  it('mark unsafe fills and overrides', () => {
    const unsafe = results();
    const settings = {
      ...unsafe.backtest.settings,
      fill: 'unsafe_same_close' as const,
      overrides: ['high_below_low']
    };
    const checks = describeChecks({ ...unsafe, backtest: { ...unsafe.backtest, settings } });
    expect(checks.map(check => [check.title, check.state])).toEqual([
      ['Unsafe fills', 'triangle'],
      ['Override', 'triangle'],
      ['Data passport', 'circle']
    ]);
  });

  it('show the passport of the data that the run used, and of no other version', () => {
    const run = results({ dataset_sha256: 'a'.repeat(64) });
    const data = { sha256: 'a'.repeat(64), version: 1, score: 0.97, errors: 0, warnings: 0 };
    const clean = describeChecks(run, null, { ...data, score: 1 } as Dataset).at(-1);
    expect(clean).toMatchObject({ title: 'Data passport 1.00', brief: 'version 1', state: 'tick' });
    const check = describeChecks(run, null, { ...data, warnings: 1 } as Dataset)[0];
    expect(check).toMatchObject({ title: 'Data passport 0.97', brief: '1 warning' });
    expect(check.sentences[0]).toBe('eurusd-1h, version 1, sha256 aaaa…aaaa.');
    const [newer] = describeChecks(run, null, { ...data, sha256: 'b', version: 2 } as Dataset);
    expect(newer).toMatchObject({ state: 'circle', brief: 'version 1 of 2' });
    const [gone] = describeChecks(run, null, null);
    expect(gone.sentences[1]).toBe('The dataset is no longer in the lab.');
  });
});

describe('the metrics', () => {
  it('stand in their order, with what to hold them against', () => {
    const metrics = describeMetrics(results());
    expect(metrics.map(metric => metric.label)).toEqual([
      'Return',
      'CAGR',
      'Sharpe',
      'Sortino',
      'Volatility',
      'Max drawdown',
      'Trades',
      'Profit factor',
      'Exposure',
      'Cost share'
    ]);
    expect(metrics[0]).toMatchObject({ value: '+12.9\u00a0%', note: 'hold +14.0\u00a0%' });
  });

  it('say that a number is undefined, instead of zero', () => {
    const cost = describeMetrics(results()).find(metric => metric.label === 'Cost share')!;
    expect(cost.value).toBe('–');
    expect(cost.help).toMatch(/^Undefined for this run\./);
  });
});

describe('words', () => {
  it('say why there are no trades', () => {
    expect(describeNoTrades(results())).toBe(
      'The strategy decided entries on 0 bars, exits on 4 bars.'
    );
    const refusal = { time: '', symbol: '', side: 'buy', quantity: 1, reason: 'needs 12,400 USD.' };
    expect(describeNoTrades(results({ refused: [refusal], refused_total: 340 }))).toContain(
      '340 orders refused; the first: needs 12,400 USD.'
    );
  });

  it('name a bar by as much of its time as tells it from others', () => {
    const at = '2004-10-01T13:00:00Z';
    expect(barNames(results())(at)).toBe('1 Oct 13:00');
    const years = { first_bar: '2000-01-01T00:00:00Z', last_bar: '2008-12-31T00:00:00Z' };
    const bars = (n: number) => ({ ...results().backtest, metrics: { bars: n } });
    expect(barNames(results({ ...years, backtest: bars(2200) }))(at)).toBe('1 Oct 2004');
    expect(barNames(results({ ...years, backtest: bars(50_000) }))(at)).toBe('1 Oct 2004 13:00');
  });

  it('name the bars of the price chart, and what it leaves out', () => {
    const hour = 3_600_000;
    expect(describeCandles({ barStep: hour, merged: 1 })).toBe(', 1\u00a0h');
    expect(describeCandles({ barStep: hour, merged: 12 })).toBe(', 1\u00a0h, 12 bars in a candle');
    expect(describeCandles({ barStep: null, merged: 1 })).toBe('');
    expect(describeUndrawn(1000, 1204)).toBe('first 1,000 of 1,204 trades drawn');
    expect(describeUndrawn(84, 84)).toBe('');
  });

  it('say what decided an order and how it filled', () => {
    expect(describeRule('next_open', results())).toBe('signal, next open');
    expect(describeRule('cut_cash', results({ decision_counts: { weights: 3 } }))).toContain(
      'target weight'
    );
  });
});
