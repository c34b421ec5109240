const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAY = 86_400_000;

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
    const two = (value: number): string => String(value).padStart(2, '0');
    return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
  });
}
