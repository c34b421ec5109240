import { Scatter } from '@bokeh/bokehjs/build/js/lib/models/glyphs/scatter';
import { Segment } from '@bokeh/bokehjs/build/js/lib/models/glyphs/segment';
import { VBar } from '@bokeh/bokehjs/build/js/lib/models/glyphs/vbar';
import { Range1d } from '@bokeh/bokehjs/build/js/lib/models/ranges/range1d';
import { PanTool } from '@bokeh/bokehjs/build/js/lib/models/tools/gestures/pan_tool';
import { WheelZoomTool } from '@bokeh/bokehjs/build/js/lib/models/tools/gestures/wheel_zoom_tool';

import type { Trade } from '../api/schemas';
import { number, priceDecimals } from '../format';
import type { Colours } from './colours';
import { type Candles, priceExtent, type Window } from './data';
import { Pane, source } from './plots';

/** Candles and the trades on them, for one window of time. */
export class PriceChart {
  constructor() {
    this.range = new Range1d({ start: 0, end: 1 });
    this.pane = new Pane(this.range, new Range1d(), { height: 182, timeAxis: true });
    const wick = { x0: { field: 'time' }, y0: { field: 'low' }, x1: { field: 'time' } };
    const body = {
      x: { field: 'time' },
      bottom: { field: 'bottom' },
      top: { field: 'top' },
      width: { field: 'width' }
    };
    this._wicks = [this._up, this._down].map(data => {
      const glyph = new Segment({ ...wick, y1: { field: 'high' } });
      this.pane.draw(glyph, data);
      return glyph;
    });
    this._bodies = [this._up, this._down].map(data => {
      const glyph = new VBar(body);
      this.pane.draw(glyph, data);
      return glyph;
    });
    const at = { x: { field: 'time' }, y: { field: 'price' } };
    this._paths = new Segment({
      x0: { field: 'entry' },
      y0: { field: 'from' },
      x1: { field: 'exit' },
      y1: { field: 'to' },
      line_dash: [2, 3],
      line_width: { field: 'width' },
      line_color: { field: 'colour' }
    });
    this._longs = new Scatter({ ...at, marker: { value: 'triangle' }, size: 9 });
    this._shorts = new Scatter({ ...at, marker: { value: 'inverted_triangle' }, size: 9 });
    this._exits = new Scatter({ ...at, marker: { value: 'circle' }, size: 6 });
    this.pane.draw(this._paths, this._trades);
    this.pane.draw(this._exits, this._exitMarks);
    this.pane.draw(this._longs, this._longMarks);
    this.pane.draw(this._shorts, this._shortMarks);

    const pan = new PanTool({ dimensions: 'width' });
    const wheel = new WheelZoomTool({ dimensions: 'width', maintain_focus: false });
    this.pane.plot.toolbar.tools = [pan, wheel];
    this.pane.plot.toolbar.active_drag = pan;
    this.pane.plot.toolbar.active_scroll = wheel;
  }

  readonly range: Range1d;
  readonly pane: Pane;

  /** What is shown of the time. */
  get window(): Window {
    return { start: this.range.start, end: this.range.end };
  }

  set window(window: Window) {
    this.range.setv({ start: window.start, end: window.end });
    this.fit();
  }

  /** The outermost times that can be shown. */
  set bounds(whole: Window) {
    this.range.setv({ bounds: [whole.start, whole.end] });
  }

  /** Show these bars. */
  setCandles(candles: Candles): void {
    this._candles = candles;
    this.fit();
  }

