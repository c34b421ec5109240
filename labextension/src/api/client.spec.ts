import { ServerConnection } from '@jupyterlab/services';

import { ApiError, Client, ConnectionLost, readAnswer } from './client';
import { nameFromFile } from './upload';

type Call = { url: string; init: RequestInit };

function clientWith(answer: () => Response): { client: Client; calls: Call[] } {
  const calls: Call[] = [];
  const settings = ServerConnection.makeSettings({
    baseUrl: 'http://lab.test/user/ann/',
    token: 'secret',
    // A small stand-in for the network: it only remembers what it was asked.
    fetch: async (request: RequestInfo | URL) => {
      const { url } = request as Request;
      calls.push({ url, init: request as unknown as RequestInit });
      return answer();
    }
  });
  return { client: new Client(settings), calls };
}

const json = (status: number, value: unknown) => new Response(JSON.stringify(value), { status });

describe('Client', () => {
  it('asks under the base URL, with the given parts of the query only', async () => {
    const { client, calls } = clientWith(() => json(200, { items: [], next: null }));
    await client.listBacktests(null, 'abc');
    expect(calls[0].url).toBe('http://lab.test/user/ann/api/backtests?limit=50&strategy_id=abc');
  });

  it('sends JSON, and the token', async () => {
    const { client, calls } = clientWith(() => json(201, { id: '1' }));
    await client.createStrategy('SmaCross', 'sma_cross');
    const request = calls[0].init as unknown as Request;
    expect(request.method).toBe('POST');
    expect(request.headers.get('Authorization')).toBe('token secret');
    expect(await request.json()).toEqual({ name: 'SmaCross', template: 'sma_cross' });
  });

  it('throws the server’s own words for an error, with code and field', async () => {
    const body = { message: 'cash=0: must be above 0', code: 'invalid', field: 'cash' };
    const { client } = clientWith(() => json(422, body));
    await expect(client.getBacktest('1')).rejects.toMatchObject({ status: 422, ...body });
  });

  it('says that the line is down when nothing answers', async () => {
    const { client } = clientWith(() => {
      throw new TypeError('Failed to fetch');
    });
    await expect(client.overview()).rejects.toBeInstanceOf(ConnectionLost);
  });

  it('escapes what goes into a URL', () => {
    const { client } = clientWith(() => json(200, {}));
    expect(client.backtestExport('1', 'a&b', 'csv')).toContain('table=a%26b&format=csv');
  });
});

describe('readAnswer', () => {
  it('takes an empty answer for nothing', () => {
    expect(readAnswer<void>(204, '')).toBeUndefined();
  });

  it('does not choke on an answer that is no JSON', () => {
    expect(() => readAnswer(502, '<html>Bad gateway</html>')).toThrow(ApiError);
  });
});

describe('nameFromFile', () => {
  it('makes a name of the file’s', () => {
    expect(nameFromFile('Binance 1h.csv.gz')).toBe('binance-1h');
    expect(nameFromFile('prices.PARQUET')).toBe('prices');
    expect(nameFromFile('ÄÖ.csv')).toBe('dataset');
  });
});
