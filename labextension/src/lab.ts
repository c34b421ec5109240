import type { Event, ServiceManager } from '@jupyterlab/services';
import { Token } from '@lumino/coreutils';
import { Poll } from '@lumino/polling';
import { type ISignal, Signal } from '@lumino/signaling';

import { ConnectionLost, type Client } from './api/client';
import type {
  Backtest,
  BacktestCreate,
  Dataset,
  Job,
  Overview,
  Strategy,
  StrategyTemplate
} from './api/schemas';
import { Collection } from './collection';

/** The schema of the lab's events on Jupyter's event bus. */
export const EVENT_SCHEMA = 'https://alphintra.dev/events/change/v1';

/** The longest that a lost server goes unnoticed while nothing runs, in milliseconds. */
const SILENCE = 10_000;

/** Something changed on the server; what it is now is asked over REST. */
export type Change = {
  kind: 'job' | 'backtest' | 'strategy' | 'dataset' | 'debug';
  id: string;
  status: string;
  progress: number;
};

export const ILab = new Token<Lab>(
  'alphintra-lab:ILab',
  'The lab as the page knows it: its lists, its running jobs, and what changed.'
);

/** What all panels share: the client, the lists, the running jobs and the state of the line. */
export class Lab {
  constructor(readonly client: Client) {
    this.strategies = new Collection<Strategy>(client.listStrategies);
    this.datasets = new Collection<Dataset>(client.listDatasets);
    this.backtests = new Collection<Backtest>(cursor => client.listBacktests(cursor));
    this.templates = new Collection<StrategyTemplate>(async () => ({
      ...(await client.listTemplates()),
      next: null
    }));
    this.jobs = new Collection<Job>(async () => {
      const [running, waiting] = await Promise.all([
        client.listJobs('running'),
        client.listJobs('waiting')
      ]);
      // A job may start between the two answers: it is listed once, as running.
      const seen = new Set(running.items.map(job => job.id));
      const queue = waiting.items
        .filter(job => !seen.has(job.id))
        .sort((a, b) => (a.place ?? 0) - (b.place ?? 0));
      return { items: [...running.items, ...queue], next: null };
    });
    this._poll = new Poll({
      auto: false,
      name: 'alphintra-lab:poll',
      factory: () => this._tick(),
      frequency: { interval: 2000, backoff: true, max: 30_000 },
      standby: 'when-hidden'
    });
  }

  readonly strategies: Collection<Strategy>;
  readonly datasets: Collection<Dataset>;
  readonly backtests: Collection<Backtest>;
  readonly templates: Collection<StrategyTemplate>;
  /** The jobs that run or wait. */
  readonly jobs: Collection<Job>;
  overview: Overview | null = null;
  /** Since when the server does not answer, in milliseconds; null while it does. */
  lostSince: number | null = null;
  /** When it is asked again. */
  nextTry: number | null = null;

  /** The overview or the state of the connection changed. */
  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  /** The server told of a change. */
  get changed(): ISignal<this, Change> {
    return this._changed;
  }

  /** A job that ran or waited here is over. */
  get jobEnded(): ISignal<this, Job> {
    return this._jobEnded;
  }

  get running(): Job[] {
    return this.jobs.items.filter(job => job.state === 'running');
  }

  get waiting(): Job[] {
    return this.jobs.items.filter(job => job.state === 'waiting');
  }

  /** Why a list could not be read; null while its old items, or the banner, say enough. */
  failureOf(list: Collection<{ id: string }>): string | null {
    return list.ready && this.lostSince !== null ? null : list.error;
  }

  /** Listen to the server and read the lists for the first time. */
  start(services: Pick<ServiceManager.IManager, 'events' | 'connectionFailure'>): void {
    services.events.stream.connect((_, emission) => this._hear(emission));
    // JupyterLab's own requests may be the first to fail.
    services.connectionFailure.connect(() => void this._refreshOverview());
    void this._poll.start();
    void this.refresh();
  }

