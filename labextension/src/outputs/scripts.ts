// What the frames load. Files of their own, not parts of the page's bundle: a frame has its own
// origin, and its policy names each script that it may run.

export const FRAME = new URL('../../style/output-frame.js', import.meta.url).href;

export const LIBRARY = {
  bokeh: new URL('@bokeh/bokehjs/build/js/bokeh.min.js', import.meta.url).href,
  plotly: new URL('plotly.js-strict-dist-min/plotly-strict.min.js', import.meta.url).href
};
