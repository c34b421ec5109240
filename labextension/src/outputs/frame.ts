import { isElsewhere } from './plain';
import { FRAME, LIBRARY } from './scripts';
import { frameStyle, readTheme } from './theme';

/** Higher outputs scroll in their frame. */
const HIGHEST = 4000;

/** A frame with an origin of its own, where no script runs but the lab's, and nothing is fetched. */
export class OutputFrame {
  constructor(readonly host: HTMLElement) {
    this._frame.className = 'alp-OutputFrame';
    // Scripts: the policy inside allows the lab's only. No origin: no cookie, no storage.
    this._frame.setAttribute(
      'sandbox',
      'allow-scripts allow-popups allow-popups-to-escape-sandbox'
    );
    this._frame.setAttribute('referrerpolicy', 'no-referrer');
    this._frame.title = 'Output';
    host.append(this._frame);
    window.addEventListener('message', this);
  }

  /** Show HTML that a kernel printed. */
  showHtml(parsed: Document): void {
    this._show([FRAME], defuse(parsed));
  }

  /** Draw a chart. */
  showChart(kind: keyof typeof LIBRARY, figure: unknown): void {
    const json = JSON.stringify(figure).replace(/</g, '\\u003c');
    this._show(
      [LIBRARY[kind], FRAME],
      `<div id="chart"></div><script id="figure" data-kind="${kind}" type="application/json">${json}</script>`
    );
  }

  /** The frame's script tells how high its content is; nothing else is taken from it. */
  handleEvent({ source, data }: MessageEvent): void {
    const height: unknown = source === this._frame.contentWindow ? data?.height : undefined;
    if (typeof height === 'number' && height >= 0) {
      this._frame.style.height = `${Math.min(height, HIGHEST)}px`;
    }
  }

  /** Take it away. */
  dispose(): void {
    window.removeEventListener('message', this);
    this._frame.remove();
  }

  private _show(scripts: string[], body: string): void {
    const policy = [
      `default-src 'none'`,
      `script-src ${scripts.join(' ')}`,
      `style-src 'unsafe-inline'`,
      'img-src data: blob:',
      'font-src data:',
      'media-src data:',
      `form-action 'none'`,
      `base-uri 'none'`
    ].join('; ');
    this._frame.srcdoc =
      `<!doctype html><html><head><meta charset="utf-8">` +
      `<meta http-equiv="Content-Security-Policy" content="${policy}"><base target="_blank">` +
      `<style>${frameStyle(readTheme())}</style>` +
      scripts.map(url => `<script src="${url}"></script>`).join('') +
      `</head><body>${body}</body></html>`;
  }

  private _frame = document.createElement('iframe');
}

const ACTIVE =
  'script, iframe, frame, frameset, object, embed, applet, portal, fencedframe, link, meta, base, ' +
  'noscript, template';

/** The document's HTML without what the frame's policy would refuse; the policy is the wall. */
function defuse(parsed: Document): string {
  parsed.querySelectorAll(ACTIVE).forEach(element => element.remove());
  for (const element of parsed.querySelectorAll('*')) {
    for (const { name, value } of [...element.attributes]) {
      const isLink = /(^|:)href$/i.test(name);
      if (/^on|^(action|formaction|ping|srcdoc|target|srcset|background|poster)$/i.test(name)) {
        element.removeAttribute(name);
      } else if (isLink && !value.startsWith('#') && !isElsewhere(value)) {
        element.removeAttribute(name);
      } else if (name === 'src' && !/^data:/i.test(value)) {
        element.removeAttribute(name);
      }
    }
    if (element.localName === 'a' || element.localName === 'area') {
      element.setAttribute('rel', 'noopener noreferrer');
    }
  }
  return parsed.head.innerHTML + parsed.body.innerHTML;
}
