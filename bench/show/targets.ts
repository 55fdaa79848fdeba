/** What the gateway is to reach, and what a result says of it. */
import type { Result, Row } from '../measure/result.ts';

/** One line of the targets. */
export interface Target {
  readonly title: string;
  readonly wanted: string;
  /** What was measured, in the words of the table; undefined where the run did not measure it. */
  readonly measured: string | undefined;
  readonly isMet: boolean;
}

/** A figure with its bound. */
interface Bound {
  readonly title: string;
  readonly value: number | undefined;
  readonly atLeast?: number;
  readonly atMost?: number;
  readonly unit?: string;
  readonly digits?: number;
}

/** Whoever decides about each request by a user; forward auth to a constant knows nobody. */
const authenticates = /^(?:apache-|lemonldap$)/;

/** Every target beside what was measured. */
export function targetsOf(result: Result): Target[] {
  const row = (set: string, contender: string): Row | undefined =>
    result.sets.find(({ name }) => name === set)?.rows.find((one) => one.contender === contender);
  const figure = (name: string): number | undefined => result.figures.find((one) => one.name === name)?.value;
  const cpu = (set: string, contender: string): number | undefined => row(set, contender)?.ofReference.cpu;
  const peers = (result.sets.find(({ name }) => name === 'core')?.rows ?? []).filter(({ contender }) =>
    authenticates.test(contender),
  );
  const own = row('core', 'gatehouse');
  const fastest =
    peers.length > 0 && own ? Math.min(...peers.map(({ cpuMicros }) => cpuMicros)) / own.cpuMicros : undefined;
  const [few, many] = [row('users', 'gatehouse-10')?.memory.end, row('users', 'gatehouse-10000')?.memory.end];
  const memoryOf10000 = few === undefined || many === undefined ? undefined : many - few;
  return [
    {
      title: 'live session, assertion, audit, the same heads: CPU of nginx / ours',
      value: cpu('core', 'gatehouse'),
      atLeast: 0.5,
    },
    { title: 'the same by requests a second', value: own?.ofReference.perSecond, atLeast: 0.55 },
    { title: 'the same, all heads different, by CPU', value: cpu('heads', 'gatehouse'), atLeast: 0.42 },
    { title: 'CPU of the fastest authenticating peer / ours', value: fastest, atLeast: 2 },
    { title: 'public route, by CPU', value: cpu('core', 'gatehouse-public'), atLeast: 0.65 },
    { title: 'TLS, beside nginx with TLS, by CPU', value: cpu('tls', 'gatehouse-tls'), atLeast: 0.45 },
    {
      title: 'forward auth behind nginx, of nginx with auth_request to a constant 200, by CPU',
      value: cpu('forward-auth', 'gatehouse-forward-auth'),
      atLeast: 0.7,
    },
    { title: 'without the lane, by CPU', value: cpu('core', 'gatehouse-without-lane'), atLeast: 0.17 },
    {
      title: 'CPU a request with two workers / with one',
      value: inverse(cpu('workers', 'gatehouse-2-workers')),
      atMost: 1.1,
    },
    { title: 'added at 1,000 requests a second over nginx, p50', value: figure('added-p50'), atMost: 0.3, unit: 'ms' },
    { title: 'the same, p99', value: figure('added-p99'), atMost: 2, unit: 'ms' },
    {
      title: 'CPU with 1,000 routes of 300 lengths / with 10',
      value: inverse(cpu('routes', 'gatehouse-1000-routes')),
      atMost: 1.2,
    },
    { title: 'memory after the start', value: own?.memory.start, atMost: 150, unit: 'MB', digits: 0 },
    { title: 'memory after 50,000 requests', value: own?.memory.warm, atMost: 220, unit: 'MB', digits: 0 },
    { title: 'memory of an idle WebSocket', value: figure('websocket-memory'), atMost: 20, unit: 'KB', digits: 1 },
    {
      title: 'memory of 10,000 sessions in use',
      value: memoryOf10000,
      atMost: 15,
      unit: 'MB',
      digits: 1,
    },
    { title: 'logins by form and LDAP on one core', value: figure('logins-ldap'), atLeast: 700, unit: '/s', digits: 0 },
    { title: 'shift change: failed logins', value: figure('shift-failed'), atMost: 0, digits: 0 },
    { title: 'shift change: p99 of a login', value: figure('shift-p99'), atMost: 2, unit: 's' },
  ].map(targetOf);
}

function inverse(value: number | undefined): number | undefined {
  return value === undefined ? undefined : 1 / value;
}

function targetOf({ title, value, atLeast, atMost, unit, digits = 2 }: Bound): Target {
  const suffix = unit === undefined ? '' : unit.startsWith('/') ? unit : ` ${unit}`;
  return {
    title,
    wanted: atLeast === undefined ? `≤ ${atMost}${suffix}` : `≥ ${atLeast}${suffix}`,
    measured: value === undefined ? undefined : `${value.toFixed(digits)}${suffix}`,
    isMet:
      value !== undefined && (atLeast === undefined || value >= atLeast) && (atMost === undefined || value <= atMost),
  };
}
