import {
  type IRenderMimeRegistry,
  RenderMimeRegistry,
  standardRendererFactories
} from '@jupyterlab/rendermime';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { ISignal } from '@lumino/signaling';

import { outputFactories } from './renderers';

// What JupyterLab's own renderers show of an output that it does not trust.
const STANDARD = new Set([
  'text/markdown',
  'text/latex',
  'text/plain',
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/bmp',
  'image/webp',
  'application/vnd.jupyter.stderr',
  'application/vnd.jupyter.stdout'
]);

// What extensions may show: data, drawn without running them.
const EXTENSIONS = new Set([
  'application/json',
  'application/pdf',
  'application/geo+json',
  'text/vnd.mermaid'
]);

type Options = Omit<RenderMimeRegistry.IOptions, 'initialFactories' | 'trustHandler'>;
type ThemeChanged = ISignal<unknown, unknown>;

/**
 * JupyterLab's registry of renderers, but for outputs that may be hostile: no output is trusted,
 * whatever its notebook says, and no extension can add a renderer for what may hold code.
 */
export class OutputRegistry extends RenderMimeRegistry {
  constructor(
    options: Options,
    private _themeChanged?: ThemeChanged
  ) {
    super(options);
    for (const factory of standardRendererFactories) {
      this._add(factory, type => STANDARD.has(type));
    }
    outputFactories(_themeChanged).forEach(factory => this._add(factory));
  }

  /** Add an extension's renderer, if it is for data. */
  addFactory(factory: IRenderMime.IRendererFactory, rank?: number): void {
    this._add(factory, type => EXTENSIONS.has(type), rank);
  }

  /** One for another document, with the same renderers. */
  clone(options: IRenderMimeRegistry.ICloneOptions = {}): OutputRegistry {
    const clone = new OutputRegistry(
      {
        resolver: options.resolver ?? this.resolver ?? undefined,
        sanitizer: options.sanitizer ?? this.sanitizer,
        linkHandler: options.linkHandler ?? this.linkHandler ?? undefined,
        latexTypesetter: options.latexTypesetter ?? this.latexTypesetter ?? undefined,
        markdownParser: options.markdownParser ?? this.markdownParser ?? undefined,
        translator: this.translator
      },
      this._themeChanged
    );
    for (const type of this.mimeTypes.filter(type => EXTENSIONS.has(type))) {
      const factory = this.getFactory(type);
      if (factory) {
        clone.addFactory({ ...factory, mimeTypes: [type] }, this.getRank(type));
      }
    }
    return clone;
  }

  private _add(
    factory: IRenderMime.IRendererFactory,
    admits: (type: string) => boolean = () => true,
    rank?: number
  ): void {
    const mimeTypes = factory.mimeTypes.filter(admits);
    const createRenderer = (options: IRenderMime.IRendererOptions) =>
      distrust(factory.createRenderer(options));
    super.addFactory({ ...factory, mimeTypes, safe: true, createRenderer }, rank);
  }
}

/** Let a renderer see every output as untrusted, and keep what it draws within its own box. */
function distrust(renderer: IRenderMime.IRenderer): IRenderMime.IRenderer {
  const render = renderer.renderModel.bind(renderer);
  renderer.renderModel = (model, ...more: unknown[]) =>
    (render as (...all: unknown[]) => Promise<void>)(
      Object.create(model, { trusted: { value: false } }),
      ...more
    );
  renderer.addClass('alp-Output');
  return renderer;
}
