// Numbers and times as the page shows them: true minus, a space before %, "–" when undefined.

export const UNDEFINED = '–';

const MINUS = '\u2212';
const SPACE = '\u00a0';
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

type Value = number | null | undefined;

const isNumber = (value: Value): value is number => typeof value === 'number' && isFinite(value);

/** A number with commas and exactly so many decimals; `signed` puts a plus before gains. */
export function number(value: Value, decimals = 0, signed = false): string {
  if (!isNumber(value)) {
    return UNDEFINED;
  }
  const text = Math.abs(value).toLocaleString('en-US', {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals
  });
  const zero = !/[1-9]/.test(text);
  const sign = zero ? '' : value < 0 ? MINUS : signed ? '+' : '';
  return sign + text;
}

/** A fraction as percent: 0.129 is "12.9 %". */
export function percent(value: Value, decimals = 1, signed = false): string {
  return isNumber(value) ? `${number(value * 100, decimals, signed)}${SPACE}%` : UNDEFINED;
}

/** A fraction as percent with as many decimals as it needs: 0.0001 is "0.01 %". */
export function rate(value: Value): string {
  return isNumber(value) ? `${plain(value * 100)}${SPACE}%` : UNDEFINED;
}

export const count = (value: Value): string => number(value, 0);
export const ratio = (value: Value): string => number(value, 2);
export const money = (value: Value, signed = false): string => number(value, 2, signed);

/** A number as short as it can be, for a form: no commas, at most ten significant digits. */
export function plain(value: number): string {
  return String(Number(value.toPrecision(10))).replace('-', MINUS);
}

/** The decimals that a list of prices needs, held to what can be read at that height. */
export function priceDecimals(prices: Value[]): number {
  const values = prices.filter(isNumber);
  const top = Math.max(...values.map(Math.abs), 0);
  const cap = top < 10 ? 5 : top < 1000 ? 3 : 2;
  for (let decimals = 2; decimals < cap; decimals++) {
    if (values.every(value => Math.abs(value - Number(value.toFixed(decimals))) < 1e-9 * top)) {
      return decimals;
    }
  }
  return cap;
}

/** A quantity: whole where it is large, with decimals where they matter. */
export function quantity(value: Value): string {
  if (!isNumber(value)) {
    return UNDEFINED;
  }
  const size = Math.abs(value);
  return number(value, Number.isInteger(value) || size >= 1000 ? 0 : size >= 10 ? 2 : 4);
}

/** "412 kB" */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${number(value, unit === 0 || value >= 100 ? 0 : 1)}${SPACE}${units[unit]}`;
}

/** Seconds as "0.6 s", "43 s", "2 min 5 s". */
export function seconds(value: number): string {
  if (value < 10) {
    return `${number(value, 1)}${SPACE}s`;
  }
  const whole = Math.round(value);
  return whole < 60
    ? `${whole}${SPACE}s`
    : `${Math.floor(whole / 60)}${SPACE}min ${whole % 60}${SPACE}s`;
}

/** The length of a bar, in milliseconds: "1 h", "15 min", "1 d", "1 mo". */
export function barLength(value: number): string {
  const months = Math.round(value / (30.44 * DAY));
  if (months >= 1 && Math.abs(value - months * 30.44 * DAY) < 2.5 * DAY) {
    return `${months}${SPACE}mo`;
  }
  for (const [unit, length] of [
    ['w', 7 * DAY],
    ['d', DAY],
    ['h', HOUR],
    ['min', MINUTE]
  ] as const) {
    if (value >= length && value % length === 0) {
      return `${value / length}${SPACE}${unit}`;
    }
  }
  return `${plain(value / 1000)}${SPACE}s`;
}

/** The decimals that a column's numbers need so that all are shown in full: at most ten digits each. */
export function columnDecimals(values: Value[]): number {
  const most = 10;
  const full = values.filter(isNumber).map(value => Number(value.toPrecision(most)));
  for (let decimals = 0; decimals < most; decimals++) {
    if (full.every(value => Number(value.toFixed(decimals)) === value)) {
      return decimals;
    }
  }
  return most;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** "30 Nov 2017", in UTC. */
export function day(time: string | number): string {
  const date = new Date(time);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

/** "Nov 2017", in UTC. */
export function month(time: string | number): string {
  return day(time).replace(/^\d+ /, '');
}

/** "30 Nov 2017 01:00", in UTC. */
export function time(value: string | number): string {
  const date = new Date(value);
  return `${day(value)} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
}

/** The same without the year, for a table whose header says UTC. */
export function shortTime(value: string | number): string {
  const date = new Date(value);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
}

/** "12 min ago"; after a week the date. */
export function ago(value: string, now = Date.now()): string {
  const passed = now - Date.parse(value);
  if (passed < MINUTE) {
    return 'now';
  }
  if (passed < HOUR) {
    return `${Math.floor(passed / MINUTE)} min ago`;
  }
  if (passed < DAY) {
    return `${Math.floor(passed / HOUR)} h ago`;
  }
  if (passed < 2 * DAY) {
    return 'yesterday';
  }
  return passed < 7 * DAY ? `${Math.floor(passed / DAY)} days ago` : day(value);
}

/** "1 warning", "3 warnings" */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** "9f3c…e17a" */
export function shortHash(hash: string): string {
  return hash.length > 9 ? `${hash.slice(0, 4)}…${hash.slice(-4)}` : hash;
}

/** The number that someone typed: "10,000", "0.01 %" (as 0.0001 with `asPercent`), or null. */
export function parseNumber(text: string, asPercent = false): number | null {
  const cleaned = text.replace(/[\s,%\u00a0]/g, '').replace(MINUS, '-');
  if (!/^-?(\d+\.?\d*|\.\d+)(e-?\d+)?$/i.test(cleaned)) {
    return null;
  }
  // Divided as text, so that 0.01 % is 0.0001 and not 0.00009999…
  return asPercent
    ? Number(`${cleaned}e-2`.replace(/e(-?\d+)e-2$/i, (_, e) => `e${+e - 2}`))
    : Number(cleaned);
}
