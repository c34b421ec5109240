import { Signal } from '@lumino/signaling';

import type { Client } from './api/client';
import { ConnectionLost } from './api/client';
import type { Job } from './api/schemas';
import { EVENT_SCHEMA, Lab } from './lab';

const job = (id: string, state: Job['state'], place: number | null = null) =>
  ({ id, state, place, subject_id: `b-${id}`, kind: 'backtest', title: id }) as Job;

/** A small server: its jobs and whether it answers can be changed. */
function smallServer() {
  const server = { jobs: [] as Job[], up: true, asked: [] as string[] };
  const answer = async <T>(what: string, value: () => T): Promise<T> => {
    server.asked.push(what);
    if (!server.up) {
      throw new ConnectionLost();
    }
    return value();
  };
  const empty = (what: string) => () => answer(what, () => ({ items: [], next: null }));
  const client = {
    listStrategies: empty('strategies'),
    listDatasets: empty('datasets'),
    listBacktests: empty('backtests'),
    listTemplates: empty('templates'),
    listJobs: (state: string) =>
      answer('jobs', () => ({
        items: server.jobs.filter(item => item.state === state),
        next: null
      })),
    createBacktest: () => answer('create', () => ({ id: 'b-own' })),
    runBacktest: () => answer('run', () => job('own', 'waiting')),
    getJob: (id: string) => answer('job', () => server.jobs.find(item => item.id === id)!),
    overview: () => answer('overview', () => ({ version: '1.0.0' }))
  };
  return { server, lab: new Lab(client as unknown as Client) };
}

describe('Lab', () => {
  it('lists what runs before what waits, in the order of the queue', async () => {
    const { server, lab } = smallServer();
    server.jobs = [job('c', 'waiting', 2), job('b', 'waiting', 1), job('a', 'running')];
    await lab.refreshJobs();
    expect(lab.jobs.items.map(item => item.id)).toEqual(['a', 'b', 'c']);
    expect([lab.running.length, lab.waiting.length]).toEqual([1, 2]);
  });

  it('tells once that a job is over, with how it ended', async () => {
    const { server, lab } = smallServer();
    const ended: string[] = [];
    lab.jobEnded.connect((_, over) => ended.push(`${over.id} ${over.state}`));
    server.jobs = [job('a', 'running')];
    await lab.refreshJobs();
    server.jobs = [job('a', 'failed')];
    await lab.refreshJobs();
    await lab.refreshJobs();
    expect(ended).toEqual(['a failed']);
  });

  it('tells its own runs, and those it met running, from those that others start', async () => {
    const { server, lab } = smallServer();
    server.jobs = [job('a', 'running')];
    await lab.refreshJobs();
    const id = await lab.startBacktest({ strategy_id: 's', dataset: 'd' });
    server.jobs.push(job('notebook', 'running'));
    await lab.refreshJobs();
    expect(['b-a', id, 'b-notebook'].map(backtest => lab.isOwn(backtest))).toEqual([
      true,
      true,
      false
    ]);
  });

  it('reads again what an event names, and nothing for another’s event', async () => {
    const { server, lab } = smallServer();
    const stream = new Signal<object, { schema_id: string }>({});
    lab.start({ events: { stream }, connectionFailure: new Signal({}) } as never);
    await new Promise(resolve => setTimeout(resolve, 10));
    server.asked = [];
    stream.emit({ schema_id: 'https://events.jupyter.org/other' });
    expect(server.asked).toEqual([]);
    stream.emit({ schema_id: EVENT_SCHEMA, kind: 'dataset', id: '1' } as never);
    expect(server.asked).toContain('datasets');
  });

  it('asks itself when another request met no server', async () => {
    const { server, lab } = smallServer();
    const connectionFailure = new Signal<object, Error>({});
    lab.start({ events: { stream: new Signal({}) }, connectionFailure } as never);
    await new Promise(resolve => setTimeout(resolve, 10));
    expect(lab.lostSince).toBeNull();
    server.up = false;
    connectionFailure.emit(new Error('no connection'));
    await new Promise(resolve => setTimeout(resolve, 10));
    expect(lab.lostSince).not.toBeNull();
  });

  it('remembers since when the server does not answer, and forgets it when it does', async () => {
    const { server, lab } = smallServer();
    server.up = false;
    await lab.refresh();
    expect(lab.lostSince).not.toBeNull();
    server.up = true;
    await lab.refresh();
    expect(lab.lostSince).toBeNull();
  });
});
