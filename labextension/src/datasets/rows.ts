import type { DatasetDetail } from '../api/schemas';

/**
 * Where a row of the uploaded file stands among the stored bars, which are sorted by time and hold
 * each time once; null where it was left out, or where that cannot be told.
 */
export function placeOfRow({ dataset, report }: DatasetDetail, row: number): number | null {
  const found = (check: string) => report.findings.find(finding => finding.check === check);
  if (dataset.symbols.length > 1 || found('unsorted_time')) {
    return null;
  }
  const empty = found('missing_time');
  const repeated = found('duplicated_time');
  if ([empty, repeated].some(finding => finding && finding.count > finding.rows.length)) {
    return null;
  }
  if (empty?.rows.includes(row)) {
    return null;
  }
  // Of two rows with one time the later stayed.
  const gone =
    (empty?.rows ?? []).filter(other => other < row).length +
    (repeated?.rows ?? []).filter(other => other <= row).length;
  return row - gone;
}
