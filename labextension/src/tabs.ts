import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { LabIcon } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { Widget } from '@lumino/widgets';

import { ApiError } from './api/client';

/** What a tab shows: one backtest or one dataset, known by its id. */
type Content = Widget & { readonly model: { readonly id: string } };

const id = { type: 'string' } as const;
/** The arguments of a command on one thing. */
export const WITH_ID = { args: { type: 'object', properties: { id } } } as const;

/** Add the command that opens a thing's tab: one tab for each, and back after a reload. */
export function trackTabs<T extends Content>(
  app: JupyterFrontEnd,
  restorer: ILayoutRestorer | null,
  options: {
    command: string;
    noun: string;
    icon: LabIcon;
    /** Ask which one, where the command names none. */
    choose: () => Promise<string | undefined>;
    read: (id: string) => Promise<unknown>;
    make: (id: string) => Promise<MainAreaWidget<T>>;
    place?: () => DocumentRegistry.IOpenOptions;
  }
): WidgetTracker<MainAreaWidget<T>> {
  const { command, noun, icon, choose, read, make, place } = options;
  // Until then only the saved layout opens tabs.
  let restoring = restorer !== null;
  void app.restored.then(() => (restoring = false));
  const tracker = new WidgetTracker<MainAreaWidget<T>>({
    namespace: `alphintra-${noun.toLowerCase()}`
  });
  app.commands.addCommand(command, {
    label: args => (args.id ? 'Open' : `Open ${noun}…`),
    icon,
    describedBy: WITH_ID,
    execute: async args => {
      const wanted = (args.id as string | undefined) ?? (await choose());
      if (!wanted) {
        return;
      }
      if (restoring) {
        await assertExists(read(wanted));
      }
      const open = tracker.find(tab => tab.content.model.id === wanted);
      const tab = open ?? (await make(wanted));
      if (!open) {
        void tracker.add(tab);
        app.shell.add(tab, 'main', { type: 'Alphintra', ...place?.() });
      }
      app.shell.activateById(tab.id);
      return tab;
    }
  });
  void restorer?.restore(tracker, {
    command,
    args: tab => ({ id: tab.content.model.id }),
    name: tab => tab.content.model.id
  });
  return tracker;
}

/**
 * Fail where there is no such thing: JupyterLab then forgets the tab. A layout is saved for each
 * user, so that it may be of another lab; other failures are the tab's own to tell.
 */
export async function assertExists(reading: Promise<unknown>): Promise<void> {
  try {
    await reading;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      throw error;
    }
  }
}

/** A thing's tab, before its name is known. */
export function makeTab<T extends Content>(
  content: T,
  noun: string,
  icon: LabIcon
): MainAreaWidget<T> {
  const tab = new MainAreaWidget({ content });
  tab.id = `alphintra-${noun.toLowerCase()}-${content.model.id}`;
  tab.title.icon = icon;
  tab.title.closable = true;
  tab.title.label = noun;
  tab.title.className = 'alp-Tab';
  tab.toolbar.addClass('alp-Toolbar');
  return tab;
}

/** The id of the thing in front. */
export function inFront<T extends Content>(
  app: JupyterFrontEnd,
  tracker: WidgetTracker<MainAreaWidget<T>>
): string | undefined {
  return tracker.find(tab => tab === app.shell.currentWidget)?.content.model.id;
}

/** Add commands on the thing that is named, or else on the one in front. */
export function addActions(
  commands: CommandRegistry,
  noun: string,
  inFront: () => string | undefined,
  actions: [command: string, verb: string, action: (id: string) => unknown][]
): void {
  const subject = (args: { id?: unknown }) => (args.id as string | undefined) ?? inFront();
  for (const [command, verb, action] of actions) {
    commands.addCommand(command, {
      label: args => (args.id ? `${verb}…` : `${verb} ${noun}…`),
      caption: `The ${noun.toLowerCase()} that is in front`,
      isEnabled: args => subject(args) !== undefined,
      describedBy: WITH_ID,
      execute: args => action(subject(args)!)
    });
  }
}
