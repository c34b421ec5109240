import {
  type ChangeSet,
  type Extension,
  Prec,
  StateEffect,
  StateField,
  type Text
} from '@codemirror/state';
import { Decoration, type DecorationSet, EditorView, gutter, GutterMarker } from '@codemirror/view';

import type { Breakpoint, Breakpoints } from './breakpoints';

const refresh = StateEffect.define<null>();
const stopAt = StateEffect.define<number | null>();

class Marker extends GutterMarker {
  constructor(private condition: string) {
    super();
  }

  eq(other: Marker): boolean {
    return other.condition === this.condition;
  }

  toDOM(): Node {
    const node = document.createElement('span');
    node.className = this.condition ? 'alp-Breakpoint alp-mod-conditional' : 'alp-Breakpoint';
    node.title = this.condition ? `Breakpoint, if ${this.condition}` : 'Breakpoint';
    return node;
  }
}

const stoppedLine = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(lines, transaction) {
    let next = lines.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (effect.is(stopAt)) {
        const { doc } = transaction.state;
        const line = effect.value;
        next =
          line === null || line < 1 || line > doc.lines
            ? Decoration.none
            : Decoration.set([
                Decoration.line({ class: 'alp-StoppedLine' }).range(doc.line(line).from)
              ]);
      }
    }
    return next;
  },
  provide: field => EditorView.decorations.from(field)
});

/** A gutter that shows a file's breakpoints and sets them by a click; they move with their lines. */
export function breakpointGutter(breakpoints: Breakpoints, path: () => string): Extension {
  const marker = (line: number): Marker | null => {
    const found = breakpoints.of(path()).find(one => one.line === line);
    return found ? new Marker(found.condition) : null;
  };
  return [
    stoppedLine,
    // Before the line numbers.
    Prec.highest(
      gutter({
        class: 'alp-Breakpoints',
        lineMarker: (view, block) => marker(view.state.doc.lineAt(block.from).number),
        lineMarkerChange: update =>
          update.docChanged ||
          update.transactions.some(({ effects }) => effects.some(effect => effect.is(refresh))),
        initialSpacer: () => new Marker(''),
        domEventHandlers: {
          mousedown: (view, block) => {
            breakpoints.toggle(path(), view.state.doc.lineAt(block.from).number);
            return true;
          }
        }
      })
    ),
    EditorView.updateListener.of(update => {
      if (update.docChanged) {
        const before = breakpoints.of(path());
        const { startState, state, changes } = update;
        breakpoints.replace(path(), follow(before, startState.doc, state.doc, changes));
      }
    })
  ];
}

/** Where breakpoints are after a change: with their lines, or by number in a text that is all new. */
export function follow(
  breakpoints: Breakpoint[],
  before: Text,
  after: Text,
  changes: ChangeSet
): Breakpoint[] {
  let whole = false;
  changes.iterChanges((from, to) => (whole ||= from === 0 && to === before.length && to > 0));
  return breakpoints
    .filter(one => one.line <= before.lines)
    .map(one => ({
      ...one,
      line: whole
        ? Math.min(one.line, after.lines)
        : after.lineAt(changes.mapPos(before.line(one.line).to)).number
    }));
}

/** Show the breakpoints as they are now. */
export function refreshGutter(view: EditorView): void {
  view.dispatch({ effects: refresh.of(null) });
}

/** Tint the line before which the run stands, and bring it into view; null for none. */
export function showStop(view: EditorView, line: number | null): void {
  const effects: StateEffect<unknown>[] = [stopAt.of(line)];
  if (line !== null && line >= 1 && line <= view.state.doc.lines) {
    effects.push(EditorView.scrollIntoView(view.state.doc.line(line).from, { y: 'nearest' }));
  }
  view.dispatch({ effects });
}
