// What the charts are made of. Only ever loaded with a chart: Bokeh is large, so the
// pages import it lazily, and only the models that are drawn with.
import { add_document_standalone } from '@bokeh/bokehjs/build/js/lib/embed/standalone';
import { Document } from '@bokeh/bokehjs/build/js/lib/document';
import { Span } from '@bokeh/bokehjs/build/js/lib/models/annotations/span';
import { DatetimeAxis } from '@bokeh/bokehjs/build/js/lib/models/axes/datetime_axis';
import { LinearAxis } from '@bokeh/bokehjs/build/js/lib/models/axes/linear_axis';
import { FixedTicker } from '@bokeh/bokehjs/build/js/lib/models/tickers/fixed_ticker';
import { TickFormatter } from '@bokeh/bokehjs/build/js/lib/models/formatters/tick_formatter';
import type { Glyph } from '@bokeh/bokehjs/build/js/lib/models/glyphs/glyph';
import { Grid } from '@bokeh/bokehjs/build/js/lib/models/grids/grid';
import { Plot } from '@bokeh/bokehjs/build/js/lib/models/plots/plot';
import type { Range1d } from '@bokeh/bokehjs/build/js/lib/models/ranges/range1d';
import { GlyphRenderer } from '@bokeh/bokehjs/build/js/lib/models/renderers/glyph_renderer';
import { ColumnDataSource } from '@bokeh/bokehjs/build/js/lib/models/sources/column_data_source';

import { number, percent } from '../format';
import type { Colours } from './colours';
import { timeLabels } from './ticks';

/** The room for the values at the right, equal in all charts so that their frames align. */
const RIGHT = 64;
const TOP = 4;

class NumberTicks extends TickFormatter {
  static __name__ = 'AlphintraNumberTicks';
  asPercent = false;

  doFormat(ticks: number[]): string[] {
    const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : 1;
    const unit = this.asPercent ? step * 100 : step;
    const needed = Math.max(0, Math.min(6, Math.ceil(-Math.log10(unit) - 1e-9)));
    return this.asPercent
      ? ticks.map(tick => percent(tick, needed))
      : ticks.map(tick => number(tick, needed));
  }
}

class TimeTicks extends TickFormatter {
  static __name__ = 'AlphintraTimeTicks';

  doFormat(ticks: number[]): string[] {
    return timeLabels(ticks);
  }
}

/** The labels of ticks that were placed by hand. */
class PlacedTicks extends TickFormatter {
  static __name__ = 'AlphintraPlacedTicks';
  labels = new Map<number, string>();

  doFormat(ticks: number[]): string[] {
    return ticks.map(tick => this.labels.get(tick) ?? '');
  }
}

/** One plot with its frame, axes, crosshair and the value tagged on its axis. */
export class Pane {
  constructor(
    readonly x: Range1d,
    readonly y: Range1d,
    options: { height: number; timeAxis: boolean; asPercent?: boolean; places?: boolean }
  ) {
    const bottom = options.timeAxis ? 22 : 4;
    this._valueTicks = new NumberTicks();
    this._valueTicks.asPercent = options.asPercent ?? false;
    this._axes = [
      new LinearAxis({ formatter: this._valueTicks }),
      options.places
        ? new LinearAxis({ ticker: this._places, formatter: this._placed })
        : new DatetimeAxis({ formatter: new TimeTicks(), visible: options.timeAxis })
    ];
    this._axes[0].ticker.setv({ desired_num_ticks: options.height > 100 ? 4 : 2 });
    this._grids = [
      new Grid({ dimension: 1, axis: this._axes[0] }),
      new Grid({ dimension: 0, axis: this._axes[1] })
    ];
    this.tag = document.createElement('span');
    this.tag.className = 'alp-Chart-tag';
    this._frame = { top: TOP, height: options.height - TOP - bottom };
    this.cursor = new Span({ dimension: 'height', line_dash: [3, 3], visible: false });
    this.plot = new Plot({
      x_range: x,
      y_range: y,
      height: options.height,
      sizing_mode: 'stretch_width',
      toolbar_location: null,
      background_fill_color: null,
      border_fill_color: null,
      outline_line_color: null,
      min_border_right: RIGHT,
      min_border_left: 6,
      min_border_top: TOP,
      min_border_bottom: bottom,
      right: [this._axes[0]],
      below: [this._axes[1]],
      center: [...this._grids, this.cursor]
    });
  }

