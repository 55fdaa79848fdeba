/** Which contenders stand in which set, under which load, and beside whom. */
import { apacheCas, apacheGssapi, apacheLdap, apacheOpenidc } from './contenders/apache-modules.ts';
import type { Contender, Ground } from './contenders/contender.ts';
import { gatehouse, gatehouseForwardAuth, type Variant } from './contenders/gatehouse.ts';
import { gatehouseRedis } from './contenders/gatehouse-redis.ts';
import { haproxy } from './contenders/haproxy.ts';
import { lemonldap } from './contenders/lemonldap.ts';
import { nginxAuthRequest, nginxPlain, nginxTls } from './contenders/nginx.ts';
import { bareUndici, fastifyHttpProxy, httpProxyMiddleware } from './contenders/node-peers.ts';
import { locationsOf, manyRoutes } from './contenders/routes.ts';
import { measurements } from './figures/all.ts';
import type { Measurement } from './figures/figure.ts';
import type { SetPlan } from './measure/compare.ts';
import type { Shape } from './measure/load.ts';

type Start = (ground: Ground) => Promise<Contender>;

function variant(wanted: Variant): Start {
  return (ground) => gatehouse(ground, wanted);
}

/** One with so many locations, of 300 lengths, that the bench asks for in turn. */
function routed(name: string, count: number): Start {
  const title = `Gatehouse, ${count.toLocaleString('en')} routes of up to 300 lengths`;
  return (ground) => gatehouse(ground, { name, title, routes: manyRoutes(count, ground.upstream) });
}

/** Every contender by its name. */
const contenders: Readonly<Record<string, Start>> = {
  nginx: nginxPlain,
  haproxy,
  'nginx-auth-request': nginxAuthRequest,
  'apache-openidc': apacheOpenidc,
  'apache-gssapi': apacheGssapi,
  'apache-ldap': apacheLdap,
  'apache-cas': apacheCas,
  lemonldap,
  'http-proxy-middleware': httpProxyMiddleware,
  'fastify-http-proxy': fastifyHttpProxy,
  undici: bareUndici,
  'gatehouse-public': variant({
    name: 'gatehouse-public',
    title: 'Gatehouse, public route',
    isPublic: true,
    audit: false,
  }),
  'gatehouse-session': variant({
    name: 'gatehouse-session',
    title: 'Gatehouse, session and assertion, no audit',
    audit: false,
  }),
  gatehouse: variant({ name: 'gatehouse', title: 'Gatehouse, session, assertion, audit' }),
  'gatehouse-10': variant({ name: 'gatehouse-10', title: 'Gatehouse, 10 users', users: 10 }),
  'gatehouse-without-lane': variant({
    name: 'gatehouse-without-lane',
    title: 'Gatehouse, the same without the lane',
    server: { lane: false },
  }),
  'gatehouse-10000': variant({ name: 'gatehouse-10000', title: 'Gatehouse, 10,000 users', users: 10_000 }),
  'gatehouse-100000': variant({ name: 'gatehouse-100000', title: 'Gatehouse, 100,000 users', users: 100_000 }),
  'gatehouse-10-routes': routed('gatehouse-10-routes', 10),
  'gatehouse-1000-routes': routed('gatehouse-1000-routes', 1000),
  'gatehouse-2-workers': variant({
    name: 'gatehouse-2-workers',
    title: 'Gatehouse, two workers on one CPU',
    server: { workers: 2 },
  }),
  'gatehouse-redis': gatehouseRedis,
  'gatehouse-level-2': variant({
    name: 'gatehouse-level-2',
    title: 'Gatehouse, a location that asks for a second factor',
    factor: 'app',
  }),
  'gatehouse-forward-auth': gatehouseForwardAuth,
  'nginx-tls': nginxTls,
  'gatehouse-tls': variant({ name: 'gatehouse-tls', title: 'Gatehouse, session, assertion, audit, TLS', tls: true }),
};

const page: Shape = { differs: 'nothing', path: '/page', body: 0, connections: 64 };

/** A set before names are looked up. */
interface Set {
  readonly title: string;
  readonly shape: Shape;
  readonly reference?: string;
  readonly warmUp?: number;
  readonly contenders: readonly string[];
}

