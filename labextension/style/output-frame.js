// The only script that runs in the frame of an output. Loaded before what a kernel printed, it
// tells the page how high that is, and draws charts from the JSON that lies in the frame.
(() => {
  const tellHeight = () => {
    const page = document.documentElement;
    const bar = page.scrollWidth > page.clientWidth ? 16 : 0;
    parent.postMessage({ height: Math.ceil(page.getBoundingClientRect().height) + bar }, '*');
  };

  const draw = {
    bokeh: ({ doc, root_id }) => {
      const place = document.getElementById('chart');
      return window.Bokeh.embed.embed_item({ doc, root_id, target_id: place.id });
    },
    plotly: ({ data, layout }) =>
      window.Plotly.newPlot('chart', data, layout, { responsive: true, displaylogo: false })
  };

  document.addEventListener('DOMContentLoaded', async () => {
    const figure = document.getElementById('figure');
    if (figure) {
      try {
        await draw[figure.dataset.kind](JSON.parse(figure.textContent));
      } catch (error) {
        document.getElementById('chart').textContent =
          `This chart cannot be drawn: ${error.message}`;
      }
    }
    new ResizeObserver(tellHeight).observe(document.documentElement);
    tellHeight();
  });
})();
