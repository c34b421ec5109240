import type { Curve, Series, Trade } from '../api/schemas';

/** A stretch of time, in milliseconds since 1970 UTC. */
export type Window = { start: number; end: number };

/** The candles of a series; NaN where a bar has no price: a gap stays a gap. */
export type Candles = {
  time: number[];
  open: number[];
  high: number[];
  low: number[];
  close: number[];
  /** The usual distance of two bars. */
  step: number;
};

/** The candles to draw, each at its bar’s open time. */
export function toCandles(series: Series): Candles {
  const { time } = series;
  const read = (values: (number | null)[]): number[] => values.map(value => value ?? NaN);
  const [open, high, low, close] = [series.open, series.high, series.low, series.close].map(read);
  return { time, open, high, low, close, step: usualStep(time) };
}

/** Whether a bar lacks a price. */
export function isGap({ open, high, low, close }: Candles, i: number): boolean {
  return [open, high, low, close].some(values => isNaN(values[i]));
}

/** The most usual distance between neighbours (their median); 0 below two values. */
export function usualStep(times: number[]): number {
  const steps = times
    .slice(1)
    .map((time, i) => time - times[i])
    .sort((a, b) => a - b);
  return steps.length > 0 ? steps[Math.floor(steps.length / 2)] : 0;
}

/** Lowest and highest of the finite values, with a margin; null when there is none. */
export function extent(values: (number | null)[], margin = 0.06): [number, number] | null {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value !== null && isFinite(value)) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) {
    return null;
  }
  const room = (high - low || Math.abs(high) || 1) * margin;
  return [low - room, high + room];
}

/** The values of a candle chart in a window: lowest low to highest high, with a margin. */
export function priceExtent(candles: Candles, window: Window): [number, number] | null {
  const inside = (values: number[]): number[] =>
    values.filter((_, i) => candles.time[i] >= window.start && candles.time[i] <= window.end);
  return extent([...inside(candles.low), ...inside(candles.high)]);
}

/** The index of the time nearest to `time` in a sorted list; -1 in an empty one. */
export function nearest(times: number[], time: number): number {
  let low = 0;
  let high = times.length - 1;
  if (high < 0) {
    return -1;
  }
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle] <= time) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return Math.abs(times[low] - time) <= Math.abs(times[high] - time) ? low : high;
}

/**
 * The place of a time where bars stand side by side, the first at 0: a closed market takes no room.
 * Between two bars, and beyond the first and last, places go on evenly.
 */
export function placeOf({ time, step }: Candles, at: number): number {
  const last = time.length - 1;
  if (last < 0) {
    return at;
  }
  if (at <= time[0]) {
    return (at - time[0]) / (step || 1);
  }
  if (at >= time[last]) {
    return last + (at - time[last]) / (step || 1);
  }
  const near = nearest(time, at);
  const before = time[near] <= at ? near : near - 1;
  return before + (at - time[before]) / (time[before + 1] - time[before]);
}

/** The time at a place: the inverse of placeOf. */
export function timeAt({ time, step }: Candles, place: number): number {
  const last = time.length - 1;
  if (last < 0) {
    return place;
  }
  if (place <= 0) {
    return time[0] + place * (step || 1);
  }
  if (place >= last) {
    return time[last] + (place - last) * (step || 1);
  }
  const before = Math.floor(place);
  return time[before] + (place - before) * (time[before + 1] - time[before]);
}

/** The deepest point of a curve; null when it never fell. */
export function deepest(curve: Curve): { time: number; value: number } | null {
  let at = -1;
  curve.drawdown.forEach((value, i) => {
    if (value < (at < 0 ? 0 : curve.drawdown[at])) {
      at = i;
    }
  });
  return at < 0 ? null : { time: curve.time[at], value: curve.drawdown[at] };
}

/** The first window of the price chart: the last 200 bars of the test. */
export function firstWindow(first: number, last: number, rows: number): Window {
  const bars = 200;
  return rows <= bars
    ? { start: first, end: last }
    : { start: last - ((last - first) * bars) / rows, end: last };
}

/** A window of the same width around a trade, wider if the trade is, within the test. */
export function windowAround(trade: Trade, window: Window, whole: Window): Window {
  const entry = Date.parse(trade.entry_time);
  const exit = Date.parse(trade.exit_time);
  if (entry >= window.start && exit <= window.end) {
    return window;
  }
  const width = Math.max(window.end - window.start, (exit - entry) * 1.5);
  const middle = (entry + exit) / 2;
  return clampWindow({ start: middle - width / 2, end: middle + width / 2 }, whole);
}

/**
 * A window of the same width with a bar beside its middle, where the reason of its fill stands: at
 * the left, or where the test ends too soon for that, at the right.
 */
export function windowBeside(time: number, window: Window, whole: Window): Window {
  const width = window.end - window.start;
  const before = time + 0.8 * width <= whole.end ? 0.2 : 0.8;
  return clampWindow({ start: time - before * width, end: time + (1 - before) * width }, whole);
}

/** The window moved, and cut if need be, so that it lies within the whole. */
export function clampWindow(window: Window, whole: Window): Window {
  const width = Math.min(window.end - window.start, whole.end - whole.start);
  const start = Math.min(Math.max(window.start, whole.start), whole.end - width);
  return { start, end: start + width };
}

/** The window made narrower (factor below 1) or wider around its middle. */
export function zoom(window: Window, factor: number, whole: Window): Window {
  const middle = (window.start + window.end) / 2;
  const half = ((window.end - window.start) / 2) * factor;
  return clampWindow({ start: middle - half, end: middle + half }, whole);
}
