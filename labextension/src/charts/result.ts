import type { Curve, Trade } from '../api/schemas';
import { type Colours, readColours } from './colours';
import type { Candles, Window } from './data';
import { EquityChart } from './equity';
import { drawPicture } from './picture';
import { mount, type Pane } from './plots';
import { PriceChart } from './price';

/** What the charts tell the page. */
export type Listeners = {
  /** The window of the price chart was dragged, zoomed or panned. */
  onWindow: (window: Window) => void;
  /** The crosshair stands at a time, or nowhere. */
  onCursor: (time: number | null) => void;
  /** The price chart was clicked at a time. */
  onPick: (time: number) => void;
  /** The price chart was double-clicked. */
  onReset: () => void;
};

/** The charts of a result: long-lived figures, whose data are patched. */
export class ResultCharts {
  /** Make the charts in their elements. */
  static async create(
    hosts: { equity?: HTMLElement; drawdown?: HTMLElement; price: HTMLElement },
    listeners: Listeners
  ): Promise<ResultCharts> {
    const charts = new ResultCharts(hosts.price, listeners);
    const { equity, drawdown } = charts._equity;
    const panes: [Pane, HTMLElement][] = [[charts._price.pane, hosts.price]];
    if (hosts.equity && hosts.drawdown) {
      panes.push([equity, hosts.equity], [drawdown, hosts.drawdown]);
    }
    charts._panes = panes.map(([pane]) => pane);
    charts._listen();
    charts.recolour();
    charts._unmount = await mount(
      panes.map(([pane]) => pane),
      panes.map(([, host]) => host)
    );
    return charts;
  }

  private constructor(
    private _host: HTMLElement,
    private _listeners: Listeners
  ) {
    this._price = new PriceChart();
    this._equity = new EquityChart(this._price.range);
    this._observer = new MutationObserver(() => this.recolour());
    this._observer.observe(document.body, { attributeFilter: ['data-jp-theme-name'] });
  }

  setCurve(curve: Curve): void {
    this._equity.set(curve);
    this._equity.recolour(this._colours());
    this.setBounds({ start: curve.time[0], end: curve.time[curve.time.length - 1] });
  }

  /** The outermost times that the price chart can show. */
  setBounds(whole: Window): void {
    this._price.bounds = whole;
  }

  setCandles(candles: Candles): void {
    this._price.setCandles(candles);
    // Other bars, other places: the crosshair keeps its time.
    this.pointAt(this._cursor);
  }

  setTrades(trades: Trade[], selected: number | null): void {
    this._price.setTrades(trades, selected);
  }

  setWindow(window: Window): void {
    if (this._timer !== 0) {
      // A drag is further than the page knows yet: what it says is already past.
      return;
    }
    const shown = this._price.window;
    if (window.start !== shown.start || window.end !== shown.end) {
      this._silent = true;
      this._price.window = window;
      this._silent = false;
    }
  }

  /** Put the crosshair at a time in all charts. */
  pointAt(time: number | null): void {
    this._cursor = time;
    this._panes.forEach(pane => pane.pointAt(time));
  }

  /** Equity with drawdown, or the price, as a PNG under a line of words. */
  toPng(chart: 'equity' | 'price', title: string): Promise<Blob> {
    const { equity, drawdown } = this._equity;
    const panes = chart === 'price' ? [this._price.pane] : [equity, drawdown];
    return drawPicture(panes, title, this._colours());
  }

  /** Take the colours of the theme. */
  recolour(): void {
    const colours = this._colours();
    this._equity.recolour(colours);
    this._price.recolour(colours);
  }

  dispose(): void {
    window.clearTimeout(this._timer);
    this._observer.disconnect();
    this._unmount();
  }

  private _colours(): Colours {
    return readColours(this._host);
  }

  private _listen(): void {
    for (const pane of this._panes) {
      pane.plot.on_event('mousemove', event => {
        const inside = event.x >= pane.x.start && event.x <= pane.x.end;
        this._point(inside ? pane.timeAt(event.x) : null);
      });
      pane.plot.on_event('mouseleave', () => this._point(null));
    }
    const { plot } = this._price.pane;
    plot.on_event('tap', event => this._listeners.onPick(this._price.pane.timeAt(event.x)));
    plot.on_event('doubletap', () => this._listeners.onReset());
    const { start, end } = this._price.range.properties;
    this._price.range.on_change([start, end], () => {
      if (this._silent) {
        return;
      }
      this._price.fit();
      // A drag sends many changes: the page hears of the last.
      window.clearTimeout(this._timer);
      this._timer = window.setTimeout(() => {
        this._timer = 0;
        this._listeners.onWindow(this._price.window);
      }, 60);
    });
  }

  private _point(time: number | null): void {
    this.pointAt(time);
    this._listeners.onCursor(time);
  }

  private _price: PriceChart;
  private _equity: EquityChart;
  private _panes: Pane[] = [];
  private _observer: MutationObserver;
  private _unmount: () => void = () => undefined;
  private _timer = 0;
  private _cursor: number | null = null;
  private _silent = false;
}