  readonly plot: Plot;
  /** The last value, on the axis. An element of its own: Bokeh cuts its labels at the frame. */
  readonly tag: HTMLElement;
  readonly cursor: Span;

  /** Draw a glyph from a source. */
  draw(glyph: Glyph, source: ColumnDataSource): void {
    this.plot.renderers = [
      ...this.plot.renderers,
      new GlyphRenderer({ glyph, data_source: source })
    ];
  }

  /** Tick the axis at these places. */
  tickAt(ticks: { index: number; label: string }[]): void {
    this._placed.labels = new Map(ticks.map(({ index, label }) => [index, label]));
    this._places.ticks = ticks.map(({ index }) => index);
  }

  /** Where a time is on the x axis, and the time that a place there stands for. */
  placeOf: (time: number) => number = time => time;
  timeAt: (place: number) => number = place => place;

  /** Paint it anew, for a picture; possible once it is mounted. */
  paint: () => HTMLCanvasElement = () => document.createElement('canvas');

  /** Tag the last value on the axis. */
  tagValue(value: number | null, text: string, fill: string): void {
    const { start, end } = this.y;
    const share = value === null ? -1 : (end - value) / (end - start);
    const { top, height } = this._frame;
    this.tag.hidden = !(share >= 0 && share <= 1);
    this.tag.textContent = text;
    this.tag.style.background = fill;
    this.tag.style.top = `${top + share * height}px`;
  }

  /** Show the crosshair at a time, or take it away. */
  pointAt(time: number | null): void {
    const place = time === null ? null : this.placeOf(time);
    const inside = place !== null && place >= this.x.start && place <= this.x.end;
    this.cursor.setv({ location: inside ? place : null, visible: inside });
  }

  /** Take the theme's colours. */
  recolour(colours: Colours): void {
    for (const axis of this._axes) {
      axis.setv({
        axis_line_color: null,
        major_tick_line_color: null,
        minor_tick_line_color: null,
        major_label_text_color: colours.quiet,
        major_label_text_font: colours.font,
        major_label_text_font_size: '11px'
      });
    }
    for (const grid of this._grids) {
      grid.setv({ grid_line_color: colours.grid });
    }
    this.cursor.setv({ line_color: colours.quiet, line_width: colours.lineWidth });
  }

  private _frame: { top: number; height: number };
  private _valueTicks: NumberTicks;
  private _placed = new PlacedTicks();
  private _places = new FixedTicker({ ticks: [] });
  private _axes: [LinearAxis, LinearAxis | DatetimeAxis];
  private _grids: Grid[];
}

/** An empty source with these columns; the charts are long-lived, and only their data change. */
export function source(...columns: string[]): ColumnDataSource {
  return new ColumnDataSource({
    data: Object.fromEntries(columns.map(column => [column, [] as unknown[]]))
  });
}

/** Put each pane into its element; gives back how to take them away again. */
export async function mount(panes: Pane[], hosts: HTMLElement[]): Promise<() => void> {
  const figures = new Document({ roots: panes.map(pane => pane.plot) });
  const views = await add_document_standalone(figures, hosts[0], hosts);
  panes.forEach((pane, i) => {
    hosts[i].append(pane.tag);
    pane.paint = () => views.get_one(pane.plot).export('png').canvas;
  });
  return () => {
    figures.clear();
    panes.forEach(pane => pane.tag.remove());
  };
}
