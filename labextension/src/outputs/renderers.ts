import { RenderedCommon, RenderedHTMLCommon } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { ISignal } from '@lumino/signaling';

import { type Chart, readBokeh, readBokehScript, readPlotly } from './charts';
import { OutputFrame } from './frame';
import { readPlain } from './plain';
import { readTheme } from './theme';

const BOKEH_SHOW = 'application/vnd.bokehjs_exec.v0+json';
const BOKEH_ITEM = 'application/vnd.alphintra.bokeh.v1+json';
const PLOTLY = 'application/vnd.plotly.v1+json';
const WIDGET = 'application/vnd.jupyter.widget-view+json';
const SVG = 'image/svg+xml';
const SCRIPTS = ['application/javascript', 'text/javascript'];

/** The lab's renderers for all that JupyterLab would run, or put into the page as it comes. */
export function outputFactories(
  themeChanged?: ISignal<unknown, unknown>
): IRenderMime.IRendererFactory[] {
  const chart = (mimeType: string): IRenderMime.IRendererFactory => ({
    safe: true,
    mimeTypes: [mimeType],
    // Before the HTML and the script that come with it.
    defaultRank: 40,
    createRenderer: options => new ChartOutput(options, themeChanged)
  });
  const note = (mimeTypes: string[], text: string, rank: number): IRenderMime.IRendererFactory => ({
    safe: true,
    mimeTypes,
    defaultRank: rank,
    createRenderer: options => new NoteOutput(options, text)
  });
  return [
    chart(BOKEH_SHOW),
    chart(BOKEH_ITEM),
    chart(PLOTLY),
    note(['application/vnd.bokehjs_load.v0+json'], '', 40),
    {
      safe: true,
      mimeTypes: ['text/html'],
      defaultRank: 50,
      createRenderer: options => new HtmlOutput(options, themeChanged)
    },
    {
      safe: true,
      mimeTypes: [SVG],
      defaultRank: 80,
      createRenderer: options => new SvgOutput(options)
    },
    note(SCRIPTS, 'This output is JavaScript. The lab does not run what a kernel prints.', 110),
    note(
      [WIDGET],
      'This output is a widget, which is code in the page. The lab does not run what a kernel prints.',
      115
    )
  ];
}

/** HTML: in the page where it can do nothing, else in a frame. */
class HtmlOutput extends RenderedHTMLCommon {
  constructor(options: IRenderMime.IRendererOptions, themeChanged?: ISignal<unknown, unknown>) {
    super(options);
    this.addClass('jp-RenderedHTML');
    themeChanged?.connect(this._redraw, this);
  }

  async render(model: IRenderMime.IMimeModel): Promise<void> {
    this._source = String(model.data[this.mimeType]);
    this._redraw();
  }

  dispose(): void {
    this._frame?.dispose();
    super.dispose();
  }

  private _redraw(): void {
    this._frame?.dispose();
    this._frame = undefined;
    const parsed = new DOMParser().parseFromString(this._source, 'text/html');
    if (isBokehsOwn(parsed)) {
      this.node.replaceChildren();
      return;
    }
    const plain = parsed.head.childElementCount === 0 ? readPlain(parsed.body) : null;
    if (plain) {
      this.node.replaceChildren(plain);
      return;
    }
    this.node.replaceChildren();
    this._frame = new OutputFrame(this.node);
    this._frame.showHtml(parsed);
  }

  private _source = '';
  private _frame?: OutputFrame;
}

/** What Bokeh prints beside a figure: its logo while it loads, and an empty place for the script. */
function isBokehsOwn(parsed: Document): boolean {
  const { body } = parsed;
  const place = body.childElementCount === 1 && body.firstElementChild?.matches('[data-root-id]');
  return (place && !body.textContent?.trim()) || body.querySelector('a.bk-notebook-logo') !== null;
}

/** A chart from JSON, drawn in a frame. */
class ChartOutput extends RenderedCommon {
  constructor(options: IRenderMime.IRendererOptions, themeChanged?: ISignal<unknown, unknown>) {
    super(options);
    themeChanged?.connect(this._redraw, this);
  }

  async render(model: IRenderMime.IMimeModel): Promise<void> {
    this._data = model.data;
    this._redraw();
  }

  dispose(): void {
    this._frame?.dispose();
    super.dispose();
  }

  private _redraw(): void {
    this._frame?.dispose();
    this._frame = undefined;
    const chart = this._read();
    if ('refused' in chart) {
      this.node.replaceChildren(noteOf(chart.refused));
      return;
    }
    this.node.replaceChildren();
    this._frame = new OutputFrame(this.node);
    this._frame.showChart(this.mimeType === PLOTLY ? 'plotly' : 'bokeh', chart.figure);
  }

  private _read(): Chart {
    const theme = readTheme();
    if (this.mimeType === BOKEH_SHOW) {
      return readBokehScript(String(this._data['application/javascript'] ?? ''), theme);
    }
    const read = this.mimeType === PLOTLY ? readPlotly : readBokeh;
    return read(this._data[this.mimeType], theme);
  }

  private _data: IRenderMime.IMimeModel['data'] = {};
  private _frame?: OutputFrame;
}

/** SVG as a picture: in an image, browsers run no script and load nothing. */
class SvgOutput extends RenderedCommon {
  constructor(options: IRenderMime.IRendererOptions) {
    super(options);
    this.addClass('jp-RenderedSVG');
  }

  async render(model: IRenderMime.IMimeModel): Promise<void> {
    const image = document.createElement('img');
    const source = encodeURIComponent(String(model.data[this.mimeType]));
    image.src = `data:${SVG};charset=utf-8,${source}`;
    image.alt = 'SVG output';
    this.node.replaceChildren(image);
  }
}

/** A sentence in place of an output that is not shown. */
class NoteOutput extends RenderedCommon {
  constructor(
    options: IRenderMime.IRendererOptions,
    private _text: string
  ) {
    super(options);
  }

  async render(): Promise<void> {
    this.node.replaceChildren(...(this._text ? [noteOf(this._text)] : []));
  }
}

function noteOf(text: string): HTMLElement {
  const note = document.createElement('p');
  note.className = 'alp-OutputNote';
  note.textContent = text;
  return note;
}
