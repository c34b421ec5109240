import { LabIcon } from '@jupyterlab/ui-components';
import React from 'react';

const svg = (body: string, box = 24): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 ${box} ${box}">${body}</svg>`;

const stroke = 'class="jp-icon3 jp-icon-selectable-stroke" fill="none" stroke="#616161"';

export const alphaIcon = new LabIcon({
  name: 'alphintra:alpha',
  svgstr: svg(
    '<path class="alp-alpha" fill="none" stroke="#616161" stroke-width="2.6" stroke-linecap="round" d="M20 5c-2 8-5.5 14-11 14a6.2 6.2 0 0 1-6.2-7A6.2 6.2 0 0 1 9 5c5.5 0 8 6 11.5 14"/>'
  )
});

export const datasetIcon = new LabIcon({
  name: 'alphintra:dataset',
  svgstr: svg(
    '<g class="jp-icon3" fill="#616161"><ellipse cx="12" cy="5.5" rx="8" ry="3"/><path d="M4 8v3.200c0 1.7 3.6 3 8 3s8-1.3 8-3V8c-1.6 1.5-4.6 2.3-8 2.300S5.6 9.5 4 8z"/><path d="M4 13.700v4.800c0 1.7 3.6 3 8 3s8-1.3 8-3v-4.800c-1.6 1.5-4.6 2.3-8 2.300s-6.4-.8-8-2.300z"/></g>'
  )
});

export const resultIcon = new LabIcon({
  name: 'alphintra:result',
  svgstr: svg(`<path ${stroke} stroke-width="2.2" d="M3 17l6-6 4 4 8-9"/>`)
});

export const uploadIcon = new LabIcon({
  name: 'alphintra:upload',
  svgstr: svg('<path class="jp-icon3" fill="#616161" d="M12 3l-6 6h4v6h4V9h4zM5 18h14v3H5z"/>')
});

export const warningIcon = new LabIcon({
  name: 'alphintra:warning',
  svgstr: svg(
    '<path class="jp-icon3" fill="#616161" d="M12 3L1.5 21h21zm-1 7h2v6h-2zm0 7h2v2h-2z"/>'
  )
});

/** The shapes that say how something stands; the word beside them says it again. */
export type StateName = 'clock' | 'octagon' | 'triangle' | 'circle' | 'tick' | 'info';

const SHAPES: Record<StateName, React.ReactElement> = {
  octagon: (
    <>
      <path className="alp-fill" d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" />
      <path className="alp-cut" d="M7 4h2v5H7zM7 10.500h2v2H7z" />
    </>
  ),
  triangle: (
    <>
      <path className="alp-fill" d="M8 1.500L15.5 14.500H.5z" />
      <path className="alp-cut" d="M7.2 6h1.600v4.500H7.200zM7.2 11.500h1.600v1.600H7.200z" />
    </>
  ),
  circle: <path className="alp-line" d="M8 1.500a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM5 8h6" />,
  clock: (
    <path
      className="alp-line"
      d="M8 1.500a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM8 4.500V8l2.5 2"
    />
  ),
  tick: (
    <>
      <circle className="alp-fill" cx="8" cy="8" r="7" />
      <path className="alp-cut-line" d="M4.8 8.200l2.3 2.3 4.2-4.6" />
    </>
  ),
  info: (
    <>
      <circle className="alp-fill" cx="8" cy="8" r="7" />
      <path className="alp-cut" d="M7.2 7h1.600v5H7.200zM7.2 4h1.600v1.700H7.200z" />
    </>
  )
};

/** A state's icon. Decoration: the word is always beside it. */
export function StateIcon(props: { state: StateName; size?: number }): JSX.Element {
  const { state, size = 14 } = props;
  return (
    <svg
      className={`alp-StateIcon alp-mod-${state}`}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      aria-hidden="true"
    >
      {SHAPES[state]}
    </svg>
  );
}

/** The icon of a quality report. */
export function reportState(errors: number, warnings: number): StateName {
  return errors > 0 ? 'octagon' : warnings > 0 ? 'triangle' : 'tick';
}

/** The state that the server names, or the neutral one. */
export function stateName(icon: string | null | undefined): StateName {
  return icon && icon in SHAPES ? (icon as StateName) : 'circle';
}
