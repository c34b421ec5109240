import { ApiError, ConnectionLost } from './api/client';
import { assertExists } from './tabs';

describe('a tab of the saved layout', () => {
  it('is dropped where there is no such thing, and else opens whatever the answer', async () => {
    const gone = new ApiError(404, 'There is no backtest 7.', 'not_found');
    await expect(assertExists(Promise.reject(gone))).rejects.toBe(gone);
    await expect(assertExists(Promise.resolve({}))).resolves.toBeUndefined();
    await expect(assertExists(Promise.reject(new ConnectionLost()))).resolves.toBeUndefined();
    const failed = new ApiError(500, 'It failed.', 'error');
    await expect(assertExists(Promise.reject(failed))).resolves.toBeUndefined();
  });
});
