import type { Dataset } from '../api/schemas';
import { count, plural } from '../format';

const FREQUENCIES: Record<string, string> = {
  '1h': 'hourly bars',
  '1d': 'daily bars',
  '1w': 'weekly bars'
};

const CALENDARS: Record<string, string> = {
  FX: 'FX hours',
  XNYS: 'New York sessions',
  '24/7': 'all hours'
};

/** What a newcomer starts with, in this order. */
const FIRST = ['eurusd-1h', 'us-stocks-1d', 'sp500-1d'];

/** The datasets as they are offered: the user's own, then those to start with, then the others. */
export function datasetsInOrder(datasets: Dataset[]): Dataset[] {
  const rank = ({ name, origin }: Dataset): number =>
    origin === 'custom' ? -1 : FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length;
  return [...datasets].sort((a, b) => rank(a) - rank(b));
}

/** "5,000 hourly bars", "4 symbols, 8,552 daily bars" */
export function describeBars(dataset: Dataset): string {
  const bars = `${count(dataset.rows)} ${FREQUENCIES[dataset.frequency] ?? `${dataset.frequency} bars`}`;
  return dataset.symbols.length > 1 ? `${plural(dataset.symbols.length, 'symbol')}, ${bars}` : bars;
}

/** "FX hours" */
export function describeCalendar(calendar: string | null): string {
  return calendar === null ? 'calendar unknown' : (CALENDARS[calendar] ?? calendar);
}

/** The line under a dataset's name: "5,000 bars · FX hours", "4 symbols · 2004–2013". */
export function describeBriefly(dataset: Dataset): string {
  if (dataset.symbols.length > 1) {
    const years = [dataset.start, dataset.end].map(time => new Date(time).getUTCFullYear());
    return `${plural(dataset.symbols.length, 'symbol')} · ${years.join('–')}`;
  }
  return `${plural(dataset.rows, 'bar')} · ${describeCalendar(dataset.calendar)}`;
}
