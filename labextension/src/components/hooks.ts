import type { ISignal } from '@lumino/signaling';
import { useEffect, useReducer, useState } from 'react';

/** Render again whenever one of the models changes. */
export function useModels(...models: { stateChanged: ISignal<unknown, unknown> }[]): void {
  const [, tick] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    models.forEach(model => model.stateChanged.connect(tick));
    return () => models.forEach(model => model.stateChanged.disconnect(tick));
    // The models are the dependencies: their number never changes for one component.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, models);
}

/** The time, renewed every so many milliseconds. */
export function useNow(interval: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), interval);
    return () => window.clearInterval(timer);
  }, [interval]);
  return now;
}

/** True once `wait` ms have passed: grey lines do not flash while a fast answer is on its way. */
export function useLate(wait = 300): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setLate(true), wait);
    return () => window.clearTimeout(timer);
  }, [wait]);
  return late;
}
