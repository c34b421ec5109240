import { Collection } from './collection';
import type { Page } from './api/schemas';

type Item = { id: string };
const page = (ids: string, next: string | null = null): Page<Item> => ({
  items: [...ids].map(id => ({ id })),
  next
});
const ids = (list: Collection<Item>) => list.items.map(item => item.id).join('');

describe('Collection', () => {
  it('appends the next page and drops what it has already', async () => {
    const list = new Collection<Item>(async cursor => (cursor ? page('bcd') : page('ab', 'x')));
    await list.refresh();
    expect([ids(list), list.next]).toEqual(['ab', 'x']);
    await list.more();
    expect([ids(list), list.next]).toEqual(['abcd', null]);
  });

  it('keeps the old items when a reading fails, and says why', async () => {
    let fail = false;
    const list = new Collection<Item>(async () => {
      if (fail) {
        throw new Error('the disk is full');
      }
      return page('a');
    });
    await list.refresh();
    fail = true;
    await list.refresh();
    expect([ids(list), list.error, list.ready]).toEqual(['a', 'the disk is full', true]);
    fail = false;
    await list.refresh();
    expect(list.error).toBeNull();
  });

  it('answers many calls during a reading with one more reading', async () => {
    let readings = 0;
    const list = new Collection<Item>(async () => {
      readings += 1;
      return page(String(readings));
    });
    await Promise.all([list.refresh(), list.refresh(), list.refresh(), list.refresh()]);
    expect(readings).toBe(2);
    expect(ids(list)).toBe('2');
  });
});
