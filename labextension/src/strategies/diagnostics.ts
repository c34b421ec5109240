import { type Diagnostic, lintGutter, setDiagnostics } from '@codemirror/lint';
import { type Extension, Prec, type Text } from '@codemirror/state';
import { type EditorView, keymap } from '@codemirror/view';

import type { Problem } from '../api/schemas';

/** Gutter icons before the line numbers, and Ctrl . for the repair at the cursor. */
export function diagnosticsExtension(problems: () => Problem[]): Extension {
  return [
    Prec.highest(lintGutter()),
    Prec.highest(keymap.of([{ key: 'Ctrl-.', run: view => repairAtCursor(view, problems()) }]))
  ];
}

/** Show these problems in an editor. */
export function showProblems(view: EditorView, problems: Problem[]): void {
  view.dispatch(
    setDiagnostics(
      view.state,
      problems.map(problem => toDiagnostic(view.state.doc, problem))
    )
  );
}

/** Replace the marked range by the repair. */
export function repair(view: EditorView, problem: Problem): void {
  if (problem.repair === null || problem.repair === undefined) {
    return;
  }
  const { from, to } = rangeOf(view.state.doc, problem);
  view.dispatch({ changes: { from, to, insert: problem.repair } });
}

/** "Use rolling(20)" */
export function repairLabel(text: string): string {
  const line = text.split('\n')[0];
  return `Use ${line.length > 36 ? `${line.slice(0, 35)}…` : line}`;
}

/** The range that a problem marks, cut to the document. Lines and columns count from 1. */
export function rangeOf(doc: Text, problem: Problem): { from: number; to: number } {
  const offset = (line: number, column: number): number => {
    const found = doc.line(Math.min(Math.max(line, 1), doc.lines));
    return Math.min(found.from + Math.max(column - 1, 0), found.to);
  };
  const from = offset(problem.line, problem.column);
  const to = offset(problem.end_line, problem.end_column);
  return { from, to: Math.max(from, to) };
}

function toDiagnostic(doc: Text, problem: Problem): Diagnostic {
  const actions =
    problem.repair === null || problem.repair === undefined
      ? []
      : [
          {
            name: repairLabel(problem.repair),
            apply: (view: EditorView) => repair(view, problem)
          }
        ];
  return {
    ...rangeOf(doc, problem),
    severity: problem.severity,
    source: problem.code.replace(/_/g, ' '),
    message: problem.message,
    actions
  };
}

function repairAtCursor(view: EditorView, problems: Problem[]): boolean {
  const at = view.state.selection.main.head;
  const found = problems.find(problem => {
    const { from, to } = rangeOf(view.state.doc, problem);
    return Boolean(problem.repair) && from <= at && at <= to;
  });
  if (!found) {
    return false;
  }
  repair(view, found);
  return true;
}
