/** A rectangle on the screen, in pixels. */
export type Box = { left: number; top: number; width: number; height: number };

const GAP = 12;

/**
 * Where a card stands beside what it points at: below it, above, right or left, wherever it fits
 * first; over its lower right corner where it fits nowhere. Without a target: in the middle.
 */
export function placeBeside(
  target: Box | null,
  card: { width: number; height: number },
  room: { width: number; height: number }
): { left: number; top: number } {
  const within = (value: number, most: number) => Math.min(Math.max(value, GAP), most - GAP);
  const fit = (left: number, top: number) => ({
    left: within(left, room.width - card.width),
    top: within(top, room.height - card.height)
  });
  if (!target) {
    return fit((room.width - card.width) / 2, (room.height - card.height) / 2);
  }
  const right = target.left + target.width;
  const bottom = target.top + target.height;
  if (bottom + card.height + 2 * GAP <= room.height) {
    return fit(target.left, bottom + GAP);
  }
  if (target.top - card.height - 2 * GAP >= 0) {
    return fit(target.left, target.top - card.height - GAP);
  }
  if (right + card.width + 2 * GAP <= room.width) {
    return fit(right + GAP, target.top);
  }
  if (target.left - card.width - 2 * GAP >= 0) {
    return fit(target.left - card.width - GAP, target.top);
  }
  return fit(right - card.width - GAP, bottom - card.height - GAP);
}
