import React, { useState } from 'react';

import type { Strategy } from '../api/schemas';
import { Command } from '../commands';
import { useModels } from '../components/hooks';
import { StateIcon, stateName } from '../components/icons';
import { Link, Loading, Sparkline } from '../components/parts';
import { ago, ratio, time } from '../format';
import type { Run } from '../home/panel';
import type { Lab } from '../lab';
import { describeBlocker, findBlocker } from '../strategies/describe';
import { More, Note, Row, type ShowMenu } from './rows';

/** The strategies, filtered by name or data. */
export function StrategyList(props: { lab: Lab; run: Run; showMenu: ShowMenu }): JSX.Element {
  const { lab, run } = props;
  const { strategies } = lab;
  useModels(strategies, lab);
  const [filter, setFilter] = useState('');
  const failure = lab.failureOf(strategies);
  if (!strategies.ready) {
    return failure === null ? (
      <Loading />
    ) : (
      <Note error>The strategies could not be read: {failure}</Note>
    );
  }
  if (strategies.items.length === 0) {
    return (
      <Note>
        No strategies yet.
        <br />
        <Link onClick={() => run(Command.newStrategy)}>New from a template</Link>, or drop a folder
        with a <code>strategy.py</code> here.
      </Note>
    );
  }
  return (
    <>
      <input
        className="alp-Filter"
        type="search"
        placeholder="Filter strategies"
        aria-label="Filter strategies"
        value={filter}
        onChange={event => setFilter(event.target.value)}
      />
      <ul className="alp-Rows">
        {strategies.items.filter(matches(filter)).map(strategy => (
          <StrategyRow key={strategy.id} strategy={strategy} {...props} />
        ))}
      </ul>
      <More next={strategies.next} onMore={() => void strategies.more()} />
    </>
  );
}

const matches =
  (filter: string) =>
  (strategy: Strategy): boolean =>
    `${strategy.name} ${strategy.last_result?.dataset ?? ''}`
      .toLowerCase()
      .includes(filter.trim().toLowerCase());

function StrategyRow(props: { strategy: Strategy; run: Run; showMenu: ShowMenu }): JSX.Element {
  const { strategy, run } = props;
  const { id, last_result: last } = strategy;
  const blocker = strategy.missing ? undefined : findBlocker(strategy);
  const detail = strategy.missing
    ? 'its folder is gone'
    : (blocker?.message ??
      (last ? `${last.dataset} · ${ago(last.ended_at)}` : `edited ${ago(strategy.updated_at)}`));
  const said = last ? `${last.verdict} · ${time(last.ended_at)}` : 'Not run yet';
  const state = strategy.missing ? 'triangle' : blocker ? 'octagon' : stateName(last?.icon);
  return (
    <Row
      icon={<StateIcon state={state} />}
      name={strategy.name}
      detail={detail}
      title={blocker ? `${describeBlocker(blocker)}\n${said}` : said}
      onOpen={() => run(Command.openStrategy, { id })}
      onMenu={event =>
        props.showMenu(event, [
          [Command.openStrategy, { id }],
          [Command.runBacktest, { id }],
          [Command.renameStrategy, { id }],
          [Command.deleteStrategy, { id }]
        ])
      }
    >
      {last && <Sparkline values={last.sparkline} />}
      {last && (
        <span className={`alp-Row-number${last.icon === 'octagon' ? ' alp-struck' : ''}`}>
          {ratio(last.sharpe)}
        </span>
      )}
    </Row>
  );
}
