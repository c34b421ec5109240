import type { IStateDB } from '@jupyterlab/statedb';
import { ChangeSet, Text } from '@codemirror/state';

import { Breakpoints } from './breakpoints';
import { follow } from './gutter';

const at = (line: number, condition = '') => ({ line, condition });
const TEXT = Text.of(['one', 'two', 'three', 'four']);

/** The lines after a change of the text from `from` to `to`. */
function change(lines: number[], from: number, to: number, insert: string): number[] {
  const changes = ChangeSet.of({ from, to, insert }, TEXT.length);
  return follow(
    lines.map(line => at(line)),
    TEXT,
    changes.apply(TEXT),
    changes
  ).map(one => one.line);
}

/** A state database that keeps what it is given. */
function memory(): IStateDB {
  const kept = new Map<string, unknown>();
  return {
    fetch: (key: string) => Promise.resolve(kept.get(key)),
    save: (key: string, value: unknown) => Promise.resolve(void kept.set(key, value))
  } as unknown as IStateDB;
}

describe('breakpoints', () => {
  it('are set and taken away by line, in order, each with its condition', () => {
    const breakpoints = new Breakpoints(null);
    const told: string[] = [];
    breakpoints.changed.connect((_, path) => told.push(path));
    breakpoints.toggle('a.py', 9);
    breakpoints.toggle('a.py', 3);
    breakpoints.setCondition('a.py', 9, 'x > 1');
    expect(breakpoints.of('a.py')).toEqual([at(3), at(9, 'x > 1')]);
    breakpoints.toggle('a.py', 3);
    expect(breakpoints.of('a.py')).toEqual([at(9, 'x > 1')]);
    expect(breakpoints.of('b.py')).toEqual([]);
    expect(told).toHaveLength(4);
  });

  it('of which two come to one line are one', () => {
    const breakpoints = new Breakpoints(null);
    breakpoints.replace('a.py', [at(2, 'x'), at(2, 'y'), at(1)]);
    expect(breakpoints.of('a.py')).toEqual([at(1), at(2, 'x')]);
  });

  it('are there again after a reload', async () => {
    const state = memory();
    const before = new Breakpoints(state);
    await before.ready;
    before.toggle('a.py', 4);
    await new Promise(resolve => setTimeout(resolve, 400));
    const after = new Breakpoints(state);
    await after.ready;
    expect(after.of('a.py')).toEqual([at(4)]);
  });
});

describe('follow', () => {
  it('moves breakpoints with their lines', () => {
    expect(change([1, 3], 4, 4, 'new\n')).toEqual([1, 4]);
    expect(change([1, 3], 4, 8, '')).toEqual([1, 2]);
    expect(change([3], 8, 8, '    ')).toEqual([3]);
  });

  it('keeps the numbers where the whole text is new', () => {
    expect(change([1, 4], 0, TEXT.length, 'all\nnew\nhere')).toEqual([1, 3]);
  });

  it('drops those past the end of the text', () => {
    expect(change([2, 9], 0, 0, 'x')).toEqual([2]);
  });
});
