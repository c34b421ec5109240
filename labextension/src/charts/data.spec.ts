import type { Curve, Trade } from '../api/schemas';
import {
  clampWindow,
  deepest,
  extent,
  firstWindow,
  isGap,
  nearest,
  placeOf,
  priceExtent,
  timeAt,
  toCandles,
  windowAround,
  windowBeside,
  zoom
} from './data';
import { barTicks, timeLabels } from './ticks';
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

  it('keep the place of a bar without a price, so that a gap stays a gap', () => {
    const candles = toCandles(series);
    expect(candles.time).toEqual([0, 10, 20, 50]);
    expect(candles.time.map((_, i) => isGap(candles, i))).toEqual([false, true, false, false]);
    expect(candles.step).toBe(10);
  });

  it('stand side by side: a closed market takes no room', () => {
    const candles = toCandles({ ...series, close: [1, 1, 1, 1], open: [1, 1, 1, 1] });
    candles.time = [0, 10, 20, 500];
    candles.step = 10;
    expect([0, 15, 20, 260, 500, 510, -20].map(at => placeOf(candles, at))).toEqual([
      0, 1.5, 2, 2.5, 3, 4, -2
    ]);
    for (const place of [-2, 0, 0.25, 2.5, 3, 4]) {
      expect(placeOf(candles, timeAt(candles, place))).toBeCloseTo(place);
    }
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

  it('move to a bar so that it is left or right of the middle', () => {
    const shown = { start: 100, end: 200 };
    expect(windowBeside(500, shown, whole)).toEqual({ start: 480, end: 580 });
    expect(windowBeside(5, shown, whole)).toEqual({ start: 0, end: 100 });
    expect(windowBeside(950, shown, whole)).toEqual({ start: 870, end: 970 });
    expect(windowBeside(990, shown, whole)).toEqual({ start: 900, end: 1000 });
    expect(windowBeside(500, whole, whole)).toEqual(whole);
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

describe('the ticks of bars', () => {
  const hours = (from: string, n: number) =>
    Array.from({ length: n }, (_, i) => Date.parse(from) + i * 3_600_000);

  it('stand at the first bar of a day, whatever was closed before it', () => {
    const times = [...hours('2017-12-29T20:00Z', 2), ...hours('2018-01-01T22:00Z', 30)];
    expect(barTicks(times, 3)).toEqual([
      { index: 2, label: '1 Jan 2018' },
      { index: 4, label: '2 Jan' },
      { index: 28, label: '3 Jan' }
    ]);
  });

  it('say the day where it begins, and the hour elsewhere', () => {
    expect(barTicks(hours('2017-11-29T21:00Z', 12), 4)).toEqual([
      { index: 3, label: '30 Nov' },
      { index: 6, label: '03:00' },
      { index: 9, label: '06:00' }
    ]);
  });

  it('stand at every second day between days and weeks', () => {
    expect(barTicks(hours('2017-12-18T00:00Z', 200)).map(({ label }) => label)).toEqual([
      '19 Dec',
      '21 Dec',
      '23 Dec',
      '25 Dec'
    ]);
  });

  it('are never more than asked for', () => {
    const days = Array.from({ length: 5000 }, (_, i) => Date.parse('1999-01-01') + i * 86_400_000);
    expect(barTicks(days, 4).map(({ label }) => label)).toEqual(['2000', '2005', '2010']);
    expect(barTicks([])).toEqual([]);
  });
});

describe('colours', () => {
  it('are given as hexadecimal, with their opacity', () => {
    expect(toHex('rgb(33, 33, 33)')).toBe('#212121');
    expect(toHex('rgba(0, 0, 0, 0.87)')).toBe('#000000de');
    expect(toHex('#fff')).toBe('#fff');
  });
});
