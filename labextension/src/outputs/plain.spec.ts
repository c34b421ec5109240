import { isElsewhere, readPlain } from './plain';

const read = (html: string): string | null => {
  const fragment = readPlain(new DOMParser().parseFromString(`<body>${html}`, 'text/html').body);
  const host = document.createElement('div');
  host.append(fragment ?? '');
  return fragment && host.innerHTML;
};

describe('readPlain', () => {
  it('builds a table of pandas anew, without its style sheet', () => {
    const table = '<table border="1" class="dataframe"><tbody><tr><td>1</td></tr></tbody></table>';
    expect(read(`<div><style scoped>td { color: red }</style>${table}</div>`)).toBe(
      `<div>${table}</div>`
    );
  });

  it('opens links to elsewhere in a window without a way back', () => {
    expect(read('<a href="https://example.com/">x</a>')).toBe(
      '<a href="https://example.com/" target="_blank" rel="noopener noreferrer">x</a>'
    );
  });

  it.each([
    '<script>1</script>',
    '<img src="x" onerror="1">',
    '<p onclick="1">x</p>',
    '<p class="jp-Dialog">x</p>',
    '<p id="jp-main-dock-panel">x</p>',
    '<p style="position: fixed">x</p>',
    '<p style="color: red; background-color: url(x)">x</p>',
    '<p data-commandlinker-command="x">x</p>',
    '<a href="javascript:1">x</a>',
    '<a href="/api">x</a>',
    '<a target="_top">x</a>',
    '<style>p {}</style>',
    '<form><input></form>',
    '<svg onload="1"></svg>',
    '<svg><script>1</script></svg>',
    '<svg><use href="#x"></use></svg>',
    '<svg><foreignObject></foreignObject></svg>',
    '<math><mi href="x">x</mi></math>',
    '<table><tr><td><iframe></iframe></td></tr></table>'
  ])('leaves %s to a frame', html => expect(read(html)).toBeNull());
});

describe('isElsewhere', () => {
  it.each(['https://example.com', 'mailto:a@example.com'])('%s is', address =>
    expect(isElsewhere(address)).toBe(true)
  );

  it.each([
    '/api',
    'x',
    '',
    '#x',
    'javascript:1',
    ' java\nscript:1',
    'data:text/html,x',
    'http://'
  ])('%p is not', address => expect(isElsewhere(address)).toBe(false));
});
