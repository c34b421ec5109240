import type { Problem, Strategy } from '../api/schemas';

/** What keeps a strategy from running: the first error found in its files, if there is one. */
export function findBlocker(strategy: Pick<Strategy, 'outline'>): Problem | undefined {
  return strategy.outline.problems?.find(problem => problem.severity === 'error');
}

/** "strategy.py line 14: invalid syntax"; files that cannot be read have no line. */
export function describeBlocker({ code, file, line, message }: Problem): string {
  return code === 'unreadable' ? message : `${file || 'strategy.py'} line ${line}: ${message}`;
}
