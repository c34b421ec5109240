import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';

import { messageOf } from '../api/client';

/** Ask before something goes: whether it may. */
export async function confirmDeletion(name: string, body: string): Promise<boolean> {
  const { button } = await showDialog({
    title: `Delete ${name}?`,
    body,
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Delete' })]
  });
  return button.accept;
}

/** Change something on the server and read its list again; what fails is told. */
export async function change(
  list: { refresh: () => Promise<void> },
  action: () => Promise<unknown>
): Promise<void> {
  try {
    await action();
    await list.refresh();
  } catch (error) {
    Notification.error(messageOf(error));
  }
}
