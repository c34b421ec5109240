import React, { useEffect, useRef, useState } from 'react';

import { type Candles, nearest } from '../charts/data';
import { priceTable, readCandle } from '../charts/candles';
import { ChartFrame } from '../charts/frame';
import type { ResultCharts } from '../charts/result';
import { savePicture } from '../components/download';
import { number, percent, time } from '../format';
import { describeCandles, describeUndrawn } from './describe';
import type { ResultModel } from './model';

/** Equity, drawdown and price: one crosshair through all, one window between them. */
export function Charts({ model }: { model: ResultModel }): JSX.Element {
  const hosts = {
    equity: useRef<HTMLDivElement>(null),
    drawdown: useRef<HTMLDivElement>(null),
    price: useRef<HTMLDivElement>(null)
  };
  const charts = useRef<ResultCharts | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const [error, setError] = useState<string | null>(null);
  const results = model.results!;
  const { equity, drawdown, price } = hosts;

  useEffect(() => {
    let gone = false;
    const create = async () => {
      const { ResultCharts } = await import('../charts/result');
      if (gone) {
        return;
      }
      const made = await ResultCharts.create(
        { equity: equity.current!, drawdown: drawdown.current!, price: price.current! },
        {
          onWindow: window => void model.setWindow(window),
          onCursor: setCursor,
          onPick: at => void model.pick(at),
          onReset: () => void model.resetWindow()
        }
      );
      if (gone) {
        made.dispose();
        return;
      }
      charts.current = made;
      made.setCurve(model.results!.curve);
      show(made, model);
    };
    create().catch(reason => setError(`The charts could not be drawn: ${reason}`));
    return () => {
      gone = true;
      charts.current?.dispose();
      charts.current = null;
    };
  }, [model, equity, drawdown, price]);

  useEffect(() => {
    if (charts.current) {
      show(charts.current, model);
    }
  });

  const { bar } = model;
  useEffect(() => {
    if (bar) {
      charts.current?.pointAt(bar.time);
      setCursor(bar.time);
    }
  }, [bar]);

  const point = (at: number | undefined) => {
    if (at !== undefined) {
      charts.current?.pointAt(at);
      setCursor(at);
    }
  };
  const { curve, currency } = results;
  const { candles } = model;
  const undrawn = describeUndrawn(model.marks.length, model.marksTotal);
  const save = (chart: 'equity' | 'price', title: string) => {
    const { strategy_name: name, dataset_name: data, number: nth } = results.backtest;
    const run = `run ${nth}`;
    if (charts.current) {
      const drawing = charts.current.toPng(chart, [name, data, run, title].join(' · '));
      void savePicture(drawing, name, run, chart);
    }
  };
  return (
    <>
      {error !== null && <p role="alert">{error}</p>}
      <ChartFrame
        title={`Equity of ${results.backtest.strategy_name} against ${results.benchmark_label}, and drawdown`}
        label={
          <>
            <strong>Equity, {currency}</strong>
            <span className="alp-Key alp-mod-strategy">{results.backtest.strategy_name}</span>
            <span className="alp-Key alp-mod-bench">{results.benchmark_label}</span>
          </>
        }
        reading={readCurve(model, cursor)}
        onSave={() =>
          save('equity', `equity, ${currency}; dashed: ${results.benchmark_label}; drawdown`)
        }
        onStep={by => point(curve.time[stepIndex(curve.time, cursor, by)])}
        table={() => ({
          head: ['Time (UTC)', `Equity, ${currency}`, `Buy and hold, ${currency}`, 'Drawdown'],
          rows: curve.time.map((at, i) => [
            time(at),
            number(curve.equity[i], 2),
            number(curve.benchmark[i], 2),
            percent(curve.drawdown[i])
          ])
        })}
      >
        <div className="alp-Chart-equity" ref={equity} />
        <span className="alp-Chart-inner">Drawdown</span>
        <div className="alp-Chart-drawdown" ref={drawdown} />
      </ChartFrame>
      <ChartFrame
        title={`Price of ${model.symbol} with the trades on it`}
        label={
          <>
            <Symbols model={model} />
            <span className="alp-quiet">{MARKS}</span>
            {undrawn && <span className="alp-quiet">{undrawn}</span>}
          </>
        }
        reading={readCandle(candles, cursor)}
        onSave={() =>
          save(
            'price',
            [model.symbol + describeCandles(model), MARKS, undrawn].filter(Boolean).join(', ')
          )
        }
        onStep={by => candles && point(candles.time[stepIndex(candles.time, cursor, by)])}
        table={() => priceTable(candles)}
      >
        <div className="alp-Chart-price" ref={price} />
      </ChartFrame>
    </>
  );
}

const MARKS = '▲ long entry ▼ short entry ○ exit';

function Symbols({ model }: { model: ResultModel }): JSX.Element {
  const { symbols } = model.results!.backtest.settings;
  if (symbols.length < 2) {
    return <strong>{model.symbol + describeCandles(model)}</strong>;
  }
  return (
    <>
      <select
        aria-label="Symbol of the price chart"
        value={model.symbol}
        onChange={event => void model.setSymbol(event.target.value)}
      >
        {symbols.map(symbol => (
          <option key={symbol}>{symbol}</option>
        ))}
      </select>
      <strong>{describeCandles(model).slice(2)}</strong>
    </>
  );
}

function show(charts: ResultCharts, model: ResultModel): void {
  const { candles, window, marks, selected } = model;
  if (window) {
    charts.setWindow(window);
  }
  if (candles && candles !== shown.get(charts)) {
    shown.set(charts, candles);
    charts.setCandles(candles);
  }
  charts.setTrades(marks, selected?.number ?? null);
}

/** The candles that a chart shows, so that they are sent to it only when they are others. */
const shown = new WeakMap<ResultCharts, Candles>();

function stepIndex(times: number[], cursor: number | null, by: number): number {
  const from = cursor === null ? times.length - 1 : nearest(times, cursor) + by;
  return Math.min(Math.max(from, 0), times.length - 1);
}

function readCurve(model: ResultModel, cursor: number | null): string {
  const { curve } = model.results!;
  const i = cursor === null ? -1 : nearest(curve.time, cursor);
  return i < 0
    ? ''
    : `${time(curve.time[i])} · ${number(curve.equity[i])} · hold ${number(curve.benchmark[i])} · drawdown ${percent(curve.drawdown[i])}`;
}
