/** The options of a store in Redis or Valkey: which server, by whose name, how trusted, and how long sessions go on without it. */
import { isIP } from 'node:net';
import * as z from 'zod';
import { duration, filePath, secret } from '../../config/values.ts';
import { caBundle } from '../../remote/trust-options.ts';

const redisPort = 6379;
const sentinelPort = 26_379;
const urlWords = 'a redis:// or rediss:// address such as rediss://redis.example.com:6379';

/** A server and the port that it listens on. */
type Endpoint = {
  readonly host: string;
  readonly port: number;
};

/** What an address says. */
type RedisAddress = Endpoint & {
  readonly isSecure: boolean;
  readonly database: number;
};

/** `redis://host:port/database`, or `rediss://` for TLS; without user name and password, which have keys of their own. */
function redisUrl() {
  const address = z.string().meta({
    title: 'redis address',
    kind: urlWords,
    pattern: '^[rR][eE][dD][iI][sS]{1,2}://[^/?#@]+(/[0-9]{0,3})?$',
    examples: ['redis://127.0.0.1:6379', 'rediss://redis.example.com:6379'],
  });
  return address.transform((text, context): RedisAddress => {
    const fail = (message: string, hint?: string): typeof z.NEVER => {
      context.addIssue({ code: 'custom', message, ...(hint && { params: { hint } }) });
      return z.NEVER;
    };
    const url = /^rediss?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
    if (!url?.hostname) return fail(`must be ${urlWords}`);
    if (url.username || url.password)
      return fail(
        'must not hold a user name or a password',
        'write them as username and password: { env: NAME } beside it',
      );
    const database = /^\/?(\d{0,3})$/.exec(url.pathname)?.[1];
    if (database === undefined || url.search || url.hash)
      return fail(`must be ${urlWords}; a number behind it names the database`);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = Number(url.port || redisPort);
    return { host, port, isSecure: url.protocol === 'rediss:', database: Number(database) };
  });
}

function sentinelServer() {
  const words = 'must be a host and a port such as sentinel1.example.com:26379';
  return z.string().transform((text, context): Endpoint => {
    const url = /^[^/?#@\s]+$/.test(text) && URL.canParse(`tcp://${text}`) ? new URL(`tcp://${text}`) : undefined;
    if (!url?.hostname) {
      context.addIssue({ code: 'custom', message: words });
      return z.NEVER;
    }
    return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || sentinelPort) };
  });
}

/** The options below `session.store` for `type: redis`. */
export const redisOptions = z.strictObject({
  type: z.literal('redis').describe('a Redis or Valkey server, for several machines'),
  url: redisUrl().describe(
    'the server: redis://host:port, or rediss:// for TLS, with /N behind it for another database than 0; with sentinels only scheme and database count',
  ),
  username: z.string().min(1).optional().describe('the user of the ACL; the default user when absent'),
  password: secret().optional().describe('the password of that user'),
  sentinels: z
    .strictObject({
      master: z.string().min(1).describe('the name that the Sentinels have for the master'),
      servers: z.array(sentinelServer()).min(1).describe('host:port of each Sentinel'),
      username: z.string().min(1).optional().describe('the user at the Sentinels themselves, where they ask for one'),
      password: secret().optional().describe('the password at the Sentinels themselves'),
    })
    .optional()
    .describe('where the master is asked for; without them it is at url'),
  prefix: z
    .string()
    .regex(/^[\w.-]{1,64}$/, 'must be letters, digits, ".", "_" or "-"')
    .default('gatehouse')
    .describe('what every key begins with: two sites on one server need two'),
  tls: z
    .strictObject({
      ca: caBundle().optional().describe("whom the server's certificate is issued by; the machine's CAs when absent"),
      servername: z
        .string()
        .min(1)
        .optional()
        .describe('the name in the certificate, where it is not the host that is connected to'),
    })
    .optional()
    .describe('for rediss://'),
  grace: z
    .union([z.literal(0), duration()])
    .prefault('60s')
    .describe('how long sessions that this gateway has seen go on while the server does not answer; 0 is not at all'),
  sealKey: z
    .strictObject({
      file: filePath().describe('one key a line: the first seals, all of them open; the same on every machine'),
    })
    .describe('what seals the secrets in the store'),
});

/** A store in Redis as configured. */
export type RedisStoreOptions = z.output<typeof redisOptions>;

/** The server as an operator knows it; without secrets. */
export function placeOf({ url, sentinels }: RedisStoreOptions): string {
  if (sentinels) return `${sentinels.master} of the Sentinels ${sentinels.servers.map(shown).join(', ')}`;
  return `${url.isSecure ? 'rediss' : 'redis'}://${shown(url)}`;
}

/** The servers that are reached in clear though they are other machines than this one. */
export function clearServers({ url, sentinels }: RedisStoreOptions): readonly string[] {
  if (url.isSecure) return [];
  return (sentinels?.servers ?? [url]).filter(({ host }) => !isThisMachine(host)).map(shown);
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function shown({ host, port }: Endpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
