import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type {
  Backtest,
  BacktestCreate,
  BacktestResults,
  Dataset,
  DatasetDetail,
  DebugCreate,
  DebugSession,
  Job,
  JobLog,
  Order,
  Outline,
  Overview,
  Page,
  Preview,
  Report,
  Series,
  Strategy,
  StrategyTemplate,
  TradeFilter,
  TradePage
} from './schemas';

type Query = Record<string, string | number | null | undefined>;

/** An answer of the server that says no; the message names the value and the way out. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string,
    readonly field: string | null = null
  ) {
    super(message);
  }
}

/** The server does not answer at all. */
export class ConnectionLost extends Error {
  constructor() {
    super('There is no connection to the lab.');
  }
}

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The REST API, one method per endpoint. Every URL is under the server settings' base URL. */
export class Client {
  constructor(readonly settings: ServerConnection.ISettings) {}

  overview = () => this.get<Overview>('api/overview');

  listStrategies = (cursor?: string | null) =>
    this.get<Page<Strategy>>('api/strategies', { limit: 100, cursor });
  getStrategy = (id: string) => this.get<Strategy>(`api/strategies/${id}`);
  createStrategy = (name: string, template: string) =>
    this.send<Strategy>('POST', 'api/strategies/code/create', { name, template });
  createStrategyFromCode = (name: string, code: string) =>
    this.send<Strategy>('POST', 'api/strategies/code/create', { name, code });
  renameStrategy = (id: string, name: string) =>
    this.send<Strategy>('PATCH', `api/strategies/${id}`, { name });
  deleteStrategy = (id: string) => this.send<void>('DELETE', `api/strategies/${id}`);
  checkStrategy = (code: string, signal?: AbortSignal) =>
    this.send<Outline>('POST', 'api/strategies/check', { code }, signal);
  startDebugging = (id: string, run: DebugCreate) =>
    this.send<DebugSession>('POST', `api/strategies/code/${id}/debug`, run);
  listDebugSessions = (strategyId: string) =>
    this.get<Page<DebugSession>>('api/debug-sessions', { strategy_id: strategyId, active: 'true' });
  getDebugSession = (id: string) => this.get<DebugSession>(`api/debug-sessions/${id}`);
  endDebugSession = (id: string) => this.send<DebugSession>('DELETE', `api/debug-sessions/${id}`);
  listTemplates = () => this.get<{ items: StrategyTemplate[] }>('api/strategies/templates');

  listDatasets = (cursor?: string | null) =>
    this.get<Page<Dataset>>('api/datasets', { limit: 100, cursor });
  getDataset = (id: string) => this.get<DatasetDetail>(`api/datasets/${id}`);
  renameDataset = (id: string, name: string) =>
    this.send<DatasetDetail>('PATCH', `api/datasets/${id}`, { name });
  deleteDataset = (id: string) => this.send<void>('DELETE', `api/datasets/${id}`);
  validateDataset = (id: string) => this.send<Report>('POST', `api/datasets/${id}/validate`);
  previewDataset = (id: string, query: Query) =>
    this.get<Preview>(`api/datasets/${id}/preview`, query);
  datasetDownload = (id: string, query: Query) => this.url(`api/datasets/${id}/download`, query);

  listBacktests = (cursor?: string | null, strategyId?: string) =>
    this.get<Page<Backtest>>('api/backtests', { limit: 50, cursor, strategy_id: strategyId });
  createBacktest = (backtest: BacktestCreate) =>
    this.send<Backtest>('POST', 'api/backtests', backtest);
  runBacktest = (id: string) => this.send<Job>('POST', `api/backtests/${id}/run`);
  getBacktest = (id: string) => this.get<Backtest>(`api/backtests/${id}`);
  cancelBacktest = (id: string) => this.send<Job>('POST', `api/backtests/${id}/cancel`);
  deleteBacktest = (id: string) => this.send<void>('DELETE', `api/backtests/${id}`);
  getResults = (id: string, points = 2000) =>
    this.get<BacktestResults>(`api/backtests/${id}/results`, { points });
  listTrades = (id: string, offset: number, limit: number, filter: TradeFilter) =>
    this.get<TradePage>(`api/backtests/${id}/trades`, { offset, limit, filter });
  getBars = (id: string, query: Query) => this.get<Series>(`api/backtests/${id}/bars`, query);
  listOrders = (id: string, query: Query) =>
    this.get<{ items: Order[] }>(`api/backtests/${id}/orders`, query);
  backtestExport = (id: string, table: string, format: string) =>
    this.url(`api/backtests/${id}/export`, { table, format });

  listJobs = (state: Job['state'], cursor?: string | null) =>
    this.get<Page<Job>>('api/jobs', { limit: 50, state, cursor });
  getJob = (id: string) => this.get<Job>(`api/jobs/${id}`);
  getLog = (id: string) => this.get<JobLog>(`api/jobs/${id}/log`);
  cancelJob = (id: string) => this.send<Job>('POST', `api/jobs/${id}/cancel`);

  /** The URL of a path under the base URL, with those parts of the query that have a value. */
  url(path: string, query: Query = {}): string {
    const given = Object.entries(query).filter(
      ([, value]) => value !== undefined && value !== null && value !== ''
    );
    const search = new URLSearchParams(given.map(([key, value]) => [key, String(value)]));
    const url = URLExt.join(this.settings.baseUrl, path);
    return given.length ? `${url}?${search}` : url;
  }

  private get<T>(path: string, query: Query = {}): Promise<T> {
    return this.request<T>(this.url(path, query), { method: 'GET' });
  }

  private send<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    return this.request<T>(this.url(path), {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal
    });
  }

  private async request<T>(url: string, init: RequestInit): Promise<T> {
    let response: Response;
    try {
      // 'default', because Jupyter's own 'no-store' puts a nameless argument into the query.
      // The server answers with Cache-Control: no-store.
      response = await ServerConnection.makeRequest(
        url,
        { ...init, cache: 'default' },
        this.settings
      );
    } catch (error) {
      if (init.signal?.aborted || !(error instanceof TypeError)) {
        throw error;
      }
      throw new ConnectionLost();
    }
    return readAnswer<T>(response.status, await response.text());
  }
}

/** The value of an answer; throws an ApiError when it is an error. */
export function readAnswer<T>(status: number, text: string): T {
  if (status === 204) {
    return undefined as T;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ApiError(status, `The server answered ${status} without JSON.`, 'no_json');
  }
  if (status >= 400) {
    const body = value as { message?: string; code?: string; field?: string };
    throw new ApiError(
      status,
      body.message ?? `The server answered ${status}.`,
      body.code ?? 'error',
      body.field ?? null
    );
  }
  return value as T;
}
