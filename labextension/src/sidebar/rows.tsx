import React from 'react';

/** Opens a menu of commands at the place of the event. */
export type ShowMenu = (
  event: React.MouseEvent<HTMLElement>,
  items: [command: string, args: Record<string, string>][]
) => void;

/** One row of the panel: icon, name, what and when, and a number at the right. */
export function Row(props: {
  icon?: React.ReactNode;
  name: string;
  detail: React.ReactNode;
  title?: string;
  children?: React.ReactNode;
  onOpen: () => void;
  onMenu?: (event: React.MouseEvent<HTMLElement>) => void;
}): JSX.Element {
  return (
    <li>
      <button
        type="button"
        className="alp-Row"
        title={props.title}
        onClick={props.onOpen}
        onContextMenu={props.onMenu}
      >
        {props.icon && <span className="alp-Row-icon">{props.icon}</span>}
        <span className="alp-Row-text">
          <span className="alp-Row-name">{props.name}</span>
          <small>{props.detail}</small>
        </span>
        {props.children}
      </button>
    </li>
  );
}

/** What a section says when there is nothing in it, or when it could not be read. */
export function Note(props: { children: React.ReactNode; error?: boolean }): JSX.Element {
  return (
    <p className="alp-Note" role={props.error ? 'alert' : undefined}>
      {props.children}
    </p>
  );
}

/** The end of a list that has more pages. */
export function More(props: { next: string | null; onMore: () => void }): JSX.Element | null {
  return props.next === null ? null : (
    <button type="button" className="alp-Link alp-More" onClick={props.onMore}>
      Show more
    </button>
  );
}
