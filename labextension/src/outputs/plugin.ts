import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISanitizer, IThemeManager } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { ILatexTypesetter, IMarkdownParser, IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { ITranslator } from '@jupyterlab/translation';

import { OutputRegistry } from './registry';

const OPEN_LINK = 'rendermime:handle-local-link';
const OPEN_SOURCE = 'debugger:open-source';

/** The registry of renderers, in place of JupyterLab's, which package.json turns off. */
export const outputsPlugin: JupyterFrontEndPlugin<IRenderMimeRegistry> = {
  id: 'alphintra-lab:outputs',
  description: 'Shows what a kernel prints without running it.',
  autoStart: true,
  provides: IRenderMimeRegistry,
  optional: [
    IDocumentManager,
    ILatexTypesetter,
    ISanitizer,
    IMarkdownParser,
    ITranslator,
    IThemeManager
  ],
  activate: (
    app: JupyterFrontEnd,
    documents: IDocumentManager | null,
    latexTypesetter: ILatexTypesetter | null,
    sanitizer: IRenderMime.ISanitizer | null,
    markdownParser: IMarkdownParser | null,
    translator: ITranslator | null,
    themes: IThemeManager | null
  ) =>
    new OutputRegistry(
      {
        linkHandler: documents ? followLinks(app, documents) : undefined,
        latexTypesetter: latexTypesetter ?? undefined,
        sanitizer: sanitizer ?? undefined,
        markdownParser: markdownParser ?? undefined,
        translator: translator ?? undefined
      },
      themes?.themeChanged
    )
};

/** Open a file that an output links to, as JupyterLab does. */
function followLinks(app: JupyterFrontEnd, documents: IDocumentManager): IRenderMime.ILinkHandler {
  app.commands.addCommand(OPEN_LINK, {
    label: 'Handle Local Link',
    describedBy: {
      args: {
        type: 'object',
        required: ['path'],
        properties: {
          path: { type: 'string', description: 'The file to open' },
          id: { type: 'string', description: 'The place in it to go to' },
          scope: { type: 'string', enum: ['kernel', 'server'], description: 'Where the file is' }
        }
      }
    },
    execute: async ({ path, id, scope }) => {
      if (typeof path !== 'string') {
        return;
      }
      if (scope === 'kernel') {
        if (app.commands.hasCommand(OPEN_SOURCE)) {
          await app.commands.execute(OPEN_SOURCE, { path });
        }
        return;
      }
      await documents.services.contents.get(path, { content: false });
      const factory = documents.registry.defaultRenderedWidgetFactory(path);
      const widget = documents.openOrReveal(path, factory.name);
      if (typeof id === 'string' && id) {
        widget?.setFragment(id);
      }
    }
  });
  const open = (node: HTMLElement, args: { path: string; id?: string; scope?: string }) =>
    node.addEventListener('click', event => {
      event.preventDefault();
      void app.commands.execute(OPEN_LINK, args);
    });
  return {
    handleLink: (node, path, id) => {
      if (!(node.tagName === 'A' && node.hasAttribute('download'))) {
        open(node, { path, id });
      }
    },
    handlePath: (node, path, scope, id) => open(node, { path, id, scope })
  };
}
