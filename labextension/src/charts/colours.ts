/** The colours that a canvas cannot read from the style sheet by itself. */
export type Colours = {
  gain: string;
  loss: string;
  strategy: string;
  bench: string;
  grid: string;
  text: string;
  quiet: string;
  paper: string;
  lineWidth: number;
  font: string;
};

/** Read the tokens as they stand at an element: the theme decides them. */
export function readColours(element: HTMLElement): Colours {
  const style = getComputedStyle(element);
  const token = (name: string, otherwise: string): string =>
    style.getPropertyValue(name).trim() || otherwise;
  return {
    gain: token('--alp-gain', '#0072b2'),
    loss: token('--alp-loss', '#b34700'),
    strategy: token('--alp-strategy', '#1976d2'),
    bench: token('--alp-bench', '#757575'),
    grid: token('--alp-grid', '#ececec'),
    text: toHex(style.color),
    quiet: token('--alp-bench', '#757575'),
    paper: token('--jp-layout-color1', '#ffffff'),
    lineWidth: parseFloat(token('--alp-line-width', '1px')),
    font: token('--jp-ui-font-family', 'sans-serif')
  };
}

/** "rgb(33, 33, 33)" and "rgba(0, 0, 0, 0.87)" as "#212121" and "#000000de". */
export function toHex(color: string): string {
  const parts = color.match(/[\d.]+/g);
  if (!color.startsWith('rgb') || !parts) {
    return color;
  }
  const [red, green, blue, alpha = '1'] = parts;
  const byte = (value: number): string => Math.round(value).toString(16).padStart(2, '0');
  const opaque = [red, green, blue].map(value => byte(Number(value))).join('');
  return `#${opaque}${Number(alpha) < 1 ? byte(Number(alpha) * 255) : ''}`;
}
