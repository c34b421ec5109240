import {
  ago,
  barLength,
  bytes,
  columnDecimals,
  day,
  money,
  number,
  parseNumber,
  percent,
  plain,
  plural,
  priceDecimals,
  quantity,
  rate,
  seconds,
  shortHash,
  shortTime,
  time
} from './format';

const nb = '\u00a0';

describe('numbers', () => {
  it('have a true minus, commas and their decimals', () => {
    expect(number(-1234.5, 2)).toBe('\u22121,234.50');
    expect(money(1234.567)).toBe('1,234.57');
  });

  it('carry a plus only where signs are asked for', () => {
    expect(percent(0.129, 1, true)).toBe(`+12.9${nb}%`);
    expect(percent(-0.047)).toBe(`\u22124.7${nb}%`);
    expect(percent(0.129)).toBe(`12.9${nb}%`);
  });

  it('never show a signed zero', () => {
    expect(number(-0.0004, 2, true)).toBe('0.00');
    expect(percent(-0, 1, true)).toBe(`0.0${nb}%`);
  });

  it('are a dash when undefined', () => {
    expect(number(null)).toBe('–');
    expect(percent(undefined)).toBe('–');
    expect(number(NaN)).toBe('–');
    expect(rate(Infinity)).toBe('–');
  });

  it('show a rate with the decimals it has, and no noise', () => {
    expect(rate(0.0001)).toBe(`0.01${nb}%`);
    expect(rate(0.00007)).toBe(`0.007${nb}%`);
    expect(plain(0.1 + 0.2)).toBe('0.3');
  });

  it('show quantities whole where they are large', () => {
    expect(quantity(9465.4)).toBe('9,465');
    expect(quantity(0.12345)).toBe('0.1235');
    expect(quantity(3)).toBe('3');
  });

  it('share the decimals that their column needs', () => {
    expect(columnDecimals([3.85541813, 3.8591, null])).toBe(8);
    expect(columnDecimals([1_200_300, 5])).toBe(0);
    expect(columnDecimals([0.1 + 0.2])).toBe(1);
    expect(columnDecimals([1e-12])).toBe(10);
    expect(columnDecimals([])).toBe(0);
  });

  it('name the length of a bar as the data do', () => {
    const hour = 3_600_000;
    expect([0.25, 1, 24, 168, 744].map(hours => barLength(hours * hour))).toEqual(
      ['15 min', '1 h', '1 d', '1 w', '1 mo'].map(text => text.replace(' ', nb))
    );
    expect(barLength(500)).toBe(`0.5${nb}s`);
  });

  it('show prices with the decimals of the instrument', () => {
    expect(priceDecimals([1.17038, 1.16948])).toBe(5);
    expect(priceDecimals([138.24, 137.3])).toBe(2);
    expect(priceDecimals([4.080317519999999])).toBe(5);
    expect(priceDecimals([])).toBe(2);
  });

  it('read back what they show', () => {
    expect(parseNumber('10,000')).toBe(10000);
    expect(parseNumber(`0.01${nb}%`, true)).toBe(0.0001);
    expect(parseNumber('\u22120.5')).toBe(-0.5);
    expect(parseNumber('1e-3', true)).toBe(0.00001);
  });

  it('refuse what is no number', () => {
    for (const text of ['', 'abc', '1.2.3', '--1', '0x10', 'Infinity', '1e']) {
      expect(parseNumber(text)).toBeNull();
    }
  });

  it('name sizes and counts', () => {
    expect(bytes(2_900_000)).toBe(`2.9${nb}MB`);
    expect(bytes(512)).toBe(`512${nb}B`);
    expect(plural(1, 'warning')).toBe('1 warning');
    expect(plural(1200, 'bar')).toBe('1,200 bars');
    expect(shortHash('9f3c0000000000e17a')).toBe('9f3c…e17a');
  });
});

describe('times', () => {
  const at = '2017-11-30T01:00:00Z';

  it('are in UTC, whatever the browser’s zone', () => {
    expect(day(at)).toBe('30 Nov 2017');
    expect(time(at)).toBe('30 Nov 2017 01:00');
    expect(shortTime(at)).toBe('30 Nov 01:00');
  });

  it('say how long ago, and the date after a week', () => {
    const now = Date.parse(at);
    const before = (minutes: number) => new Date(now - minutes * 60_000).toISOString();
    expect(ago(before(0.5), now)).toBe('now');
    expect(ago(before(12), now)).toBe('12 min ago');
    expect(ago(before(125), now)).toBe('2 h ago');
    expect(ago(before(60 * 30), now)).toBe('yesterday');
    expect(ago(before(60 * 24 * 3), now)).toBe('3 days ago');
    expect(ago(before(60 * 24 * 9), now)).toBe('21 Nov 2017');
  });

  it('last seconds or minutes', () => {
    expect(seconds(0.62)).toBe(`0.6${nb}s`);
    expect(seconds(43)).toBe(`43${nb}s`);
    expect(seconds(125)).toBe(`2${nb}min 5${nb}s`);
  });
});
