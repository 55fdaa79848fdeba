/** API tokens in the shared store: made, known again, listed, ended. Whom a request with one speaks for is the login's. */
import { createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createApiToken, readApiToken } from '../core/api-token.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Reason } from '../core/reason.ts';
import type { Secret } from '../core/secret.ts';
import type { Store, Stored } from '../core/store.ts';
import {
  type ApiToken,
  parseToken,
  printEnd,
  printToken,
  type TokenRecord,
  type TokenTerms,
} from './api-token-record.ts';

/** How a token stands that somebody has shown. */
type TokenStanding =
  | { readonly kind: 'live'; readonly token: ApiToken }
  | { readonly kind: 'ended'; readonly name: string; readonly reason: Reason }
  | { readonly kind: 'unknown' };

/** A token in a list. */
export interface ListedToken {
  readonly token: ApiToken;
  /** Its time is over. */
  readonly isExpired: boolean;
  /** The key that it was made by is gone: nobody can show it any more. */
  readonly isLost: boolean;
  readonly lastUse?: { readonly at: number; readonly address: string };
}

const recordPrefix = 'api-token:';
const usePrefix = 'api-token-use:';
const keyName = 'api-token-key:1';
/** How often a use is written down, and how long it is remembered; in milliseconds. */
const useEvery = 60_000;
const useKept = 400 * 86_400_000;
const maxParsed = 1000;

/** The tokens. Every method throws when the store is out of reach: never take that for absence. */
export class ApiTokens {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  #key: Promise<DigestKey> | undefined;
  /** Parsed records by id; only the parsing is saved, and only for the same version. */
  readonly #parsed = new Map<string, { readonly version: string; readonly record: TokenRecord | undefined }>();
  readonly #usedAt = new Map<string, number>();

  constructor({ store, clock, log }: { store: Store; clock: Clock; log: Log }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** Makes a token; undefined where one of this name is there. The text is nowhere kept. */
  async add(terms: TokenTerms): Promise<{ readonly id: string; readonly text: Secret } | undefined> {
    for await (const { token, isExpired } of this.list()) if (token.name === terms.name && !isExpired) return undefined;
    const key = await this.#digestKey();
    const { id, text } = createApiToken();
    const made = { digest: key.digest(text.reveal()), key: key.id, createdAt: this.#clock.now() };
    await this.#store.replace(recordPrefix + id, undefined, printToken(terms, made), undefined, { announced: true });
    return { id, text };
  }

  /** How the token stands that a text is, as the store has it at this moment. */
  async find(text: string): Promise<TokenStanding> {
    const reading = readApiToken(text);
    if (reading.kind !== 'token') return { kind: 'unknown' };
    const standing = await this.standing(reading.id);
    if (standing.kind !== 'live') return standing;
    return (await this.#digestKey()).matches(text, standing.token.digest) ? standing : { kind: 'unknown' };
  }

  /** How the token of an id stands. */
  async standing(id: string): Promise<TokenStanding> {
    const stored = await this.#store.get(recordPrefix + id);
    const record = stored && this.#read(id, stored);
    if (!record) return { kind: 'unknown' };
    if (record.kind === 'ended') return record;
    const { name, until } = record.token;
    return until !== undefined && this.#clock.now() >= until
      ? { kind: 'ended', name, reason: 'token-expired' }
      : record;
  }

  /** Those that nobody has ended. */
  async *list(): AsyncGenerator<ListedToken, void, undefined> {
    const key = await this.#digestKey();
    for await (const { key: place, ...stored } of this.#store.list(recordPrefix)) {
      const id = place.slice(recordPrefix.length);
      const record = this.#read(id, stored);
      if (record?.kind !== 'live') continue;
      const { token } = record;
      const isExpired = token.until !== undefined && this.#clock.now() >= token.until;
      const lastUse = await this.#lastUse(id);
      yield { token, isExpired, isLost: token.key !== key.id, ...(lastUse && { lastUse }) };
    }
  }

  /** Ends every token of a name; how many there were. */
  async revoke(name: string): Promise<number> {
    let ended = 0;
    for await (const { token } of this.list())
      if (token.name === name && (await this.end(token.id, 'token-revoked'))) ended += 1;
    return ended;
  }

  /** Ends a token; false where it had ended. What is open by it is cut within two seconds, wherever. */
  async end(id: string, reason: Reason): Promise<boolean> {
    for (;;) {
      const stored = await this.#store.get(recordPrefix + id);
      const record = stored && this.#read(id, stored);
      if (!stored || record?.kind === 'ended') return false;
      const end = printEnd(record?.token.name ?? 'unknown', reason, this.#clock.now());
      const terms = { announced: true, held: true, isFinal: true } as const;
      if (await this.#store.replace(recordPrefix + id, stored.version, end, undefined, terms)) return true;
    }
  }

  /** Writes down that a token was used, once a minute; a store that takes nothing stops nobody. */
  noteUse({ id }: ApiToken, address: string): void {
    const now = this.#clock.now();
    if (now - (this.#usedAt.get(id) ?? Number.NEGATIVE_INFINITY) < useEvery) return;
    this.#usedAt.set(id, now);
    this.#store
      .put(usePrefix + id, JSON.stringify({ at: now, address }), now + useKept)
      .catch((error: unknown) => this.#log.debug({ error }, 'the use of an API token could not be written down'));
  }

  async #lastUse(id: string): Promise<ListedToken['lastUse']> {
    const stored = await this.#store.get(usePrefix + id);
    if (!stored) return undefined;
    const { at, address } = JSON.parse(stored.value);
    return { at: Number(at), address: String(address) };
  }

  #read(id: string, { value, version }: Stored): TokenRecord | undefined {
    const known = this.#parsed.get(id);
    if (known?.version === version) return known.record;
    const record = parseToken(id, value);
    if (this.#parsed.size >= maxParsed) this.#parsed.clear();
    this.#parsed.set(id, { version, record });
    return record;
  }

  /** Made once and kept in the store, sealed: a rotation of the sealing keys seals it anew, and every token goes on. */
  #digestKey(): Promise<DigestKey> {
    this.#key ??= openKey(this.#store).catch((error: unknown) => {
      this.#key = undefined;
      throw error;
    });
    return this.#key;
  }
}

async function openKey(store: Store): Promise<DigestKey> {
  const stored = await store.get(keyName);
  if (stored) return new DigestKey(Buffer.from(stored.value, 'base64url'));
  await store.replace(keyName, undefined, randomBytes(32).toString('base64url'));
  const made = await store.get(keyName);
  if (!made) throw new Error('the key of API tokens could not be stored');
  return new DigestKey(Buffer.from(made.value, 'base64url'));
}

/** Makes digests of tokens that nobody can test guesses against who has read the store alone. */
class DigestKey {
  readonly #bytes: Buffer;
  /** Tells keys apart, and gives nothing of them away. */
  readonly id: string;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.id = hash('sha256', Buffer.concat([Buffer.from('api token key id\n'), bytes]), 'base64url').slice(0, 8);
  }

  digest(text: string): string {
    return createHmac('sha256', this.#bytes).update(text).digest('base64url');
  }

  matches(text: string, digest: string): boolean {
    const [given, kept] = [Buffer.from(this.digest(text)), Buffer.from(digest)];
    return given.length === kept.length && timingSafeEqual(given, kept);
  }
}
