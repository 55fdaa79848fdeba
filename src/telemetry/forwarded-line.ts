/**
 * The audit's line of a request that was let through and answered, in pieces: what it says of the address and of whoever asked is
 * the same for many requests and can be kept.
 */
import { KeptMap } from '../core/kept-map.ts';
import { visibleJson } from './json-line.ts';
import { scrubFields } from './scrub.ts';

/** A request that was forwarded by the lane. */
export interface ForwardedRequest {
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
  /** Its id, which is one of ours. */
  readonly request: string;
  /** As `placeText`, `addressText` and `userText` write it. */
  readonly place: string;
  readonly address: string;
  readonly user: string;
}

interface Place {
  readonly method: string;
  readonly route: string;
  readonly path: string;
}

/** Who asked; nothing of somebody whom nobody knows. */
type User = Readonly<Partial<Record<'user' | 'tenant' | 'provider' | 'session' | 'via', string>>>;

// What is kept is joined and no template: a text of parts is put together anew each time that it is written.

/** What the line says of the address that was asked for. */
export function placeText({ method, route, path }: Place): string {
  return [',', fieldsOf({ method, route, path }), ',"seconds":'].join('');
}

/** What the line says of where it came from. */
export function addressText(address: string): string {
  return ['",', fieldsOf({ address })].join('');
}

/** What the line says of who asked. */
export function userText(user: User): string {
  return Object.keys(user).length === 0 ? '' : [',', fieldsOf(user)].join('');
}

/** The line, but for its time: in the very order in which a record of all its fields is written. */
export function forwardedLine(
  { status, place, seconds, request, address, user }: Omit<ForwardedRequest, 'route'>,
  isLane = true,
): string {
  const end = isLane ? ',"lane":true}' : '}';
  return `"event":"request","verdict":"forward","status":${status}${place}${seconds},"request":"${request}${address}${user}${end}`;
}

/** A record of a request, as `audit.ts` has it. */
interface Recorded extends Place, Omit<User, 'via'> {
  readonly verdict: string;
  readonly status: number;
  readonly seconds: number;
  readonly request?: string;
  readonly address?: string;
  readonly reason?: unknown;
  readonly detail?: unknown;
  readonly shown?: unknown;
  readonly via?: unknown;
  readonly lane?: boolean;
}

/** Bytes of each kind of text. */
const maxBytes = 2 * 1024 * 1024;
const overhead = 128;
const ownId = /^[0-9a-f-]{36}$/;

/** Writes records of requests that were let through and answered as asked: what they have in common is made once. */
export class ForwardedLines {
  readonly #places = new KeptMap<string>(maxBytes);
  readonly #addresses = new KeptMap<string>(maxBytes);
  readonly #users = new KeptMap<string>(maxBytes);

  /** The line, but for its time; undefined for any other record. */
  of(record: Recorded): string | undefined {
    const { verdict, status, seconds, method, route, path, request = '', address = '', session } = record;
    if (verdict !== 'forward' || status >= 400 || session === undefined || !ownId.test(request)) return undefined;
    if (record.reason !== undefined || record.detail !== undefined || record.shown !== undefined) return undefined;
    const { user, tenant, provider, via, lane } = record;
    if (via !== undefined || user === undefined || tenant === undefined || provider === undefined) return undefined;
    const place = kept(this.#places, `${method} ${route} ${path}`, () => placeText(record));
    const from = kept(this.#addresses, address, () => addressText(address));
    const who = kept(this.#users, `${session} ${provider} ${tenant} ${user}`, () =>
      userText({ user, tenant, provider, session }),
    );
    return forwardedLine({ status, seconds, request, place, address: from, user: who }, lane === true);
  }
}

function kept(texts: KeptMap<string>, key: string, make: () => string): string {
  const known = texts.get(key);
  if (known !== undefined) return known;
  const made = make();
  texts.set(key, made, key.length + made.length + overhead);
  return made;
}

function fieldsOf(record: object): string {
  return visibleJson(JSON.stringify(scrubFields(record))).slice(1, -1);
}
