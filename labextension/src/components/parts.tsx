import React from 'react';

import type { Job, Verdict } from '../api/schemas';
import { percent } from '../format';
import { type StateName, StateIcon, stateName } from './icons';
import { useLate, useModels, useNow } from './hooks';
import type { Lab } from '../lab';

/** A small line of values; the last 58 x 20 pixels' worth of them. */
export function Sparkline(props: {
  values: number[];
  width?: number;
  height?: number;
}): JSX.Element {
  const { values, width = 58, height = 20 } = props;
  return (
    <svg
      className="alp-Sparkline"
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      aria-hidden="true"
    >
      {values.length > 1 && <path d={linePath(values, width, height)} />}
    </svg>
  );
}

/** The path of a line through the values, filling the box with one pixel of margin. */
export function linePath(values: number[], width: number, height: number): string {
  const low = Math.min(...values);
  const range = Math.max(...values) - low || 1;
  return values
    .map((value, i) => {
      const x = (i / (values.length - 1)) * width;
      const y = height - 1 - ((value - low) / range) * (height - 2);
      return `${i === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join('');
}

/** A bar that fills from left to right. */
export function ProgressBar(props: { value: number; label: string }): JSX.Element {
  const value = Math.min(Math.max(props.value, 0), 1);
  return (
    <div
      className="alp-Progress"
      role="progressbar"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(value * 100)}
    >
      <div style={{ width: `${value * 100}%` }} />
    </div>
  );
}

/** A button in a page. */
export function Button(props: {
  children: React.ReactNode;
  onClick: () => void;
  primary?: boolean;
  title?: string;
  disabled?: boolean;
}): JSX.Element {
  return (
    <button
      type="button"
      className={props.primary ? 'alp-Button alp-mod-primary' : 'alp-Button'}
      onClick={props.onClick}
      title={props.title}
      disabled={props.disabled}
    >
      {props.children}
    </button>
  );
}

/** A button that looks like a link. */
export function Link(props: {
  children: React.ReactNode;
  onClick: () => void;
  title?: string;
}): JSX.Element {
  return (
    <button type="button" className="alp-Link" onClick={props.onClick} title={props.title}>
      {props.children}
    </button>
  );
}

/** The sentence that judges a run: bold words, then the rest. */
export function VerdictLine(props: { verdict: Verdict; children?: React.ReactNode }): JSX.Element {
  const { verdict } = props;
  const state = stateName(verdict.icon);
  return (
    <p className={`alp-Verdict alp-mod-${state}`} data-rule={verdict.rule}>
      <StateIcon state={state} size={18} />
      <span>
        <strong>{verdict.title}</strong> {verdict.text} {props.children}
      </span>
    </p>
  );
}

/** A chip: passed is outlined and quiet, the rest is filled and comes first. */
export function Chip(props: {
  state: StateName;
  title: string;
  detail?: string;
  onClick?: () => void;
}): JSX.Element {
  return (
    <button
      type="button"
      className={`alp-Chip alp-mod-${props.state}`}
      onClick={props.onClick}
      disabled={!props.onClick}
    >
      <StateIcon state={props.state} />
      <strong>{props.title}</strong>
      {props.detail && <span>{props.detail}</span>}
    </button>
  );
}

/** What went wrong, why, and the way out. */
export function Trouble(props: {
  title: string;
  state?: StateName;
  text?: React.ReactNode;
  children?: React.ReactNode;
}): JSX.Element {
  return (
    <section className="alp-Trouble" role="alert">
      <StateIcon state={props.state ?? 'octagon'} size={16} />
      <div>
        <h3>{props.title}</h3>
        {props.text && <p>{props.text}</p>}
        {props.children}
      </div>
    </section>
  );
}

/** The grey lines of something that is on its way; nothing for the first 300 ms. */
export function Loading(props: { lines?: number }): JSX.Element | null {
  const late = useLate();
  if (!late) {
    return null;
  }
  return (
    <div className="alp-Loading" aria-busy="true" aria-label="Loading">
      {Array.from({ length: props.lines ?? 3 }, (_, i) => (
        <div key={i} />
      ))}
    </div>
  );
}

/** A banner while the server does not answer; what is shown stays readable. */
export function ConnectionBanner(props: { lab: Lab }): JSX.Element | null {
  const { lab } = props;
  useModels(lab);
  return lab.lostSince === null ? null : <LostBanner lab={lab} since={lab.lostSince} />;
}

function LostBanner({ lab, since }: { lab: Lab; since: number }): JSX.Element {
  const now = useNow(1000);
  const lost = Math.max(0, Math.round((now - since) / 1000));
  const wait = Math.max(0, Math.round(((lab.nextTry ?? now) - now) / 1000));
  return (
    <div className="alp-Banner" role="status">
      <StateIcon state="triangle" size={16} />
      <span>
        <strong>No connection to the lab for {lost} s.</strong> Your runs go on. Shown: state of{' '}
        {new Date(since).toLocaleTimeString('en-GB')}. Trying again in {wait} s.
      </span>
      <Button onClick={() => void lab.tryNow()}>Try now</Button>
    </div>
  );
}

/** What a job does now, in a few words. */
export function jobStep(job: Job): string {
  if (job.state === 'waiting') {
    return job.place === null ? 'waiting' : `waiting, ${ordinal(job.place)} in the queue`;
  }
  return job.step ? `${job.step} · ${percent(job.progress, 0)}` : percent(job.progress, 0);
}

/** "1st", "2nd", "11th" */
export function ordinal(n: number): string {
  const tens = n % 100;
  const suffix = tens > 10 && tens < 14 ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${n}${suffix}`;
}

/** The seconds that a job still needs, from its pace so far; null before that can be said. */
export function secondsLeft(job: Job, now = Date.now()): number | null {
  if (job.state !== 'running' || job.started_at === null || job.progress < 0.02) {
    return null;
  }
  const passed = (now - Date.parse(job.started_at)) / 1000;
  return Math.max(0, (passed / job.progress) * (1 - job.progress));
}
