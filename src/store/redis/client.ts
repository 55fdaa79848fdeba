/** A connection to the master: made anew after each end, never by the client library itself, so that each is looked at before it is used. */
import { isIP } from 'node:net';
import type { Redis } from 'ioredis';
import { Failure } from '../../core/failure.ts';
import { tlsClientOptions } from '../../tls/client.ts';
import { answerWithin } from './awake.ts';
import { redisFailure } from './failure.ts';
import { placeOf, type RedisStoreOptions } from './options.ts';

/** How long a server may take to answer, in milliseconds: a request waits for it. */
const answerTimeout = 1000;
const connectTimeout = 2000;

/** What a server says of itself. */
export interface ServerInfo {
  /** Another one after a failover and after a restart: what was acknowledged before may be lost. */
  readonly identity: string;
  readonly version: string;
  readonly role: string;
  readonly isLoading: boolean;
  readonly evicts: string | undefined;
  readonly maxMemory: number;
}

/** A client that is connected and has been let in. Throws a Failure. */
export async function openClient(options: RedisStoreOptions): Promise<Redis> {
  const place = placeOf(options);
  // Loaded here, since most sites have no use for it.
  const { Redis } = await import('ioredis');
  const client = new Redis(clientOptions(options));
  answerWithin(client, answerTimeout);
  let last: unknown;
  const note = (error: unknown): void => {
    last = error;
  };
  client.on('error', note).on('sentinelError', note);
  try {
    await client.connect();
  } catch (error) {
    client.disconnect();
    throw redisFailure(last ?? error, place);
  }
  // Subscribing keeps the connection for nothing else in the older protocol.
  if (client.mode === 'normal' && (await speaksNewProtocol(client, place))) return client;
  client.disconnect();
  throw new Failure('store-away', `store ${place}: it is older than Redis 6`, {
    answer: 'unreachable',
    hint: 'use Redis 6 or later, or Valkey',
  });
}

/** Asks a server about itself. Throws a Failure. */
export async function readInfo(client: Redis, place: string): Promise<ServerInfo> {
  try {
    return parseInfo(await client.info());
  } catch (error) {
    throw redisFailure(error, place);
  }
}

/** Throws a Failure for a server that a store must not be kept in. */
export function assertMaster({ role, isLoading }: ServerInfo, place: string): void {
  if (isLoading) throw redisFailure(new Error('LOADING'), place);
  if (role !== 'master') throw redisFailure(new Error('READONLY'), place);
}

function parseInfo(text: string): ServerInfo {
  const said = new Map(text.split(/\r?\n/).map((line) => line.split(/:(.*)/s, 2) as [string, string]));
  const number = (name: string): number => Number(said.get(name) ?? 0);
  return {
    identity: said.get('run_id') ?? 'unknown',
    version: said.get('valkey_version') ?? said.get('redis_version') ?? 'unknown',
    role: said.get('role') ?? 'unknown',
    isLoading: number('loading') !== 0 && number('async_loading') === 0,
    evicts: said.get('maxmemory_policy'),
    maxMemory: number('maxmemory'),
  };
}

/** The client library goes back to the older protocol by itself; a server of Redis 6 has no need of that. */
async function speaksNewProtocol(client: Redis, place: string): Promise<boolean> {
  try {
    await client.call('HELLO', '3');
    return true;
  } catch (error) {
    if (error instanceof Error && /NOPROTO|unknown command/i.test(error.message)) return false;
    throw redisFailure(error, place);
  }
}

function clientOptions(options: RedisStoreOptions) {
  const { url, username, password, sentinels, tls } = options;
  return {
    db: url.database,
    ...(username !== undefined && { username }),
    ...(password && { password: password.reveal() }),
    ...(sentinels ? sentinelOptions(options) : { host: url.host, port: url.port }),
    ...(url.isSecure && { tls: tlsOf(tls, sentinels ? undefined : url.host) }),
    connectionName: 'gatehouse',
    disableClientInfo: true,
    lazyConnect: true,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    keepAlive: 10_000,
    connectTimeout,
  };
}

function sentinelOptions({ url, sentinels, tls }: RedisStoreOptions) {
  if (!sentinels) return {};
  const { servers, master, username, password } = sentinels;
  return {
    sentinels: [...servers],
    name: master,
    ...(username !== undefined && { sentinelUsername: username }),
    ...(password && { sentinelPassword: password.reveal() }),
    ...(url.isSecure && { sentinelTLS: tlsOf(tls, undefined), enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: answerTimeout,
    sentinelRetryStrategy: () => null,
    // They say at once when there is another master.
    failoverDetector: true,
  };
}

/** RFC 6066 §3: an address is not a server name. */
function tlsOf(tls: RedisStoreOptions['tls'], host: string | undefined) {
  const servername = tls?.servername ?? (host !== undefined && isIP(host) === 0 ? host : undefined);
  return tlsClientOptions({ ca: tls?.ca, servername });
}
