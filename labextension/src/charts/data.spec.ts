import type { Curve, Trade } from '../api/schemas';
import {
  clampWindow,
  deepest,
  extent,
  firstWindow,
  nearest,
  priceExtent,
  toCandles,
  windowAround,
  zoom
} from './data';
import { timeLabels } from './ticks';
import { toHex } from './colours';

const whole = { start: 0, end: 1000 };

describe('candles', () => {
  const series = {
    symbol: 'A',
    merged: 1,
    time: [0, 10, 20, 50],
    open: [1, null, 3, 4],
    high: [2, null, 4, 9],
    low: [0.5, null, 2, 3],
    close: [1.5, null, 3.5, 5],
    volume: [0, null, 0, 0]
  };

  it('leave out bars without a price, so that a gap stays a gap', () => {
    const candles = toCandles(series);
    expect(candles.time).toEqual([0, 20, 50]);
    expect(candles.step).toBe(30);
  });

  it('scale to the bars in the window only', () => {
    const [low, high] = priceExtent(toCandles(series), { start: 0, end: 30 })!;
    expect(low).toBeCloseTo(0.5 - 3.5 * 0.06);
    expect(high).toBeCloseTo(4 + 3.5 * 0.06);
  });
});

describe('windows', () => {
  it('begin with the last 200 bars', () => {
    expect(firstWindow(0, 1000, 1000)).toEqual({ start: 800, end: 1000 });
    expect(firstWindow(0, 1000, 150)).toEqual(whole);
  });

  it('stay within the test', () => {
    expect(clampWindow({ start: -50, end: 50 }, whole)).toEqual({ start: 0, end: 100 });
    expect(clampWindow({ start: 950, end: 1050 }, whole)).toEqual({ start: 900, end: 1000 });
    expect(zoom({ start: 400, end: 600 }, 50, whole)).toEqual(whole);
    expect(zoom({ start: 400, end: 600 }, 0.5, whole)).toEqual({ start: 450, end: 550 });
  });

  it('move to a trade only when it is not in sight', () => {
    const trade = (entry: number, exit: number) =>
      ({
        entry_time: new Date(entry).toISOString(),
        exit_time: new Date(exit).toISOString()
      }) as Trade;
    const shown = { start: 100, end: 200 };
    expect(windowAround(trade(120, 150), shown, whole)).toBe(shown);
    expect(windowAround(trade(500, 520), shown, whole)).toEqual({ start: 460, end: 560 });
    expect(windowAround(trade(300, 700), shown, whole)).toEqual({ start: 200, end: 800 });
  });
});

describe('a curve', () => {
  const curve = (drawdown: number[]): Curve => ({
    time: drawdown.map((_, i) => i),
    equity: drawdown,
    benchmark: drawdown,
    drawdown
  });

  it('knows its deepest point, or that it never fell', () => {
    expect(deepest(curve([0, -0.1, -0.3, -0.2]))).toEqual({ time: 2, value: -0.3 });
    expect(deepest(curve([0, 0]))).toBeNull();
  });
});

describe('values', () => {
  it('have no extent without a finite one', () => {
    expect(extent([null, NaN])).toBeNull();
    expect(extent([5])).toEqual([5 - 0.3, 5 + 0.3]);
  });

  it('are found by the nearest time', () => {
    expect(nearest([0, 10, 20], 14)).toBe(1);
    expect(nearest([0, 10, 20], 16)).toBe(2);
    expect(nearest([], 1)).toBe(-1);
  });
});

describe('time labels', () => {
  const ticks = (...times: string[]) => times.map(time => Date.parse(time));

  it('are as short as their neighbours allow', () => {
    expect(timeLabels(ticks('2017-11-01', '2017-12-01', '2018-01-01'))).toEqual([
      'Nov',
      'Dec',
      'Jan 2018'
    ]);
    expect(timeLabels(ticks('2017-11-28', '2017-11-29'))).toEqual(['28 Nov', '29 Nov']);
    expect(timeLabels(ticks('2017-11-28T12:00Z', '2017-11-29T00:00Z'))).toEqual([
      '12:00',
      '29 Nov'
    ]);
    expect(timeLabels(ticks('2016-01-01', '2017-01-01'))).toEqual(['2016', '2017']);
  });
});

describe('colours', () => {
  it('are given as hexadecimal, with their opacity', () => {
    expect(toHex('rgb(33, 33, 33)')).toBe('#212121');
    expect(toHex('rgba(0, 0, 0, 0.87)')).toBe('#000000de');
    expect(toHex('#fff')).toBe('#fff');
  });
});
