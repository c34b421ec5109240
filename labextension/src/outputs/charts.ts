// Charts as JSON: read from what a kernel printed, never run, and drawn in a frame.

/** What charts take from JupyterLab's theme. */
export type Theme = { dark: boolean; text: string; grid: string; paper: string };

/** A chart that can be drawn, or why it is not. */
export type Chart = { figure: unknown } | { refused: string };

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Plotly's figure without what is not a drawing, in the theme's colours where it has none. */
export function readPlotly(value: unknown, theme: Theme): Chart {
  if (!isObject(value) || !Array.isArray(value.data)) {
    return { refused: 'This is not a plotly figure: it has no list of traces.' };
  }
  const layout: Json = isObject(value.layout) ? { ...value.layout } : {};
  const template = isObject(layout.template) ? layout.template.layout : undefined;
  const styled = isObject(template) && ![undefined, 'white'].includes(template.paper_bgcolor as '');
  if (!styled) {
    layout.paper_bgcolor ??= 'rgba(0,0,0,0)';
    layout.plot_bgcolor ??= 'rgba(0,0,0,0)';
    layout.font = { color: theme.text, ...(isObject(layout.font) ? layout.font : {}) };
    const axes = Object.keys(layout).filter(name => /^[xy]axis\d*$/.test(name));
    for (const name of new Set(['xaxis', 'yaxis', ...axes])) {
      const axis = isObject(layout[name]) ? layout[name] : {};
      const lines = { gridcolor: theme.grid, zerolinecolor: theme.grid, linecolor: theme.grid };
      layout[name] = { ...lines, ...axis };
    }
  }
  return { figure: { data: value.data, layout } };
}

/** The figure inside the script that Bokeh's `show` prints: its JSON is parsed, the rest ignored. */
export function readBokehScript(script: string, theme: Theme): Chart {
  const documents = parseConstant(script, 'docs_json');
  const items = parseConstant(script, 'render_items');
  const item: unknown = Array.isArray(items) ? items[0] : undefined;
  if (!isObject(documents) || !isObject(item) || typeof item.docid !== 'string') {
    return { refused: 'No Bokeh figure was found in this output.' };
  }
  const roots = isObject(item.roots) ? Object.keys(item.roots) : [];
  return readBokeh({ doc: documents[item.docid], root_id: roots[0] }, theme);
}

/** A figure from `bokeh.embed.json_item`. */
export function readBokeh(item: unknown, theme: Theme): Chart {
  if (!isObject(item) || !isObject(item.doc) || typeof item.root_id !== 'string') {
    return { refused: 'This is not a Bokeh figure: it has no document.' };
  }
  const doc = JSON.parse(JSON.stringify(item.doc)) as Json;
  let refused: string | undefined;
  visitModels(doc, (name, attributes) => {
    if (CODE.test(name)) {
      refused ??= name;
    }
    for (const [attribute, value] of Object.entries(themed(name, theme))) {
      attributes[attribute] ??= value;
    }
  });
  return refused === undefined
    ? { figure: { doc, root_id: item.root_id } }
    : {
        refused:
          `This Bokeh figure holds a ${refused}, which is code or fetches from the network. ` +
          'The lab draws figures without it.'
      };
}

// Models that bring code, or that fetch or open addresses.
const CODE =
  /^(Custom|Ajax|ServerSent|WebSource|OpenURL|HTMLTemplate|GMap|ImageURL|.*Tile(Source|Renderer)$)/;

/** Colours for what a figure leaves at Bokeh's default, which is made for white paper. */
function themed(name: string, { text, grid, paper }: Theme): Json {
  if (name === 'Figure' || name === 'Plot') {
    return { background_fill_color: null, border_fill_color: null, outline_line_color: grid };
  }
  if (name === 'Title') {
    return { text_color: text };
  }
  if (name === 'Legend') {
    return { label_text_color: text, background_fill_color: paper, border_line_color: grid };
  }
  if (name === 'Grid') {
    return { grid_line_color: grid };
  }
  if (name.endsWith('Axis')) {
    return {
      axis_label_text_color: text,
      major_label_text_color: text,
      axis_line_color: grid,
      major_tick_line_color: grid,
      minor_tick_line_color: grid
    };
  }
  return {};
}

function visitModels(value: unknown, visit: (name: string, attributes: Json) => void): void {
  if (Array.isArray(value)) {
    value.forEach(item => visitModels(item, visit));
  } else if (isObject(value)) {
    if (value.type === 'object' && typeof value.name === 'string') {
      value.attributes ??= {};
      visit(value.name, value.attributes as Json);
    }
    Object.values(value).forEach(item => visitModels(item, visit));
  }
}

function parseConstant(script: string, name: string): unknown {
  const line = script.match(new RegExp(`^\\s*const ${name} = (.*);$`, 'm'));
  try {
    return line ? JSON.parse(line[1]) : undefined;
  } catch {
    return undefined; // not what Bokeh prints
  }
}
