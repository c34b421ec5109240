const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The labels of a time axis, each as short as its neighbours allow: "May", "Jan 2018", "28 Nov", "12:00". */
export function timeLabels(ticks: number[]): string[] {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : DAY;
  return ticks.map((tick, i) => {
    const date = new Date(tick);
    const month = MONTHS[date.getUTCMonth()];
    const year = date.getUTCFullYear();
    const newYear = i > 0 && new Date(ticks[i - 1]).getUTCFullYear() !== year;
    if (step >= 350 * DAY) {
      return String(year);
    }
    if (step >= 27 * DAY) {
      return newYear ? `${month} ${year}` : month;
    }
    const day = `${date.getUTCDate()} ${month}`;
    if (step >= DAY || tick % DAY === 0) {
      return newYear ? `${day} ${year}` : day;
    }
    return clock(date);
  });
}

/** The stretches that an axis of bars may be divided into, and how a time's stretch is found. */
const UNITS: { kind: 'hour' | 'day' | 'month' | 'year'; stretch: (time: number) => number }[] = [
  ...[1, 5, 15, 30].map(minutes => every('hour', minutes * 60_000)),
  ...[1, 3, 6, 12].map(hours => every('hour', hours * HOUR)),
  every('day', DAY),
  // 1 January 1970 was a Thursday: weeks begin on Mondays.
  { kind: 'day', stretch: time => Math.floor((time + 3 * DAY) / (7 * DAY)) },
  ...[1, 2, 3, 6].map(months => ({
    kind: 'month' as const,
    stretch: (time: number) => Math.floor(monthOf(time) / months)
  })),
  ...[1, 2, 5, 10, 20].map(years => ({
    kind: 'year' as const,
    stretch: (time: number) => Math.floor(monthOf(time) / 12 / years)
  }))
];

function every(kind: 'hour' | 'day', length: number) {
  return { kind, stretch: (time: number) => Math.floor(time / length) };
}

const monthOf = (time: number): number =>
  new Date(time).getUTCFullYear() * 12 + new Date(time).getUTCMonth();

/** Where an axis of bars is ticked: at the first bar of a day, a month …; at most `most` of them. */
export function barTicks(times: number[], most = 7): { index: number; label: string }[] {
  for (const { kind, stretch } of UNITS) {
    const found = times.flatMap((time, i) =>
      i > 0 && stretch(time) !== stretch(times[i - 1]) ? [i] : []
    );
    // Between days and weeks, and weeks and months, every second one does.
    const nth = kind === 'day' && found.length > most ? 2 : 1;
    if (found.length <= most * nth) {
      const kept = found.filter((_, n) => n % nth === 0);
      return kept.map((index, n) => ({
        index,
        label: label(kind, times[index], n > 0 ? times[kept[n - 1]] : times[0])
      }));
    }
  }
  return [];
}

function label(kind: 'hour' | 'day' | 'month' | 'year', time: number, before: number): string {
  const date = new Date(time);
  const month = MONTHS[date.getUTCMonth()];
  const year = date.getUTCFullYear();
  const newYear = new Date(before).getUTCFullYear() !== year;
  if (kind === 'year') {
    return String(year);
  }
  if (kind === 'month') {
    return newYear ? `${month} ${year}` : month;
  }
  if (kind === 'hour' && Math.floor(before / DAY) === Math.floor(time / DAY)) {
    return clock(date);
  }
  return newYear ? `${date.getUTCDate()} ${month} ${year}` : `${date.getUTCDate()} ${month}`;
}

const clock = (date: Date): string =>
  [date.getUTCHours(), date.getUTCMinutes()].map(value => String(value).padStart(2, '0')).join(':');
