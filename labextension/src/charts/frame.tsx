import React, { useState } from 'react';

/** A chart's frame: a label in place of a legend, keyboard, and the same data as a table. */
export const ChartFrame = React.forwardRef<
  HTMLDivElement,
  {
    title: string;
    label: React.ReactNode;
    /** The values at the crosshair. */
    reading: string;
    onStep: (by: number) => void;
    /** Save the chart as a PNG. */
    onSave: () => void;
    table: () => { head: string[]; rows: string[][] };
    children: React.ReactNode;
  }
>(function ChartFrame(props, ref) {
  const [asTable, setAsTable] = useState(false);
  const onKeyDown = (event: React.KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by !== undefined) {
      event.preventDefault();
      props.onStep(event.shiftKey ? by * 10 : by);
    }
  };
  return (
    <figure className="alp-Chart">
      <figcaption>
        <div className="alp-Chart-label">{props.label}</div>
        <span className="alp-Chart-reading" aria-live="polite">
          {props.reading}
        </span>
        {!asTable && (
          <button
            type="button"
            className="alp-Link"
            title="Save the chart as a PNG"
            onClick={props.onSave}
          >
            PNG
          </button>
        )}
        <button
          type="button"
          className="alp-Link"
          aria-pressed={asTable}
          onClick={() => setAsTable(!asTable)}
        >
          {asTable ? 'Show as chart' : 'Show as table'}
        </button>
      </figcaption>
      <div
        ref={ref}
        className="alp-Chart-plot"
        hidden={asTable}
        tabIndex={0}
        role="group"
        aria-label={`${props.title}. The arrow keys move the crosshair.`}
        onKeyDown={onKeyDown}
      >
        {props.children}
      </div>
      {asTable && <DataTable {...props.table()} />}
    </figure>
  );
});

function DataTable({ head, rows }: { head: string[]; rows: string[][] }): JSX.Element {
  return (
    <div className="alp-Chart-data" tabIndex={0}>
      <table className="alp-Table">
        <thead>
          <tr>
            {head.map(text => (
              <th key={text} className="alp-number">
                {text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}>
              {row.map((text, j) => (
                <td key={j} className="alp-number">
                  {text}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
