import { Scatter } from '@bokeh/bokehjs/build/js/lib/models/glyphs/scatter';
import { Segment } from '@bokeh/bokehjs/build/js/lib/models/glyphs/segment';
import { VBar } from '@bokeh/bokehjs/build/js/lib/models/glyphs/vbar';
import { VStrip } from '@bokeh/bokehjs/build/js/lib/models/glyphs/vstrip';
import { Range1d } from '@bokeh/bokehjs/build/js/lib/models/ranges/range1d';
import { PanTool } from '@bokeh/bokehjs/build/js/lib/models/tools/gestures/pan_tool';
import { WheelZoomTool } from '@bokeh/bokehjs/build/js/lib/models/tools/gestures/wheel_zoom_tool';

import type { Trade } from '../api/schemas';
import { number, priceDecimals } from '../format';
import type { Colours } from './colours';
import {
  type Candles,
  clampWindow,
  isGap,
  placeOf,
  priceExtent,
  timeAt,
  type Window
} from './data';
import { Pane, source } from './plots';
import { barTicks } from './ticks';

/** Room for half a bar at each side, in bars. */
const EDGE = 0.6;
/** From so many trades on, their marks are small. */
const MANY = 40;

/**
 * Candles and the trades on them, for one window of time. The bars stand side by side, so that a
 * closed market takes no room: what is a time elsewhere is a place here, counted in bars.
 */
export class PriceChart {
  constructor() {
    this.range = new Range1d({ start: 0, end: 1 });
    this._places = new Range1d({ start: 0, end: 1 });
    const options = { height: 182, timeAxis: true, places: true };
    this.pane = new Pane(this._places, new Range1d(), options);
    this.pane.placeOf = time => this._placeOf(time);
    this.pane.timeAt = place => this._barAt(place);
    const { start, end } = this._places.properties;
    this._places.on_change([start, end], () => this._onMove());
    const wick = { x0: { field: 'place' }, y0: { field: 'low' }, x1: { field: 'place' } };
    const body = {
      x: { field: 'place' },
      bottom: { field: 'bottom' },
      top: { field: 'top' },
      width: 0.7
    };
    this._hatch = new VStrip({
      x0: { field: 'from' },
      x1: { field: 'to' },
      line_color: null,
      fill_color: null,
      hatch_pattern: 'right_diagonal_line',
      hatch_scale: 8
    });
    this.pane.draw(this._hatch, this._gaps);
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
    const at = { x: { field: 'place' }, y: { field: 'price' } };
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

  /** The window as times. */
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
    this._whole = whole;
    this.range.setv({ bounds: [whole.start, whole.end] });
  }

  /** Show these bars. */
  setCandles(candles: Candles): void {
    this._candles = candles;
    this.fit();
    this.setTrades(...this._shown);
  }

  /** Show these trades; the selected one stands out. */
  setTrades(trades: Trade[], selected: number | null): void {
    this._shown = [trades, selected];
    const many = trades.length > MANY;
    this._longs.setv({ size: many ? 5 : 9 });
    this._shorts.setv({ size: many ? 5 : 9 });
    this._exits.setv({ size: many ? 3 : 6 });
    const colours = this._colours;
    const mark = (list: Trade[], exit = false) => ({
      place: list.map(trade =>
        this._placeOf(Date.parse(exit ? trade.exit_time : trade.entry_time))
      ),
      price: list.map(trade => (exit ? trade.exit_price : trade.entry_price))
    });
    this._longMarks.data = mark(trades.filter(trade => trade.side === 'long'));
    this._shortMarks.data = mark(trades.filter(trade => trade.side === 'short'));
    this._exitMarks.data = mark(
      trades.filter(trade => trade.status === 'closed'),
      true
    );
    this._trades.data = {
      entry: trades.map(trade => this._placeOf(Date.parse(trade.entry_time))),
      exit: trades.map(trade => this._placeOf(Date.parse(trade.exit_time))),
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
    this._show(this._candles);
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
    this._hatch.setv({ hatch_color: colours.bench, hatch_weight: colours.lineWidth });
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

  /** The window's places, unless they are shown already. */
  private _show(candles: Candles): void {
    const start = placeOf(candles, this.range.start) - EDGE;
    const end = placeOf(candles, this.range.end) + EDGE;
    const off = Math.abs(start - this._places.start) + Math.abs(end - this._places.end);
    if (off > 1e-6) {
      this._following = true;
      this._places.setv({ start, end });
      this._following = false;
    }
  }

  /** The bars were dragged or zoomed: the window follows them, within the test. */
  private _onMove(): void {
    if (this._following || !this._candles) {
      return;
    }
    const start = timeAt(this._candles, this._places.start + EDGE);
    const end = timeAt(this._candles, this._places.end - EDGE);
    this.range.setv(this._whole ? clampWindow({ start, end }, this._whole) : { start, end });
    this._show(this._candles);
  }

  private _placeOf(time: number): number {
    return this._candles ? placeOf(this._candles, time) : time;
  }

  /** The time of the bar at a place. */
  private _barAt(place: number): number {
    const times = this._candles?.time ?? [];
    return times[Math.min(Math.max(Math.round(place), 0), times.length - 1)] ?? place;
  }

  /** Only bars in the window: Bokeh pins the bodies of others to the frame's edges. */
  private _draw(candles: Candles): void {
    const { time, open, high, low, close } = candles;
    const inside = time.flatMap((at, i) =>
      at >= this.range.start && at <= this.range.end ? [i] : []
    );
    const whole = inside.filter(i => !isGap(candles, i));
    const rising = whole.filter(i => close[i] >= open[i]);
    const falling = whole.filter(i => close[i] < open[i]);
    for (const [data, picked] of [
      [this._up, rising],
      [this._down, falling]
    ] as const) {
      data.data = {
        place: picked,
        high: picked.map(i => high[i]),
        low: picked.map(i => low[i]),
        bottom: picked.map(i => Math.min(open[i], close[i])),
        top: picked.map(i => Math.max(open[i], close[i]))
      };
    }
    const gaps = inside.filter(i => isGap(candles, i));
    this._gaps.data = { from: gaps.map(i => i - 0.5), to: gaps.map(i => i + 0.5) };
    const ticks = barTicks(inside.map(i => time[i]));
    this.pane.tickAt(ticks.map(({ index, label }) => ({ index: inside[index], label })));
  }

  private _tag(): void {
    const { _candles: candles, _colours: colours } = this;
    if (!candles || !colours) {
      return;
    }
    let last = candles.time.length - 1;
    while (last >= 0 && (candles.time[last] > this.range.end || isGap(candles, last))) {
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

  private _places: Range1d;
  private _whole: Window | null = null;
  private _following = false;
  private _candles: Candles | null = null;
  private _colours: Colours | null = null;
  private _shown: [Trade[], number | null] = [[], null];
  private _up = source('place', 'high', 'low', 'bottom', 'top');
  private _down = source('place', 'high', 'low', 'bottom', 'top');
  private _gaps = source('from', 'to');
  private _trades = source('entry', 'exit', 'from', 'to', 'width', 'colour');
  private _longMarks = source('place', 'price');
  private _shortMarks = source('place', 'price');
  private _exitMarks = source('place', 'price');
  private _hatch: VStrip;
  private _wicks: Segment[];
  private _bodies: VBar[];
  private _paths: Segment;
  private _longs: Scatter;
  private _shorts: Scatter;
  private _exits: Scatter;
}
