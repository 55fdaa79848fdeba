/** What `npm run bench` is told on its command line. */
import { parseArgs } from 'node:util';
import { measurements } from './figures/all.ts';
import { setNames } from './rows.ts';
import { UsageError } from './usage-error.ts';

/** What a run does. */
export interface BenchOptions {
  readonly rows: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUp: number;
  readonly users: number;
  readonly quick: boolean;
  /** Where the result is written. */
  readonly out: string;
  /** The table and the chart of the docs are drawn from the result. */
  readonly docs: boolean;
}

/** What `--help` prints. */
export const usage = `npm run bench -- [options]         Gatehouse beside nginx, HAProxy, Apache, LemonLDAP::NG and Node's proxies
npm run bench shift                a shift begins: thousands of logins at a directory that stops (--help)
npm run bench draw [FILE]          writes the table and the chart of docs/performance.md from a result
npm run bench decide               the CPU time of one decision
npm run bench outage               local logins while a directory is dead
npm run bench workers              two workers beside one, and connections lost when one is killed

One CPU is the proxy's, another the load's; rounds take turns; whatever is timed is verified before and meanwhile.
A run of everything takes about half an hour, and installs what it lacks from Debian.

  --rows A,B      sets, contenders or set/contender, with * for any; all when absent.
                  Sets: ${setNames.join(', ')}
                  Others: ${measurements.map(({ name }) => name).join(', ')}
                  --rows core/gatehouse,tls runs one row of core beside nginx, and all of tls
  --rounds N      rounds of each row; the median counts (5)
  --seconds N     length of a round (3)
  --warm-up N     requests before the first round, by count (50000)
  --users N       users signed in at once (200)
  --quick         2 rounds of 1 s after 5000 requests: whether it works, not how fast it is
  --out FILE      where the result goes as JSON (bench-results/<time>.json)
  --docs          also writes docs/performance.json and draws the table and the chart of the docs
  --help          this
`;

/** Reads the words; undefined when help is asked for. */
export function readOptions(words: readonly string[], now = new Date()): BenchOptions | undefined {
  const { values, positionals } = parse(words);
  if (values.help) return undefined;
  if (positionals.length > 0) throw new UsageError(`unknown: ${positionals.join(' ')}`);
  const quick = values.quick ?? false;
  return {
    rows: (values.rows ?? '').split(',').filter((word) => word !== ''),
    rounds: count('rounds', values.rounds, quick ? 2 : 5),
    seconds: count('seconds', values.seconds, quick ? 1 : 3),
    warmUp: count('warm-up', values['warm-up'], quick ? 5000 : 50_000),
    users: count('users', values.users, 200),
    quick,
    out: values.out ?? `bench-results/${now.toISOString().slice(0, 19).replaceAll(':', '')}.json`,
    docs: values.docs ?? false,
  };
}

function parse(words: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = {
    ...{ rows: text, rounds: text, seconds: text, 'warm-up': text, users: text, out: text },
    ...{ quick: flag, docs: flag, help: flag },
  };
  try {
    return parseArgs({ args: [...words], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function count(name: string, given: string | undefined, usual: number): number {
  const value = given === undefined ? usual : Number(given);
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`--${name} must be a whole number of 1 or more, not ${given}`);
  return value;
}
