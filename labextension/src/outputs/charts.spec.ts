import { readBokeh, readBokehScript, readPlotly } from './charts';

const THEME = { dark: true, text: '#eee', grid: '#444', paper: '#111' };

const model = (name: string, attributes = {}) => ({ type: 'object', name, id: name, attributes });
const script = (...roots: object[]) =>
  `(function(root) {\n  const docs_json = ${JSON.stringify({ d: { version: '3.9.2', roots } })};\n` +
  `  const render_items = [{"docid":"d","roots":{"p1":"place"},"root_ids":["p1"]}];\n})(window);`;

describe('readBokehScript', () => {
  it('takes the figure from the script, in the theme’s colours where it has none', () => {
    const title = model('Title', { text_color: 'red' });
    const chart = readBokehScript(script(model('Figure', { title })), THEME);
    expect(chart).toEqual({
      figure: {
        root_id: 'p1',
        doc: {
          version: '3.9.2',
          roots: [
            expect.objectContaining({
              attributes: {
                title,
                background_fill_color: null,
                border_fill_color: null,
                outline_line_color: '#444'
              }
            })
          ]
        }
      }
    });
  });

  it.each(['CustomJS', 'CustomJSFilter', 'AjaxDataSource', 'OpenURL', 'WMTSTileSource'])(
    'refuses a figure with a %s, wherever it hangs',
    name => {
      const chart = readBokehScript(script(model('Figure', { below: [[model(name)]] })), THEME);
      expect(chart).toEqual({ refused: expect.stringContaining(`holds a ${name}`) });
    }
  );

  it.each(['', 'alert(1)', 'const docs_json = alert(1);', 'const docs_json = {};'])(
    'finds nothing in %p',
    text => expect(readBokehScript(text, THEME)).toHaveProperty('refused')
  );
});

describe('readBokeh', () => {
  it('refuses what is no item', () => {
    expect(readBokeh({ doc: [] }, THEME)).toHaveProperty('refused');
  });
});

describe('readPlotly', () => {
  it('keeps traces and layout, leaves out the configuration, and colours a plain figure', () => {
    const value = { data: [{ y: [1] }], layout: { title: 'x' }, config: { plotlyServerURL: 'y' } };
    const { figure } = readPlotly(value, THEME) as { figure: { data: unknown; layout: object } };
    expect(Object.keys(figure)).toEqual(['data', 'layout']);
    expect(figure.layout).toMatchObject({
      title: 'x',
      font: { color: '#eee' },
      xaxis: { gridcolor: '#444' }
    });
  });

  it('leaves a template of the user’s own as it is', () => {
    const layout = { template: { layout: { paper_bgcolor: 'black' } } };
    expect(readPlotly({ data: [], layout }, THEME)).toEqual({ figure: { data: [], layout } });
  });

  it('refuses what has no traces', () => {
    expect(readPlotly({ data: 'x' }, THEME)).toHaveProperty('refused');
  });
});
