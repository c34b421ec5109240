import { ReactWidget } from '@jupyterlab/ui-components';
import React, { useEffect, useLayoutEffect, useRef, useState } from 'react';

import { messageOf } from '../api/client';
import { Button } from '../components/parts';
import { type Box, placeBeside } from './place';
import type { Stop } from './stops';

/** The tour: a card beside the control that it speaks of. The page behind it stays usable. */
export class Tour extends ReactWidget {
  constructor(private stops: Stop[]) {
    super();
    this.addClass('alp-Tour');
  }

  protected render(): JSX.Element {
    return <Card stops={this.stops} end={() => this.dispose()} />;
  }
}

function Card({ stops, end }: { stops: Stop[]; end: () => void }): JSX.Element {
  const [at, setAt] = useState(0);
  const [failure, setFailure] = useState<string | null>(null);
  const [place, setPlace] = useState({ left: 0, top: 0 });
  const card = useRef<HTMLDivElement>(null);
  const next = useRef<HTMLButtonElement>(null);
  const stop = stops[at];
  const target = useTarget(stop.target);
  const last = at === stops.length - 1;

  useEffect(() => {
    let gone = false;
    setFailure(null);
    // What is opened takes the keyboard, some of it late; the tour takes it back until the user acts.
    let held = true;
    const take = () => held && next.current?.focus();
    const takeBack = ({ target }: FocusEvent) => card.current?.contains(target as Node) || take();
    const letGo = () => {
      held = false;
    };
    take();
    document.addEventListener('focusin', takeBack);
    document.addEventListener('pointerdown', letGo, true);
    document.addEventListener('keydown', letGo, true);
    stop
      .open()
      .catch(reason => !gone && setFailure(messageOf(reason)))
      .finally(take);
    return () => {
      gone = true;
      letGo();
      document.removeEventListener('focusin', takeBack);
      document.removeEventListener('pointerdown', letGo, true);
      document.removeEventListener('keydown', letGo, true);
    };
  }, [stop]);

  useLayoutEffect(() => {
    const { offsetWidth: width, offsetHeight: height } = card.current!;
    const room = { width: window.innerWidth, height: window.innerHeight };
    setPlace(placeBeside(target, { width, height }, room));
  }, [target, failure, stop]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape') {
        event.preventDefault();
        event.stopPropagation();
        end();
      }
    };
    document.addEventListener('keydown', onKey, true);
    return () => document.removeEventListener('keydown', onKey, true);
  }, [end]);

  return (
    <>
      {target && <div className="alp-Tour-ring" style={grow(target, 3)} />}
      <div
        ref={card}
        className="alp-Tour-card"
        role="dialog"
        aria-labelledby="alp-tour-title"
        aria-describedby="alp-tour-text"
        style={place}
      >
        <h2 id="alp-tour-title">
          {stop.title} <small>{`${at + 1} of ${stops.length}`}</small>
        </h2>
        <p id="alp-tour-text">{stop.text}</p>
        {failure !== null ? (
          <p role="alert">This stop cannot be shown: {failure}</p>
        ) : (
          !target && <p className="alp-quiet">It is on its way …</p>
        )}
        <footer>
          <Button onClick={end} title="Escape">
            End
          </Button>
          <span />
          {at > 0 && <Button onClick={() => setAt(at - 1)}>Back</Button>}
          <button
            ref={next}
            type="button"
            className="alp-Button alp-mod-primary"
            onClick={() => (last ? end() : setAt(at + 1))}
          >
            {last ? 'Done' : 'Next'}
          </button>
        </footer>
      </div>
    </>
  );
}

/** Where the first visible match stands, followed while the page moves; null while there is none. */
function useTarget(selector: string): Box | null {
  const [box, setBox] = useState<Box | null>(null);
  useEffect(() => {
    let shown: Element | undefined;
    const look = () => {
      const found = [...document.querySelectorAll(selector)].find(
        element => element.getClientRects().length > 0
      );
      if (found && found !== shown) {
        found.scrollIntoView({ block: 'nearest' });
      }
      shown = found;
      const now = found?.getBoundingClientRect();
      setBox(before => {
        if (!now) {
          return null;
        }
        const { left, top, width, height } = now;
        const moved =
          !before ||
          Math.abs(before.left - left) + Math.abs(before.top - top) > 0.5 ||
          Math.abs(before.width - width) + Math.abs(before.height - height) > 0.5;
        return moved ? { left, top, width, height } : before;
      });
    };
    look();
    const timer = window.setInterval(look, 100);
    return () => window.clearInterval(timer);
  }, [selector]);
  return box;
}

const grow = ({ left, top, width, height }: Box, by: number): Box => ({
  left: left - by,
  top: top - by,
  width: width + 2 * by,
  height: height + 2 * by
});
