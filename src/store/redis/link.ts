/**
 * The one connection to the server: looked at before it is used, left at the first doubt, made again until it holds. Nobody waits
 * for a server that has just been silent: while there is no connection every use fails at once.
 */
import type { Redis } from 'ioredis';
import { Failure } from '../../core/failure.ts';
import type { Log } from '../../core/log.ts';
import { assertMaster, openClient, readInfo, type ServerInfo } from './client.ts';
import { breaksConnection, redisFailure } from './failure.ts';
import { placeOf, type RedisStoreOptions } from './options.ts';

const retryAfter: readonly number[] = [50, 250, 500, 1000];

interface LinkParts {
  readonly options: RedisStoreOptions;
  readonly log: Log;
  /** What has to be done on a new connection before anybody uses it. */
  readonly onEnter: (client: Redis, info: ServerInfo) => Promise<void>;
  /** What the server publishes to those that listen. */
  readonly onMessage: (text: string) => void;
}

/** Holds the connection. */
export class RedisLink {
  readonly #parts: LinkParts;
  readonly #place: string;
  #client: Redis | undefined;
  #problem: Failure;
  /** When the last answer that came was asked for. */
  #answeredAt = Number.NEGATIVE_INFINITY;
  #retrying: NodeJS.Timeout | undefined;
  #tries = 0;
  #isClosed = false;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    this.#place = placeOf(parts.options);
    this.#problem = new Failure('store-away', `store ${this.#place}: it has not been connected to`, {
      answer: 'unreachable',
    });
  }

  get isUp(): boolean {
    return this.#client !== undefined;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Why there is no connection; undefined where there is one. */
  get problem(): Failure | undefined {
    return this.#client ? undefined : this.#problem;
  }

  /** Milliseconds since the last sign of life. */
  get silence(): number {
    return performance.now() - this.#answeredAt;
  }

  /** Connects once. Throws a Failure. */
  async open(): Promise<void> {
    const { options, onEnter, onMessage } = this.#parts;
    const at = performance.now();
    const client = await openClient(options);
    try {
      const info = await readInfo(client, this.#place);
      assertMaster(info, this.#place);
      if (info.evicts !== undefined && info.evicts !== 'noeviction' && info.maxMemory > 0) this.#warnOfEviction(info);
      client.on('message', (_channel: string, text: string) => onMessage(text));
      client.once('close', () => this.#leave(client, redisFailure(new Error('Connection is closed.'), this.#place)));
      await client.subscribe(`${options.prefix}:changed`);
      await onEnter(client, info);
      if (this.#isClosed || client.status !== 'ready') throw new Error('Connection is closed.');
    } catch (error) {
      client.disconnect();
      throw redisFailure(error, this.#place);
    }
    this.#client = client;
    this.#answeredAt = at;
    this.#tries = 0;
  }

  /** Uses the connection. Throws a Failure; a client that does not answer is left by everybody. */
  async use<T>(work: (client: Redis) => Promise<T>): Promise<T> {
    const client = this.#client;
    if (!client) throw this.#problem;
    const at = performance.now();
    try {
      const result = await work(client);
      this.#answeredAt = Math.max(this.#answeredAt, at);
      return result;
    } catch (error) {
      const failure = redisFailure(error, this.#place);
      if (breaksConnection(error)) this.#leave(client, failure);
      throw failure;
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#retrying);
    this.#problem = new Failure('store-away', `store ${this.#place}: it is closed`, { answer: 'closed' });
    this.#client?.disconnect();
    this.#client = undefined;
  }

  #leave(client: Redis, failure: Failure): void {
    if (client !== this.#client) return;
    this.#client = undefined;
    client.disconnect();
    if (this.#isClosed) return;
    this.#problem = failure;
    this.#parts.log.warn({ error: failure }, 'the store does not answer; it is tried again');
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#isClosed) return;
    const wait = retryAfter[Math.min(this.#tries, retryAfter.length - 1)] ?? 1000;
    this.#tries += 1;
    this.#retrying = setTimeout(() => void this.#retry(), wait * (0.75 + Math.random() / 2)).unref();
  }

  async #retry(): Promise<void> {
    const { log } = this.#parts;
    try {
      await this.open();
      log.info({ store: this.#place }, 'the store answers again');
    } catch (error) {
      if (this.#isClosed) return;
      const failure = redisFailure(error, this.#place);
      if (failure.message !== this.#problem.message) log.warn({ error: failure }, 'the store still does not answer');
      this.#problem = failure;
      this.#retryLater();
    }
  }

  #warnOfEviction({ evicts }: ServerInfo): void {
    this.#parts.log.warn(
      { store: this.#place, policy: evicts },
      'the server drops entries when its memory is full: ends of sessions and whatever is one-time may be lost; set maxmemory-policy noeviction',
    );
  }
}
