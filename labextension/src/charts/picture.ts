import type { Colours } from './colours';
import type { Pane } from './plots';

/** The height of the line of words, in pixels. */
const LINE = 20;

/** The panes below each other, under a line that says what they show, as a PNG. */
export function drawPicture(panes: Pane[], title: string, colours: Colours): Promise<Blob> {
  const layers = panes.map(pane => ({ pane, canvas: pane.paint() }));
  const scale = window.devicePixelRatio;
  const picture = document.createElement('canvas');
  picture.width = Math.max(...layers.map(({ canvas }) => canvas.width));
  picture.height = layers.reduce((sum, { canvas }) => sum + canvas.height, LINE * scale);
  const context = picture.getContext('2d')!;
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, picture.width, picture.height);
  context.font = `${12 * scale}px ${colours.font}`;
  context.textBaseline = 'middle';
  context.fillStyle = colours.text;
  context.fillText(title, 8 * scale, (LINE / 2) * scale, picture.width - 16 * scale);
  let top = LINE * scale;
  for (const { pane, canvas } of layers) {
    context.drawImage(canvas, 0, top);
    drawTag(context, pane.tag, top, scale, colours);
    top += canvas.height;
  }
  return new Promise((resolve, reject) =>
    picture.toBlob(blob => (blob ? resolve(blob) : reject(new Error('The browser drew nothing.'))))
  );
}

/** The last value, which stands on the axis as an element of its own. */
function drawTag(
  context: CanvasRenderingContext2D,
  tag: HTMLElement,
  top: number,
  scale: number,
  colours: Colours
): void {
  if (tag.hidden) {
    return;
  }
  const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = tag;
  const [x, y] = [offsetLeft * scale, top + (offsetTop - offsetHeight / 2) * scale];
  context.fillStyle = tag.style.background;
  context.fillRect(x, y, offsetWidth * scale, offsetHeight * scale);
  context.font = `600 ${11 * scale}px ${colours.font}`;
  context.fillStyle = colours.paper;
  context.textAlign = 'right';
  context.fillText(
    tag.textContent ?? '',
    x + (offsetWidth - 4) * scale,
    y + (offsetHeight / 2) * scale
  );
  context.textAlign = 'left';
}