  /** Read everything again. */
  async refresh(): Promise<void> {
    await Promise.all([
      this.refreshJobs(),
      this.strategies.refresh(),
      this.datasets.refresh(),
      this.backtests.refresh(),
      this.templates.ready ? undefined : this.templates.refresh(),
      this._refreshOverview()
    ]);
  }

  /** Define a backtest and start it; gives back its id. */
  async startBacktest(create: BacktestCreate): Promise<string> {
    const { id } = await this.client.createBacktest(create);
    await this.client.runBacktest(id);
    this._own.add(id);
    void this.refreshJobs();
    void this.backtests.refresh();
    return id;
  }

  /** Whether this page started a backtest, or met it running: no other place tells how it ended. */
  isOwn(backtest: string): boolean {
    return this._own.has(backtest);
  }

  /** Read what runs; when one of them is over, read what it left behind. */
  async refreshJobs(): Promise<void> {
    const { items: before, ready } = this.jobs;
    await this.jobs.refresh();
    if (this.jobs.error !== null) {
      return;
    }
    if (!ready) {
      this.jobs.items.forEach(job => this._own.add(job.subject_id));
    }
    const active = new Set(this.jobs.items.map(job => job.id));
    const over = before.filter(job => !active.has(job.id) && !this._told.has(job.id));
    over.forEach(job => this._told.add(job.id));
    if (over.length > 0) {
      await Promise.all([
        this.backtests.refresh(),
        this.strategies.refresh(),
        this._refreshOverview()
      ]);
      for (const job of over) {
        this._jobEnded.emit(await this.client.getJob(job.id));
      }
    }
  }

  /** Ask the server now, without waiting for the next try. */
  async tryNow(): Promise<void> {
    await this._poll.refresh();
  }

  private async _tick(): Promise<void> {
    if (this.lostSince !== null) {
      await this._refreshOverview();
      if (this.lostSince !== null) {
        this.nextTry = Date.now() + Math.min(this._poll.frequency.interval * 2, 30_000);
        this._stateChanged.emit();
        throw new ConnectionLost();
      }
      await this.refresh();
    } else if (this.jobs.items.length > 0) {
      await this.refreshJobs();
      if (this.jobs.error !== null) {
        await this._refreshOverview();
      }
    } else if (Date.now() - this._asked >= SILENCE) {
      await this._refreshOverview();
    }
  }

  private async _refreshOverview(): Promise<void> {
    this._asked = Date.now();
    try {
      this.overview = await this.client.overview();
      this.lostSince = null;
      this.nextTry = null;
    } catch (error) {
      if (!(error instanceof ConnectionLost)) {
        // The server answers, so the line is up; the lists say what they could not read.
        this.lostSince = null;
      } else {
        this.lostSince ??= Date.now();
        this.nextTry = Date.now() + this._poll.frequency.interval;
      }
    }
    this._stateChanged.emit();
  }

  private _hear(emission: Event.Emission): void {
    if (emission.schema_id !== EVENT_SCHEMA) {
      return;
    }
    const change = emission as unknown as Change;
    this._changed.emit(change);
    switch (change.kind) {
      case 'job':
        void this.refreshJobs();
        if (change.status !== 'waiting' && change.status !== 'running') {
          // It may have ended before it was ever seen in the list of those that run.
          void this.backtests.refresh();
          void this.strategies.refresh();
        }
        break;
      case 'backtest':
        void this.backtests.refresh();
        void this.strategies.refresh();
        break;
      case 'strategy':
        void this.strategies.refresh();
        void this._refreshOverview();
        break;
      case 'dataset':
        void this.datasets.refresh();
        void this._refreshOverview();
        break;
    }
  }

  private _poll: Poll;
  private _asked = 0;
  private _told = new Set<string>();
  private _own = new Set<string>();
  private _stateChanged = new Signal<this, void>(this);
  private _changed = new Signal<this, Change>(this);
  private _jobEnded = new Signal<this, Job>(this);
}
