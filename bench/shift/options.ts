/** What `npm run bench shift` is told on its command line. */
import { parseArgs } from 'node:util';
import { UsageError } from '../usage-error.ts';

/** When agents come: evenly, most of them at the beginning, or most in the middle. */
export type Curve = 'even' | 'front' | 'bell';

/** A shift. */
export interface ShiftOptions {
  readonly agents: number;
  readonly seconds: number;
  readonly curve: Curve;
  readonly pollSeconds: number;
  /** How long the directory is away in the middle of the arrivals; 0 is not at all. */
  readonly outage: number;
  readonly jitterSeconds: number;
  readonly workers: number;
  /** Each login takes the code of an app, too. */
  readonly totp: boolean;
  /** Each login takes the touch of a security key instead. */
  readonly keys: boolean;
}

/** What `--help` prints. */
export const shiftUsage = `npm run bench shift -- [options]   a shift begins: agents sign in at a real slapd, open a WebSocket each, and poll

The directory stops in the middle and comes back; at the end every WebSocket is cut at once and comes back.
Gateway, slapd, upstream and agents share the machine.

  --agents N      5000
  --seconds N     within which they sign in (60)
  --curve NAME    even, front (most at the beginning), bell (most in the middle) (even)
  --poll N        seconds between two polls of an agent (2)
  --outage N      seconds that the directory is away in the middle of the arrivals, 0 for none (20)
  --jitter N      seconds within which the WebSockets come back (5)
  --workers N     server.workers (1)
  --totp          each login takes the code of an authenticator app, too
  --keys          each login takes a security key, made of software, instead
  --help          this
`;

/** How agents are spread over the time: the share of it that has passed when an agent comes, who has this share of the others before. */
export const arrivals: Readonly<Record<Curve, (share: number) => number>> = {
  even: (share) => share,
  front: (share) => share * share,
  bell: (share) => 0.5 - Math.asin(1 - 2 * share) / Math.PI,
};

/** Reads the words; undefined when help is asked for. */
export function readShiftOptions(words: readonly string[]): ShiftOptions | undefined {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...words],
    options: {
      ...{ agents: text, seconds: text, curve: text, poll: text, outage: text, jitter: text, workers: text },
      ...{ totp: { type: 'boolean' }, keys: { type: 'boolean' }, help: { type: 'boolean' } },
    },
  });
  if (values.help) return undefined;
  const { curve = 'even' } = values;
  if (!(curve in arrivals))
    throw new UsageError(`--curve must be one of ${Object.keys(arrivals).join(', ')}, not ${curve}`);
  return {
    agents: amount('agents', values.agents, 5000, 1),
    seconds: amount('seconds', values.seconds, 60, 1),
    curve: curve as Curve,
    pollSeconds: amount('poll', values.poll, 2, 0.1),
    outage: amount('outage', values.outage, 20, 0),
    jitterSeconds: amount('jitter', values.jitter, 5, 0),
    workers: amount('workers', values.workers, 1, 1),
    totp: values.totp ?? false,
    keys: values.keys ?? false,
  };
}

function amount(name: string, given: string | undefined, usual: number, least: number): number {
  const value = given === undefined ? usual : Number(given);
  if (!(value >= least)) throw new UsageError(`--${name} must be a number of ${least} or more, not ${given}`);
  return value;
}
