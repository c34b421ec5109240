import type { Problem } from '../api/schemas';
import { describeBlocker, findBlocker } from './describe';

const problem = (change: Partial<Problem> = {}): Problem => ({
  severity: 'error',
  code: 'syntax',
  message: 'invalid syntax',
  file: 'strategy.py',
  line: 14,
  column: 1,
  end_line: 14,
  end_column: 2,
  ...change
});

describe('what keeps a strategy from running', () => {
  it('is the first error, not a warning before it', () => {
    const problems = [problem({ severity: 'warning', line: 2 }), problem(), problem({ line: 20 })];
    expect(findBlocker({ outline: { problems } })?.line).toBe(14);
    expect(findBlocker({ outline: { problems: problems.slice(0, 1) } })).toBeUndefined();
    expect(findBlocker({ outline: {} })).toBeUndefined();
  });

  it('names its line, except in files that cannot be read', () => {
    expect(describeBlocker(problem())).toBe('strategy.py line 14: invalid syntax');
    const unreadable = problem({ code: 'unreadable', message: 'strategy.py is not UTF-8.' });
    expect(describeBlocker(unreadable)).toBe('strategy.py is not UTF-8.');
  });
});
