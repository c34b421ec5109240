import type { DatasetDetail } from '../api/schemas';
import { placeOfRow } from './rows';

const detail = (findings: [check: string, rows: number[], count?: number][], symbols = ['A']) =>
  ({
    dataset: { symbols },
    report: {
      score: 1,
      findings: findings.map(([check, rows, count]) => ({
        check,
        rows,
        count: count ?? rows.length
      }))
    }
  }) as unknown as DatasetDetail;

describe('a row of the file', () => {
  it('is found where nothing was left out', () => {
    expect(placeOfRow(detail([['high_below_low', [17]]]), 17)).toBe(17);
  });

  it('moves up by the rows that were left out before it', () => {
    const report = detail([
      ['missing_time', [3]],
      ['duplicated_time', [10]]
    ]);
    // Row 9 had the time of row 10 and went.
    expect([2, 3, 4, 10, 11].map(row => placeOfRow(report, row))).toEqual([2, null, 3, 8, 9]);
  });

  it('cannot be told in a sorted file, one of many symbols, or with unnamed repeats', () => {
    expect(placeOfRow(detail([['unsorted_time', [3]]]), 5)).toBeNull();
    expect(placeOfRow(detail([], ['A', 'B']), 5)).toBeNull();
    expect(placeOfRow(detail([['duplicated_time', [1], 200]]), 5)).toBeNull();
  });
});
