import React from 'react';

import type { Strategy } from '../api/schemas';
import { Command } from '../commands';
import { StateIcon, stateName } from '../components/icons';
import { Sparkline } from '../components/parts';
import { ago, count, percent, ratio, time } from '../format';
import { describeBlocker, findBlocker } from '../strategies/describe';
import type { Run } from './panel';

/** The strategies with their last result: the verdict in a few words beside the numbers. */
export function StrategyTable(props: { strategies: Strategy[]; run: Run }): JSX.Element {
  return (
    <div className="alp-Home-scroll">
      <table className="alp-Table alp-Home-strategies">
        <thead>
          <tr>
            <th aria-label="State" />
            <th>Strategy</th>
            <th>Data</th>
            <th>Equity</th>
            <th className="alp-number">Return</th>
            <th className="alp-number">Sharpe</th>
            <th className="alp-number">Drawdown</th>
            <th className="alp-number">Trials</th>
            <th>Verdict</th>
            <th className="alp-number">When</th>
          </tr>
        </thead>
        <tbody>
          {props.strategies.map(strategy => (
            <StrategyRow key={strategy.id} strategy={strategy} run={props.run} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function StrategyRow({ strategy, run }: { strategy: Strategy; run: Run }): JSX.Element {
  const last = strategy.last_result;
  const blocker = strategy.missing ? undefined : findBlocker(strategy);
  const struck = last?.icon === 'octagon' ? 'alp-number alp-struck' : 'alp-number';
  const openResult = () =>
    last
      ? run(Command.openBacktest, { id: last.backtest_id })
      : run(Command.openStrategy, { id: strategy.id });
  return (
    <tr className="alp-mod-clickable" onClick={openResult}>
      <td>
        {blocker ? (
          <StateIcon state="octagon" />
        ) : (
          last && <StateIcon state={stateName(last.icon)} />
        )}
      </td>
      <td
        onClick={event => {
          event.stopPropagation();
          run(Command.openStrategy, { id: strategy.id });
        }}
      >
        <button type="button" className="alp-Link alp-mod-strong" title="Open the strategy">
          {strategy.name}
        </button>
      </td>
      <td className="alp-quiet">{last?.dataset ?? ''}</td>
      <td>{last && <Sparkline values={last.sparkline} width={104} height={18} />}</td>
      <td className={struck}>{percent(last?.total_return, 1, true)}</td>
      <td className={struck}>
        <strong>{ratio(last?.sharpe)}</strong>
      </td>
      <td className={struck}>{percent(last?.max_drawdown)}</td>
      <td className="alp-number">{count(strategy.trials)}</td>
      <td>
        {strategy.missing ? (
          'Its folder is gone'
        ) : blocker ? (
          <button
            type="button"
            className="alp-Plain alp-Home-blocker"
            title={[describeBlocker(blocker), ...(last ? [`Last run: ${last.verdict}`] : [])].join(
              '\n'
            )}
            onClick={event => {
              event.stopPropagation();
              run(Command.openStrategy, { id: strategy.id });
            }}
          >
            {blocker.message}
          </button>
        ) : last ? (
          <button type="button" className="alp-Plain" title="Open the result">
            {last.verdict}
          </button>
        ) : (
          <span className="alp-quiet">Not run yet</span>
        )}
      </td>
      <td className="alp-number alp-quiet" title={last ? time(last.ended_at) : undefined}>
        {last ? ago(last.ended_at) : ''}
      </td>
    </tr>
  );
}