const sets: Readonly<Record<string, Set>> = {
  core: {
    title: 'the same heads again and again (polling), 1 KB',
    shape: page,
    contenders: [
      ...['nginx', 'haproxy', 'nginx-auth-request', 'apache-openidc', 'apache-gssapi', 'apache-ldap', 'apache-cas'],
      ...['lemonldap', 'http-proxy-middleware', 'fastify-http-proxy', 'undici'],
      ...['gatehouse-public', 'gatehouse-session', 'gatehouse', 'gatehouse-without-lane'],
    ],
  },
  heads: {
    title: 'all heads different (a counter in a header), 1 KB',
    shape: { ...page, differs: 'heads' },
    contenders: ['nginx', 'apache-ldap', 'gatehouse-public', 'gatehouse', 'gatehouse-without-lane'],
  },
  referers: {
    title: 'a counter in a header that is read (Referer), 1 KB',
    shape: { ...page, differs: 'referers' },
    contenders: ['nginx', 'gatehouse-public', 'gatehouse'],
  },
  targets: {
    title: '20,000 paths with queries that all differ, 1 KB',
    shape: { ...page, differs: 'targets' },
    contenders: ['nginx', 'apache-ldap', 'gatehouse-public', 'gatehouse', 'gatehouse-without-lane'],
  },
  users: {
    title: '10 to 100,000 users in turn, 1 KB: tokens are signed anew every 20 s for each',
    shape: page,
    contenders: ['nginx', 'gatehouse-10', 'gatehouse-10000', 'gatehouse-100000'],
  },
  routes: {
    title: '300 locations of as many lengths in turn, 1 KB',
    shape: { ...page, differs: 'locations', locations: locationsOf(300).map((location) => `${location}page`) },
    reference: 'gatehouse-10-routes',
    contenders: ['gatehouse-10-routes', 'gatehouse-1000-routes'],
  },
  workers: {
    title: 'two workers that share one CPU, and the store in Redis, 1 KB',
    shape: page,
    reference: 'gatehouse',
    contenders: ['gatehouse', 'gatehouse-2-workers', 'gatehouse-redis'],
  },
  levels: {
    title: 'a live session at a location with level: 2, beside one without levels, 1 KB',
    shape: page,
    reference: 'gatehouse',
    contenders: ['gatehouse', 'gatehouse-level-2'],
  },
  tls: {
    title: 'TLS to the client, 1 KB',
    shape: page,
    reference: 'nginx-tls',
    contenders: ['nginx-tls', 'gatehouse-tls'],
  },
  'forward-auth': {
    title: 'another proxy carries the request and asks about it, 1 KB',
    shape: page,
    reference: 'nginx-auth-request',
    contenders: ['nginx-auth-request', 'gatehouse-forward-auth'],
  },
  post: {
    title: 'POST of 4 KB, answered with 1 KB',
    shape: { ...page, body: 4096 },
    contenders: ['nginx', 'haproxy', 'http-proxy-middleware', 'gatehouse', 'gatehouse-without-lane'],
  },
  '64k': {
    title: 'answers of 64 KB',
    shape: { ...page, path: '/64k' },
    warmUp: 20_000,
    contenders: ['nginx', 'haproxy', 'http-proxy-middleware', 'gatehouse', 'gatehouse-without-lane'],
  },
  '5m': {
    title: 'answers of 5 MB, 16 connections',
    shape: { ...page, path: '/5m', connections: 16 },
    warmUp: 500,
    contenders: ['nginx', 'haproxy', 'http-proxy-middleware', 'gatehouse', 'gatehouse-without-lane'],
  },
};

/** The names of all sets of rows. */
export const setNames: readonly string[] = Object.keys(sets);

/** The measurements that the words name, which stand for themselves; all without words. */
export function wantedMeasurements(words: readonly string[]): Measurement[] {
  return measurements.filter(({ name }) => words.length === 0 || words.includes(name));
}

/** Whether a word of `--rows` names this contender in this set: `core`, `gatehouse`, `core/gatehouse`, with `*` for any. */
function names(word: string, set: string, contender: string): boolean {
  const pattern = new RegExp(`^${word.replace(/[^\w*/-]/g, '').replaceAll('*', '[^/]*')}$`);
  return pattern.test(set) || pattern.test(contender) || pattern.test(`${set}/${contender}`);
}

/** The sets with what is wanted of them; each keeps its reference. Without words, all. */
export function plans(words: readonly string[]): SetPlan[] {
  return Object.entries(sets).flatMap(([name, { title, shape, reference = 'nginx', warmUp, contenders: all }]) => {
    const wanted = all.filter((one) => words.length === 0 || words.some((word) => names(word, name, one)));
    if (wanted.length === 0) return [];
    const start = [...new Set([reference, ...wanted])].map((one) => ({ name: one, start: startOf(one) }));
    return [{ name, title, shape, reference, start, ...(warmUp !== undefined && { warmUp }) }];
  });
}

function startOf(name: string): Start {
  const start = contenders[name];
  if (!start) throw new Error(`there is no contender ${name}`);
  return start;
}
