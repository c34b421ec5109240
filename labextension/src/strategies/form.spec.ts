import type { Parameter, Settings, Strategy } from '../api/schemas';
import { checkValue, firstDataset, FormModel, withDefault } from './form';

const fast: Parameter = {
  name: 'fast',
  kind: 'int',
  default: 10,
  low: 2,
  high: 60,
  choices: null,
  line: 8
};
const stop: Parameter = {
  name: 'stop',
  kind: 'float',
  default: 0.006,
  low: 0,
  high: 0.05,
  choices: null,
  line: 9
};
const mode: Parameter = {
  name: 'mode',
  kind: 'choice',
  default: 'a',
  low: null,
  high: null,
  choices: ['a', 'b', 3],
  line: 10
};

function form(): FormModel {
  const model = new FormModel();
  model.set({
    dataset: 'eurusd-1h',
    outline: { ...model.outline, parameters: [fast, stop, mode] }
  });
  return model;
}

describe('FormModel', () => {
  it('sends what it shows, defaults included', () => {
    const model = form();
    model.type('fast', '44');
    model.type('stop', '0.006');
    expect(model.toBacktest('id')).toEqual({
      strategy_id: 'id',
      dataset: 'eurusd-1h',
      parameters: { fast: 44, stop: 0.006, mode: 'a' },
      cash: 10000,
      commission: null,
      slippage_bps: null
    });
  });

  it('reads commission as percent and slippage as basis points', () => {
    const model = form();
    model.set({ commission: '0.01 %', slippage: '0.3', cash: '25,000.50' });
    expect(model.toBacktest('id')).toMatchObject({
      commission: 0.0001,
      slippage_bps: 0.3,
      cash: 25000.5
    });
  });

  it('keeps the type of a choice', () => {
    const model = form();
    model.type('mode', '3');
    expect(model.toBacktest('id').parameters).toMatchObject({ mode: 3 });
  });

  it('explains every field that is out of bounds', () => {
    const model = form();
    model.type('fast', '300');
    model.set({ cash: '0', commission: 'much', slippage: '-1' });
    expect(Object.keys(model.faults)).toEqual(['fast', 'cash', 'commission', 'slippage']);
    expect(model.faults.fast).toBe('fast: 300 is above high=60. Lower it, or raise high.');
  });

  it('takes the settings of an earlier run', () => {
    const model = form();
    const settings: Settings = {
      symbols: ['EURUSD'],
      start: null,
      end: null,
      parameters: { fast: 12, stop: 0.01, mode: 'b' },
      cash: 5000,
      commission: 0.0002,
      slippage_bps: 1,
      fill: 'next_open',
      whole_shares: false,
      overrides: []
    };
    model.take(settings, 'aapl-1d');
    expect(model.toBacktest('id')).toMatchObject({
      dataset: 'aapl-1d',
      parameters: settings.parameters,
      cash: 5000,
      commission: 0.0002,
      slippage_bps: 1
    });
    expect(model.faults).toEqual({});
  });
});

describe('checkValue', () => {
  it('accepts the bounds themselves', () => {
    expect(checkValue(fast, '2')).toBeNull();
    expect(checkValue(fast, '60')).toBeNull();
  });

  it('refuses a fraction for a whole number, and text', () => {
    expect(checkValue(fast, '2.5')).toContain('not a whole number');
    expect(checkValue(stop, 'x')).toContain('not a number');
    expect(checkValue(fast, '1')).toContain('below low=2');
  });
});

describe('withDefault', () => {
  it('changes the first argument and nothing else', () => {
    expect(withDefault('    fast = param(10, low=2, high=60)  # bars', 'fast', '44')).toBe(
      '    fast = param(44, low=2, high=60)  # bars'
    );
    expect(withDefault('    fast: int = sdk.param(10)', 'fast', '5')).toBe(
      '    fast: int = sdk.param(5)'
    );
  });

  it('leaves alone what is not a plain value, or another parameter', () => {
    expect(withDefault('    fast = param(2 * N, low=2)', 'fast', '5')).toBeNull();
    expect(withDefault('    slow = param(10)', 'fast', '5')).toBeNull();
  });
});

describe('firstDataset', () => {
  const strategy = { template: 't', last_result: null } as Strategy;
  const templates = [{ id: 't', dataset: 'us-stocks-1d' }];

  it('is that of the last run, then the template’s, then the first without errors', () => {
    const ran = { ...strategy, last_result: { dataset: 'mine' } } as Strategy;
    const offered = [
      { name: 'bad', errors: 2 },
      { name: 'good', errors: 0 }
    ];
    expect(firstDataset(ran, templates, offered)).toBe('mine');
    expect(firstDataset(strategy, templates, offered)).toBe('us-stocks-1d');
    expect(firstDataset(undefined, templates, offered)).toBe('good');
    expect(firstDataset(undefined, templates, offered.slice(0, 1))).toBe('bad');
    expect(firstDataset(undefined, templates, [])).toBe('');
  });
});
