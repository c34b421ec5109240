import type { Theme } from './charts';

const VARIABLES = [
  ...[0, 1, 2, 3].flatMap(i => [`--jp-ui-font-color${i}`, `--jp-content-font-color${i}`]),
  ...[0, 1, 2, 3, 4].flatMap(i => [`--jp-layout-color${i}`, `--jp-border-color${i}`]),
  ...[0, 1, 2, 3].map(i => `--jp-brand-color${i}`),
  '--jp-content-link-color',
  '--jp-ui-font-family',
  '--jp-content-font-family',
  '--jp-code-font-family',
  '--jp-ui-font-size1',
  '--jp-content-font-size1',
  '--jp-rendermime-table-row-background',
  '--jp-rendermime-table-row-hover-background'
];

/** JupyterLab's theme as it stands now. */
export function readTheme(): Theme {
  const style = getComputedStyle(document.body);
  const token = (name: string) => style.getPropertyValue(name).trim();
  return {
    dark: document.body.dataset.jpThemeLight === 'false',
    text: token('--jp-content-font-color1'),
    grid: token('--jp-border-color2'),
    paper: token('--jp-layout-color0')
  };
}

/** The style sheet of a frame: the theme's variables, and tables as JupyterLab draws them. */
export function frameStyle(theme: Theme): string {
  const style = getComputedStyle(document.body);
  const variables = VARIABLES.map(name => `${name}:${style.getPropertyValue(name)}`).join(';');
  return `
    :root { ${variables}; color-scheme: ${theme.dark ? 'dark' : 'light'}; overflow: auto; }
    body { margin: 0; color: var(--jp-content-font-color1); background: var(--jp-layout-color0);
      font: var(--jp-content-font-size1) / 1.6 var(--jp-content-font-family); }
    a { color: var(--jp-content-link-color); }
    img, svg { max-width: 100%; }
    table { border-collapse: collapse; border: none; font-size: var(--jp-ui-font-size1); }
    thead { border-bottom: 1px solid var(--jp-border-color1); }
    td, th { padding: 0.5em; text-align: right; vertical-align: middle; white-space: normal; }
    tbody tr:nth-child(odd) { background: var(--jp-layout-color0); }
    tbody tr:nth-child(even) { background: var(--jp-rendermime-table-row-background); }
  `;
}
