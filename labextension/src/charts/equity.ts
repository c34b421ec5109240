import { BoxAnnotation } from '@bokeh/bokehjs/build/js/lib/models/annotations/box_annotation';
import { Label } from '@bokeh/bokehjs/build/js/lib/models/annotations/label';
import { Node } from '@bokeh/bokehjs/build/js/lib/models/coordinates/node';
import { Line } from '@bokeh/bokehjs/build/js/lib/models/glyphs/line';
import { Scatter } from '@bokeh/bokehjs/build/js/lib/models/glyphs/scatter';
import { VArea } from '@bokeh/bokehjs/build/js/lib/models/glyphs/varea';
import { Range1d } from '@bokeh/bokehjs/build/js/lib/models/ranges/range1d';
import { RangeTool } from '@bokeh/bokehjs/build/js/lib/models/tools/gestures/range_tool';

import type { Curve } from '../api/schemas';
import { day, number, percent } from '../format';
import type { Colours } from './colours';
import { deepest, extent } from './data';
import { Pane, source } from './plots';

const numbers = (field: string) => ({ x: { field: 'time' }, y: { field } });

/** Equity against buy-and-hold, and the drawdown below it, over the whole test. */
export class EquityChart {
  /** `window` is the price chart's range: the shaded part, which can be dragged. */
  constructor(window: Range1d) {
    const x = new Range1d({ start: 0, end: 1 });
    this.equity = new Pane(x, new Range1d(), { height: 132, timeAxis: false });
    this.drawdown = new Pane(x, new Range1d(), { height: 68, timeAxis: true, asPercent: true });

    this._bench = new Line({ ...numbers('benchmark'), line_dash: [5, 4] });
    this._line = new Line({ ...numbers('equity'), line_width: 1.5 });
    this._area = new VArea({
      x: { field: 'time' },
      y1: { field: 'zero' },
      y2: { field: 'drawdown' },
      fill_alpha: 0.15
    });
    this._under = new Line(numbers('drawdown'));
    this._dot = new Scatter({ ...numbers('value'), size: 5 });
    this.equity.draw(this._bench, this._data);
    this.equity.draw(this._line, this._data);
    this.drawdown.draw(this._area, this._data);
    this.drawdown.draw(this._under, this._data);
    this.drawdown.draw(this._dot, this._deepest);
    this.drawdown.plot.center = [...this.drawdown.plot.center, this._note];

    this._box = new BoxAnnotation({
      level: 'underlay',
      editable: true,
      left: 0,
      right: 1,
      top: Node.frame.top,
      bottom: Node.frame.bottom,
      left_limit: Node.frame.left,
      right_limit: Node.frame.right
    });
    const range = new RangeTool({ x_range: window, overlay: this._box, start_gesture: 'pan' });
    this.equity.plot.toolbar.tools = [range];
    this.equity.plot.toolbar.active_drag = range;
  }

  readonly equity: Pane;
  readonly drawdown: Pane;

  /** Show a curve. */
  set(curve: Curve): void {
    this._curve = curve;
    const { time } = curve;
    this._data.data = {
      time,
      equity: curve.equity,
      benchmark: curve.benchmark.map(value => value ?? NaN),
      drawdown: curve.drawdown,
      zero: time.map(() => 0)
    };
    this.equity.x.setv({ start: time[0], end: time[time.length - 1] });
    const [low, high] = extent([...curve.equity, ...curve.benchmark]) ?? [0, 1];
    this.equity.y.setv({ start: low, end: high });
    const deep = deepest(curve);
    this.drawdown.y.setv({ start: (deep?.value ?? -0.01) * 1.25, end: 0 });
    this._deepest.data = deep
      ? { time: [deep.time], value: [deep.value] }
      : { time: [], value: [] };
    const on = deep ? day(deep.time) : '';
    const long = time[time.length - 1] - time[0] > 366 * 86_400_000;
    const late = deep !== null && deep.time > (time[0] + 2 * time[time.length - 1]) / 3;
    this._note.setv({
      visible: deep !== null,
      x: deep?.time ?? 0,
      y: deep?.value ?? 0,
      text: deep ? `${percent(deep.value)} on ${long ? on : on.slice(0, -5)}` : '',
      text_align: late ? 'right' : 'left',
      x_offset: late ? -8 : 8
    });
  }

  /** Take the theme's colours. */
  recolour(colours: Colours): void {
    this.equity.recolour(colours);
    this.drawdown.recolour(colours);
    this._line.setv({ line_color: colours.strategy, line_width: colours.lineWidth + 0.5 });
    this._bench.setv({ line_color: colours.bench, line_width: colours.lineWidth });
    this._under.setv({ line_color: colours.loss, line_width: colours.lineWidth });
    this._area.setv({ fill_color: colours.loss });
    this._dot.setv({ fill_color: colours.loss, line_color: colours.loss });
    this._note.setv({ text_color: colours.text, text_font: colours.font, text_font_size: '11px' });
    this._box.setv({
      fill_color: colours.strategy,
      fill_alpha: 0.13,
      line_color: colours.strategy,
      line_alpha: 1,
      line_width: 1
    });
    const last = this._curve?.equity[this._curve.equity.length - 1] ?? null;
    this.equity.tagValue(last, number(last), colours.strategy);
  }

  private _curve: Curve | null = null;
  private _data = source('time', 'equity', 'benchmark', 'drawdown', 'zero');
  private _deepest = source('time', 'value');
  private _note = new Label({ x: 0, y: 0, text: '', text_baseline: 'middle', visible: false });
  private _bench: Line;
  private _line: Line;
  private _area: VArea;
  private _under: Line;
  private _dot: Scatter;
  private _box: BoxAnnotation;
}
