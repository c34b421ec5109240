import { followCards } from './cards';

describe('a link of a result card', () => {
  const page = document.createElement('div');
  page.innerHTML =
    '<p><a href="?backtest=7" data-backtest="7"><b>Open</b></a><a id="other"></a></p>';
  document.body.appendChild(page);
  const opened: string[] = [];
  const seen = jest.fn();
  followCards(page, backtest => opened.push(backtest));
  page.querySelector('p')!.addEventListener('click', seen);

  const click = (selector: string, init: MouseEventInit = {}) => {
    const event = new MouseEvent('click', { bubbles: true, cancelable: true, ...init });
    page.querySelector(selector)!.dispatchEvent(event);
    return event;
  };

  beforeEach(() => {
    opened.length = 0;
    seen.mockClear();
  });

  it('opens its backtest, and nobody else takes it for a file', () => {
    expect(click('b').defaultPrevented).toBe(true);
    expect(opened).toEqual(['7']);
    expect(seen).not.toHaveBeenCalled();
  });

  it('is left to the browser with a modifier, as are other links', () => {
    expect(click('b', { ctrlKey: true }).defaultPrevented).toBe(false);
    expect(click('#other').defaultPrevented).toBe(false);
    expect(opened).toEqual([]);
    expect(seen).toHaveBeenCalledTimes(2);
  });
});
