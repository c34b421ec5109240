import type { BacktestResults, Check, Dataset, Job } from '../api/schemas';
import type { StateName } from '../components/icons';
import { plural, ratio, shortHash } from '../format';

/** A chip, and the check in the right column that it opens. */
export type CheckLine = {
  key: string;
  state: StateName;
  title: string;
  /** A word or two in the chip. */
  brief: string;
  /** The sentences in the column. */
  sentences: string[];
};

const TITLES: Record<string, [passed: string, failed: string, open: string]> = {
  look_ahead: ['No look-ahead found', 'Look-ahead', 'Look-ahead not assessed'],
  warm_up: ['Warm-up stable', 'Warm-up', 'Warm-up not assessed'],
  determinism: ['Deterministic', 'Not deterministic', 'Determinism not assessed'],
  sanity: ['Books balance', 'Books do not balance', 'Books not assessed']
};

/** The key of the line about the data. */
export const DATA = 'data';

/** The checks that run the strategy again, after the numbers are there. */
const RERUNS: Record<string, string> = {
  look_ahead: 'Look-ahead',
  warm_up: 'Warm-up',
  determinism: 'Determinism'
};

/** How hard a passed check looked, in two words, from its sentence. */
const BRIEFS: Record<string, (power: string) => string> = {
  look_ahead: power => counted(power, /([\d,]+) with the future perturbed/, 'cut'),
  warm_up: power => counted(power, /^([\d,]+) histor/, 'start'),
  determinism: power => /^Ran ([\w ]+?)[,.]/.exec(power)?.[1].replace(/^/, 'same ledger ') ?? '',
  sanity: () => 'to the cent'
};

/** Whether a job still works on its result. */
export function isActive(job: Job | null | undefined): boolean {
  return job?.state === 'running' || job?.state === 'waiting';
}

/**
 * The checks as lines: problems first, then what is open or not assessable, then what passed.
 * `dataset`: the run's, as it is now; null where it is gone, undefined before that is known.
 */
export function describeChecks(
  results: BacktestResults,
  job: Job | null = results.backtest.job,
  dataset?: Dataset | null
): CheckLine[] {
  const lines = Object.entries(results.checks).map(([key, check]) =>
    isActive(job) && key in RERUNS ? describeOpen(key, job!) : describeCheck(key, check)
  );
  lines.push(describeFills(results), describeData(results, dataset));
  const { overrides } = results.backtest.settings;
  if (overrides.length > 0) {
    lines.push({
      key: 'override',
      state: 'triangle',
      title: 'Override',
      brief: overrides.join(', '),
      sentences: [`Errors in the data were accepted by name: ${overrides.join(', ')}.`]
    });
  }
  const order: StateName[] = ['octagon', 'triangle', 'circle', 'tick'];
  return lines.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
}

/** The place in the code that a leak probably comes through; null where none is named. */
export function leakLine(results: BacktestResults): { file: string; line: number } | null {
  const said = results.checks.look_ahead?.findings[0] ?? '';
  const found = /through (\S+) line (\d+)/.exec(said);
  return found && { file: found[1], line: Number(found[2]) };
}

function describeOpen(key: string, job: Job): CheckLine {
  const cut = key === 'look_ahead' ? /cut (\d+ of \d+)/.exec(job.step ?? '')?.[1] : undefined;
  return {
    key,
    state: 'circle',
    title: RERUNS[key],
    brief: cut ?? 'waits',
    sentences: ['The strategy is being run again; what that shows is judged at the end.']
  };
}

function describeCheck(key: string, check: Check): CheckLine {
  const name = key.replace(/_/g, ' ');
  const [passed, failed, open] = TITLES[key] ?? [name, name, `${name} not assessed`];
  const { findings, power } = check;
  if (check.passed === null) {
    const sentences = findings.map(close);
    return { key, state: 'circle', title: open, brief: '', sentences };
  }
  const sentences = [...findings, power].filter(Boolean).map(close);
  if (check.passed) {
    return { key, state: 'tick', title: passed, brief: BRIEFS[key]?.(power) ?? '', sentences };
  }
  return {
    key,
    // What the verdict says of them: numbers that are false, or a run that is not verified.
    state: key === 'look_ahead' || key === 'sanity' ? 'octagon' : 'triangle',
    title: failed,
    brief: /[\d,]+ of [\d,]+ cuts?|^[\d,]+ decisions? changes?/.exec(findings[0] ?? '')?.[0] ?? '',
    sentences
  };
}

function describeFills(results: BacktestResults): CheckLine {
  const fills = /^([\d,]+) fill/.exec(results.checks.sanity?.power ?? '')?.[1];
  const all = fills ? `${fills} of ${fills}` : '';
  return results.backtest.settings.fill === 'next_open'
    ? {
        key: 'fills',
        state: 'tick',
        title: 'Fills at next open',
        brief: all,
        sentences: ['Every order filled at the open after the close it was decided on.']
      }
    : {
        key: 'fills',
        state: 'triangle',
        title: 'Unsafe fills',
        brief: all ? `same close, ${all}` : 'same close',
        sentences: [
          'Every order filled at the close it was decided on. Nobody can trade at a price that is known only once the bar is over.'
        ]
      };
}

/** The data that the run used; a later version's report says nothing of it. */
function describeData(results: BacktestResults, dataset?: Dataset | null): CheckLine {
  const { dataset_name: name, dataset_version: version } = results.backtest;
  const hash = results.dataset_sha256;
  const used = `${name}, version ${version}, sha256 ${shortHash(hash)}.`;
  const line = { key: DATA, state: 'circle', title: 'Data passport' } as const;
  const brief = `version ${version}`;
  if (!dataset) {
    const gone = dataset === null ? ['The dataset is no longer in the lab.'] : [];
    return { ...line, brief, sentences: [used, ...gone] };
  }
  if (dataset.sha256 !== hash) {
    const newer = `The dataset is at version ${dataset.version} now; its passport is of that one.`;
    return { ...line, brief: `${brief} of ${dataset.version}`, sentences: [used, newer] };
  }
  const { errors, warnings } = dataset;
  const found = [
    ...(errors > 0 ? [plural(errors, 'error')] : []),
    ...(warnings > 0 ? [plural(warnings, 'warning')] : [])
  ].join(', ');
  return {
    ...line,
    state: found ? 'triangle' : 'tick',
    title: `Data passport ${ratio(dataset.score)}`,
    brief: found || brief,
    sentences: [
      used,
      found ? `The checks of the data found ${found}.` : 'Its checks found nothing.'
    ]
  };
}

function counted(power: string, pattern: RegExp, one: string): string {
  const found = pattern.exec(power)?.[1];
  return found ? plural(Number(found.replace(/,/g, '')), one) : '';
}

/** The sentence with its full stop. */
const close = (text: string): string => (/[.?!]$/.test(text) ? text : `${text}.`);
