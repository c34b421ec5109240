/** Open the backtest of a notebook's result card when its link is followed. */
export function followCards(node: HTMLElement, open: (backtest: string) => void): void {
  // Before JupyterLab, which takes the link's address for a file beside the notebook.
  node.addEventListener(
    'click',
    event => {
      const link = (event.target as Element).closest<HTMLElement>('a[data-backtest]');
      const backtest = link?.dataset.backtest;
      if (backtest && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
        event.preventDefault();
        event.stopPropagation();
        open(backtest);
      }
    },
    true
  );
}
