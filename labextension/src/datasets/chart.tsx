import React, { useEffect, useRef, useState } from 'react';

import { priceTable, readCandle } from '../charts/candles';
import { type Candles, nearest } from '../charts/data';
import { ChartFrame } from '../charts/frame';
import type { ResultCharts } from '../charts/result';
import { savePicture } from '../components/download';
import type { DatasetModel } from './model';

/** The bars of one symbol; the server thins them to what a window can show. */
export function DatasetChart({ model }: { model: DatasetModel }): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const charts = useRef<ResultCharts | null>(null);
  const drawn = useRef<Candles | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const { candles, detail, markedAt, symbol, window } = model;

  useEffect(() => {
    let gone = false;
    void import('../charts/result').then(async ({ ResultCharts }) => {
      if (gone) {
        return;
      }
      const made = await ResultCharts.create(
        { price: host.current! },
        {
          onWindow: next => void model.setWindow(next),
          onCursor: setCursor,
          onPick: () => undefined,
          onReset: () => void model.setWindow(model.whole)
        }
      );
      if (gone) {
        made.dispose();
        return;
      }
      charts.current = made;
      made.setBounds(model.whole);
      draw(made, model);
      drawn.current = model.candles;
    });
    return () => {
      gone = true;
      charts.current?.dispose();
      charts.current = null;
    };
  }, [model]);

  useEffect(() => {
    if (charts.current && candles !== drawn.current) {
      drawn.current = candles;
      draw(charts.current, model);
    }
  }, [model, candles, window]);

  // The crosshair stands at the finding that was clicked.
  useEffect(() => {
    if (markedAt !== null) {
      charts.current?.pointAt(markedAt);
      setCursor(markedAt);
    }
  }, [candles, markedAt]);

  const symbols = detail?.dataset.symbols ?? [];
  return (
    <ChartFrame
      title={`Bars of ${symbol}`}
      label={
        <>
          {symbols.length < 2 ? (
            <strong>{symbol}</strong>
          ) : (
            <select
              aria-label="Symbol"
              value={symbol}
              onChange={event => void model.setSymbol(event.target.value)}
            >
              {symbols.map(name => (
                <option key={name}>{name}</option>
              ))}
            </select>
          )}
          <span className="alp-quiet">{detail?.dataset.frequency}, wheel zooms, drag moves</span>
        </>
      }
      reading={readCandle(candles, cursor)}
      onSave={() => {
        if (charts.current && detail) {
          const { name, version } = detail.dataset;
          const title = `${name}, version ${version} · ${symbol}`;
          void savePicture(charts.current.toPng('price', title), name, symbol);
        }
      }}
      onStep={by => {
        if (candles && candles.time.length > 0) {
          const from =
            cursor === null ? candles.time.length - 1 : nearest(candles.time, cursor) + by;
          const at = candles.time[Math.min(Math.max(from, 0), candles.time.length - 1)];
          charts.current?.pointAt(at);
          setCursor(at);
        }
      }}
      table={() => priceTable(candles)}
    >
      <div className="alp-Chart-price" ref={host} />
    </ChartFrame>
  );
}

function draw(charts: ResultCharts, model: DatasetModel): void {
  if (model.window) {
    charts.setWindow(model.window);
  }
  if (model.candles) {
    charts.setCandles(model.candles);
  }
}
