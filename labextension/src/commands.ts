/** The ids of the lab's commands: every action is one, in palette and menu. */
export const Command = {
  openPanel: 'alphintra:open-panel',
  openHome: 'alphintra:open-home',
  takeTour: 'alphintra:take-tour',
  newStrategy: 'alphintra:new-strategy',
  openStrategy: 'alphintra:open-strategy',
  openLine: 'alphintra:open-line',
  renameStrategy: 'alphintra:rename-strategy',
  deleteStrategy: 'alphintra:delete-strategy',
  runBacktest: 'alphintra:run-backtest',
  debug: 'alphintra:debug',
  debugToBar: 'alphintra:debug-to-bar',
  toggleBreakpoint: 'alphintra:toggle-breakpoint',
  setParameters: 'alphintra:set-parameters',
  openBacktest: 'alphintra:open-backtest',
  exportBacktest: 'alphintra:export-backtest',
  downloadBacktest: 'alphintra:download-backtest',
  showKeys: 'alphintra:show-keys',
  deleteBacktest: 'alphintra:delete-backtest',
  cancelJob: 'alphintra:cancel-job',
  addData: 'alphintra:add-data',
  openDataset: 'alphintra:open-dataset',
  renameDataset: 'alphintra:rename-dataset',
  deleteDataset: 'alphintra:delete-dataset',
  openProblems: 'alphintra:open-problems',
  openJobLog: 'alphintra:open-job-log',
  openApiDocs: 'alphintra:open-api-docs'
} as const;

/** The palette's and the launcher's heading. */
export const CATEGORY = 'Alphintra';