  /** Show these trades; the selected one stands out. */
  setTrades(trades: Trade[], selected: number | null): void {
    this._shown = [trades, selected];
    const colours = this._colours;
    const mark = (list: Trade[], exit = false) => ({
      time: list.map(trade => Date.parse(exit ? trade.exit_time : trade.entry_time)),
      price: list.map(trade => (exit ? trade.exit_price : trade.entry_price))
    });
    this._longMarks.data = mark(trades.filter(trade => trade.side === 'long'));
    this._shortMarks.data = mark(trades.filter(trade => trade.side === 'short'));
    this._exitMarks.data = mark(
      trades.filter(trade => trade.status === 'closed'),
      true
    );
    this._trades.data = {
      entry: trades.map(trade => Date.parse(trade.entry_time)),
      exit: trades.map(trade => Date.parse(trade.exit_time)),
      from: trades.map(trade => trade.entry_price),
      to: trades.map(trade => trade.exit_price),
      width: trades.map(trade => (trade.number === selected ? 2.5 : 1.2)),
      colour: trades.map(trade => (trade.pnl < 0 ? colours?.loss : colours?.gain) ?? '#757575')
    };
  }

  /** Draw the bars in the window, and let the values fit them. */
  fit(): void {
    if (!this._candles) {
      return;
    }
    this._draw(this._candles);
    const extent = priceExtent(this._candles, this.window);
    if (extent) {
      this.pane.y.setv({ start: extent[0], end: extent[1] });
    }
    this._tag();
  }

  /** Take the theme's colours. */
  recolour(colours: Colours): void {
    this._colours = colours;
    this.pane.recolour(colours);
    const [rising, falling] = [colours.gain, colours.loss];
    this._wicks[0].setv({ line_color: rising, line_width: colours.lineWidth });
    this._wicks[1].setv({ line_color: falling, line_width: colours.lineWidth });
    this._bodies[0].setv({ line_color: rising, fill_color: colours.paper });
    this._bodies[1].setv({ line_color: falling, fill_color: falling });
    for (const glyph of [this._longs, this._shorts]) {
      glyph.setv({ fill_color: colours.text, line_color: colours.paper });
    }
    this._exits.setv({ fill_color: colours.paper, line_color: colours.text });
    this.setTrades(...this._shown);
    this._tag();
  }

  /** Only bars in the window: Bokeh pins the bodies of others to the frame's edges. */
  private _draw(candles: Candles): void {
    const { time, open, high, low, close, step } = candles;
    const inside = time.flatMap((at, i) =>
      at >= this.range.start && at <= this.range.end ? [i] : []
    );
    const rising = inside.filter(i => close[i] >= open[i]);
    const falling = inside.filter(i => close[i] < open[i]);
    for (const [data, picked] of [
      [this._up, rising],
      [this._down, falling]
    ] as const) {
      data.data = {
        time: picked.map(i => time[i]),
        high: picked.map(i => high[i]),
        low: picked.map(i => low[i]),
        bottom: picked.map(i => Math.min(open[i], close[i])),
        top: picked.map(i => Math.max(open[i], close[i])),
        width: picked.map(() => step * 0.7)
      };
    }
  }

  private _tag(): void {
    const { _candles: candles, _colours: colours } = this;
    if (!candles || !colours) {
      return;
    }
    let last = candles.time.length - 1;
    while (last > 0 && candles.time[last] > this.range.end) {
      last -= 1;
    }
    if (last < 0) {
      this.pane.tagValue(null, '', '');
      return;
    }
    const [open, close] = [candles.open[last], candles.close[last]];
    const text = number(close, priceDecimals(candles.close));
    this.pane.tagValue(close, text, close < open ? colours.loss : colours.gain);
  }

  private _candles: Candles | null = null;
  private _colours: Colours | null = null;
  private _shown: [Trade[], number | null] = [[], null];
  private _up = source('time', 'high', 'low', 'bottom', 'top', 'width');
  private _down = source('time', 'high', 'low', 'bottom', 'top', 'width');
  private _trades = source('entry', 'exit', 'from', 'to', 'width', 'colour');
  private _longMarks = source('time', 'price');
  private _shortMarks = source('time', 'price');
  private _exitMarks = source('time', 'price');
  private _wicks: Segment[];
  private _bodies: VBar[];
  private _paths: Segment;
  private _longs: Scatter;
  private _shorts: Scatter;
  private _exits: Scatter;
}
