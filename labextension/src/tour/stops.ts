import type { Strategy } from '../api/schemas';
import { isActive } from '../backtests/checks';
import { Command } from '../commands';
import type { Lab } from '../lab';
import { inOrder } from '../strategies/templates';

/** A stop of the tour: what it says, and the control that it points at. */
export type Stop = {
  title: string;
  text: string;
  /** A selector of the control, once `open` has brought it to the screen. */
  target: string;
  open: () => Promise<unknown>;
};

type Execute = (command: string, args?: Record<string, string>) => Promise<unknown>;

/** The five stops: they run on the user's own first strategy, and make one where there is none. */
export function makeStops(lab: Lab, execute: Execute): Stop[] {
  let chosen: Strategy | undefined;

  const openStrategy = async () => {
    if (!chosen) {
      await lab.strategies.refresh();
      const here = lab.strategies.items.filter(strategy => !strategy.missing);
      chosen = here.find(strategy => strategy.last_result !== null) ?? here[0];
    }
    if (chosen) {
      return execute(Command.openStrategy, { id: chosen.id });
    }
    await execute(Command.newStrategy, { template: inOrder(lab.templates.items)[0].id });
    [chosen] = lab.strategies.items;
  };
  const openResult = async () => {
    if (!chosen) {
      throw new Error('There is no strategy yet. Go back one stop, and make one.');
    }
    const { id } = chosen;
    await lab.backtests.refresh();
    const run = lab.backtests.items.find(
      ({ strategy_id, verdict, job }) => strategy_id === id && (verdict !== null || isActive(job))
    );
    return run
      ? execute(Command.openBacktest, { id: run.id })
      : execute(Command.runBacktest, { id });
  };

  return [
    {
      title: 'Everything is in this panel',
      text: 'Your strategies, the data and every backtest, with what runs now. Next opens a strategy; where there is none yet, the moving-average cross.',
      target: '#alphintra-panel',
      open: () => execute(Command.openPanel)
    },
    {
      title: 'Change it, then run it',
      text: 'These fields are the parameters of strategy.py, and Run backtest above them runs it: in a sandbox, and no order fills before the next bar’s open. Next does it for you, if it has not run yet.',
      target: '.alp-StrategyForm',
      open: openStrategy
    },
    {
      title: 'The verdict comes before the curve',
      text: 'One sentence that a sceptic would sign. While the checks run it says so; the numbers are there first.',
      target: '.alp-Result .alp-Verdict',
      open: openResult
    },
    {
      title: 'How hard the lab looked',
      text: 'The strategy runs again over cut histories with other futures, to see whether it reads ahead. What passed is quiet, what failed comes first, and what could not be checked says so. The last one leads to the data.',
      target: '.alp-Result .alp-Chips',
      open: openResult
    },
    {
      title: 'Every trade can be asked',
      text: 'J and K go from trade to trade, W says why an order filled where it did. Drag the shaded window on the equity to move through the test; ? lists the keys.',
      target: '.alp-Result .alp-Trades-bar',
      open: openResult
    }
  ];
}
