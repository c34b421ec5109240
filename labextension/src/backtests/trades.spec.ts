import type { Trade } from '../api/schemas';
import { TradePages } from './trades';

const HOUR = 3_600_000;

/** A server with so many trades: one begins every hour and lasts half of it. */
function server(total: number) {
  const asked: number[] = [];
  const pages = new TradePages(async (offset, limit) => {
    asked.push(offset);
    const numbers = Array.from(
      { length: Math.max(0, Math.min(limit, total - offset)) },
      (_, i) => offset + i + 1
    );
    const items = numbers.map(
      number =>
        ({
          number,
          entry_time: new Date(number * HOUR).toISOString(),
          exit_time: new Date(number * HOUR + HOUR / 2).toISOString()
        }) as Trade
    );
    return { items, total, next: null };
  });
  return { pages, asked };
}

describe('TradePages', () => {
  it('reads only the pages under the rows', async () => {
    const { pages, asked } = server(10_000);
    await pages.ensure(5_100, 5_150);
    expect(asked).toEqual([5_000]);
    expect(pages.get(5_100)?.number).toBe(5_101);
    expect(pages.get(0)).toBeUndefined();
  });

  it('reads a page once, however often it is asked for', async () => {
    const { pages, asked } = server(10);
    await Promise.all([pages.at(0), pages.at(1), pages.ensure(0, 9)]);
    expect(asked).toEqual([0]);
  });

  it('finds the trades of a window without reading all', async () => {
    const { pages, asked } = server(10_000);
    const found = await pages.within(7_000 * HOUR, 7_003 * HOUR);
    expect(found.map(trade => trade.number)).toEqual([7_000, 7_001, 7_002, 7_003]);
    expect(asked.length).toBeLessThan(12);
  });

  it('includes a trade that was open when the window began', async () => {
    const { pages } = server(100);
    const found = await pages.within(50 * HOUR + HOUR / 4, 50 * HOUR + HOUR / 3);
    expect(found.map(trade => trade.number)).toEqual([50]);
  });

  it('is empty past the end, and says why a reading failed', async () => {
    const { pages } = server(3);
    await pages.at(0);
    expect(await pages.at(3)).toBeUndefined();
    expect(await pages.at(-1)).toBeUndefined();
    const failing = new TradePages(async () => {
      throw new Error('gone');
    });
    await failing.at(0);
    expect(failing.error).toBe('gone');
  });
});
