import type { StrategyTemplate } from '../api/schemas';

/** The id of the template without an idea. */
export const BLANK = 'blank';

/** The id of the template that a newcomer starts with. */
const FIRST = 'sma_cross';

/** The templates as they are offered: the one to start with first, the blank one last. */
export function inOrder(templates: StrategyTemplate[]): StrategyTemplate[] {
  const rank = ({ id }: StrategyTemplate): number => (id === FIRST ? 0 : id === BLANK ? 2 : 1);
  return [...templates].sort((a, b) => rank(a) - rank(b));
}

/** A template's picture as an address for <img>: a picture runs no script, whatever the SVG holds. */
export function thumbnailUrl(svg: string): string {
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}
