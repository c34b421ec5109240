import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';

import type { Problem } from '../api/schemas';
import { rangeOf, repair, repairLabel } from './diagnostics';
import { looksLikeStrategy, strategyAround, strategyOf } from './session';
import type { Strategy } from '../api/schemas';

const problem: Problem = {
  severity: 'error',
  code: 'param_bounds',
  message: 'slow: the default 300 is above high=250.',
  file: 'strategy.py',
  line: 2,
  column: 14,
  end_line: 2,
  end_column: 17,
  repair: '250'
};

const view = (doc: string) => new EditorView({ state: EditorState.create({ doc }) });

describe('a problem', () => {
  it('marks what its lines and columns, from 1, name', () => {
    const { state } = view('x = 1\nslow = param(300, high=250)');
    const { from, to } = rangeOf(state.doc, problem);
    expect(state.doc.sliceString(from, to)).toBe('300');
  });

  it('is repaired in its place', () => {
    const editor = view('x = 1\nslow = param(300, high=250)');
    repair(editor, problem);
    expect(editor.state.doc.toString()).toBe('x = 1\nslow = param(250, high=250)');
  });

  it('is cut to a document that became shorter', () => {
    const { state } = view('x');
    expect(rangeOf(state.doc, { ...problem, line: 40, end_line: 41 })).toEqual({ from: 1, to: 1 });
  });

  it('names its repair in one line', () => {
    expect(repairLabel('250')).toBe('Use 250');
    expect(repairLabel(`${'x'.repeat(60)}\ny`)).toHaveLength(40);
  });
});

describe('the strategy of a path', () => {
  const known = { folder: 'strategies/sma', entry: 'strategy.py' } as Strategy;

  it('is the one whose entry it is, or in whose folder it lies', () => {
    expect(strategyOf([known], 'strategies/sma/strategy.py')).toBe(known);
    expect(strategyOf([known], 'strategies/sma2/strategy.py')).toBeUndefined();
    expect(strategyAround([known], 'strategies/sma/notes.ipynb')).toBe(known);
    expect(strategyAround([known], 'strategies/sma2/notes.ipynb')).toBeUndefined();
  });

  it('is told from the look of the path before the list is here', () => {
    expect(looksLikeStrategy('strategies/sma/strategy.py')).toBe(true);
    expect(looksLikeStrategy('strategies/sma/rules.py')).toBe(false);
  });
});
