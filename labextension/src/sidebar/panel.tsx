import {
  PanelWithToolbar,
  ReactWidget,
  SidePanel,
  Toolbar,
  ToolbarButton,
  addIcon,
  ellipsesIcon,
  refreshIcon
} from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { Message } from '@lumino/messaging';
import { type AccordionPanel, Menu, type PanelLayout, type Widget } from '@lumino/widgets';
import React from 'react';

import { Command } from '../commands';
import { alphaIcon, uploadIcon } from '../components/icons';
import { useModels } from '../components/hooks';
import type { Lab } from '../lab';
import type { Uploads } from '../datasets/uploads';
import { count } from '../format';
import { BacktestList } from './backtests';
import { DatasetList } from './datasets';
import { DropZone } from './drop';
import type { ShowMenu } from './rows';
import { StrategyList } from './strategies';
import type { Run } from '../home/panel';
import { describeRunning } from '../jobs/status';

/** The panel "Alphintra" in the left sidebar: strategies, datasets and backtests. */
export class LabPanel extends SidePanel {
  constructor(lab: Lab, uploads: Uploads, commands: CommandRegistry) {
    super();
    const run: Run = (id, args) => void commands.execute(id, args);
    this.id = 'alphintra-panel';
    this.title.icon = alphaIcon;
    this.title.caption = 'Alphintra (Alt Shift A)';
    this.addClass('alp-Panel');
    this.header.addWidget(ReactWidget.create(<h2 className="alp-Panel-title">Alphintra</h2>));
    this.header.addWidget(
      toolbar(
        button(addIcon, 'New strategy', () => run(Command.newStrategy)),
        button(refreshIcon, 'Read everything again', () => void lab.refresh())
      )
    );

    const openMenu: ShowMenu = (event, items) => {
      event.preventDefault();
      const menu = new Menu({ commands });
      items.forEach(([command, args]) => menu.addItem({ command, args }));
      const box = event.currentTarget.getBoundingClientRect();
      const [x, y] =
        event.clientX > 0 ? [event.clientX, event.clientY] : [box.left + 24, box.bottom];
      menu.open(x, y);
    };
    this._add(
      'Strategies',
      <Count models={[lab.strategies]}>{() => count(lab.strategies.items.length)}</Count>,
      [button(addIcon, 'New strategy', () => run(Command.newStrategy))],
      <StrategyList lab={lab} run={run} showMenu={openMenu} />,
      () => lab.strategies.refresh()
    );
    this._add(
      'Datasets',
      <Count models={[lab.datasets]}>{() => count(lab.datasets.items.length)}</Count>,
      [button(uploadIcon, 'Add data', () => run(Command.addData))],
      <DatasetList lab={lab} uploads={uploads} run={run} showMenu={openMenu} />,
      () => lab.datasets.refresh()
    );
    this._add(
      'Backtests',
      <Count models={[lab.backtests, lab.jobs]}>
        {() =>
          lab.jobs.items.length > 0
            ? describeRunning(lab.running.length, lab.waiting.length)
            : count(lab.backtests.items.length)
        }
      </Count>,
      [],
      <BacktestList lab={lab} run={run} showMenu={openMenu} />,
      () => lab.backtests.refresh()
    );
    // The drop zone takes its room once it is drawn, which nobody tells the sections.
    this._resized.observe(this.content.node);
    // Once a section was dragged, the sizes are the user's.
    this._accordion.handleMoved.connect(() => (this._dragged = true));
    (this.layout as PanelLayout).addWidget(
      ReactWidget.create(<DropZone lab={lab} uploads={uploads} run={run} />)
    );
  }

  private _add(
    label: string,
    counter: JSX.Element,
    actions: ToolbarButton[],
    body: JSX.Element,
    refresh: () => Promise<void>
  ): void {
    const section = new PanelWithToolbar();
    section.addClass('alp-Section');
    section.title.label = label;
    const widget = ReactWidget.create(counter);
    widget.addClass('alp-Section-count');
    section.toolbar.addItem('count', widget);
    section.toolbar.addItem('spacer', Toolbar.createSpacerItem());
    actions.forEach((action, i) => section.toolbar.addItem(`action-${i}`, action));
    section.toolbar.addItem(
      'refresh',
      button(refreshIcon, `Read the ${label.toLowerCase()} again`, () => void refresh())
    );
    section.addWidget(ReactWidget.create(body));
    this.addWidget(section);
    this._observer.observe(section.node, {
      childList: true,
      characterData: true,
      subtree: true
    });
  }

  dispose(): void {
    this._observer.disconnect();
    this._resized.disconnect();
    window.cancelAnimationFrame(this._frame);
    super.dispose();
  }

  protected onResize(msg: Widget.ResizeMessage): void {
    super.onResize(msg);
    this._scheduleFit();
  }

  protected onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    this._scheduleFit();
  }

  private get _accordion(): AccordionPanel {
    return this.content as AccordionPanel;
  }

  private _scheduleFit(): void {
    window.cancelAnimationFrame(this._frame);
    this._frame = window.requestAnimationFrame(() => this._fitSections());
  }

  /** Each section gets the height of its rows, if all fit; the last one what is left. */
  private _fitSections(): void {
    if (this.isDisposed || !this.isVisible) {
      return;
    }
    if (this._dragged) {
      this._accordion.update();
      return;
    }
    const heights = this.widgets.map(section =>
      Math.max(60, section.isVisible ? (section.node.firstElementChild?.scrollHeight ?? 0) + 4 : 0)
    );
    const titles = this._accordion.titles.reduce((sum, title) => sum + title.offsetHeight, 0);
    const room = this.content.node.clientHeight - titles;
    const fits = heights.reduce((sum, height) => sum + height) <= room;
    const [first, second] = heights.map(height => Math.min(height, room * (fits ? 1 : 0.4)));
    this._accordion.setRelativeSizes([first, second, Math.max(60, room - first - second)]);
  }

  private _observer = new MutationObserver(() => this._scheduleFit());
  private _resized = new ResizeObserver(() => this._scheduleFit());
  private _dragged = false;
  private _frame = 0;
}

function Count(props: {
  models: Parameters<typeof useModels>;
  children: () => string;
}): JSX.Element {
  useModels(...props.models);
  return <span>{props.children()}</span>;
}

function button(icon: typeof ellipsesIcon, tooltip: string, onClick: () => void): ToolbarButton {
  return new ToolbarButton({ icon, tooltip, onClick });
}

function toolbar(...buttons: ToolbarButton[]): Toolbar {
  const bar = new Toolbar();
  bar.addClass('alp-Panel-actions');
  bar.addItem('spacer', Toolbar.createSpacerItem());
  buttons.forEach((item, i) => bar.addItem(`${i}`, item));
  return bar;
}
