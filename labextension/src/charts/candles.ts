import { day, number, priceDecimals, time } from '../format';
import { type Candles, nearest } from './data';

/** The bar under the crosshair, in words. */
export function readCandle(candles: Candles | null, cursor: number | null): string {
  const i = candles === null || cursor === null ? -1 : nearest(candles.time, cursor);
  if (candles === null || i < 0 || Math.abs(candles.time[i] - cursor!) > candles.step) {
    return '';
  }
  const price = (value: number): string => number(value, priceDecimals(candles.close));
  const { open, high, low, close } = candles;
  const name = candles.step >= 86_400_000 ? day : time;
  return `${name(candles.time[i])} · O ${price(open[i])} H ${price(high[i])} L ${price(low[i])} C ${price(close[i])}`;
}

/** The candles as a table. */
export function priceTable(candles: Candles | null): { head: string[]; rows: string[][] } {
  const head = ['Time (UTC)', 'Open', 'High', 'Low', 'Close'];
  if (!candles) {
    return { head, rows: [] };
  }
  const decimals = priceDecimals(candles.close);
  return {
    head,
    rows: candles.time.map((at, i) => [
      time(at),
      ...[candles.open, candles.high, candles.low, candles.close].map(values =>
        number(values[i], decimals)
      )
    ])
  };
}
