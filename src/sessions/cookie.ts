/**
 * The session cookie: how it is named, read and written, and the id that follows from its value. That no upstream sees it is
 * the data plane's.
 */
import { hash, randomBytes } from 'node:crypto';

import { KeptMap } from '../core/kept-map.ts';
import { setCookie } from '../core/set-cookie.ts';

const baseName = 'gatehouse';

/**
 * The session cookie's name. `__Host-` binds it to the one host: no other host below the same domain can set it
 * (RFC 6265bis §4.1.3.2), so it needs https.
 */
export function cookieName(publicUrl: URL): string {
  return publicUrl.protocol === 'https:' ? `__Host-${baseName}` : baseName;
}

/**
 * A cookie's value. Undefined when there is none, and when the name stands there twice with different values: one of
 * them is planted, and nothing tells which.
 */
export function readCookie(header: string | readonly string[] | undefined, name: string): string | undefined {
  let found: string | undefined;
  for (const [key, value] of pairs(header)) {
    if (key !== name) continue;
    if (found !== undefined && found !== value) return undefined;
    found = value;
  }
  return found;
}

/** The names of a request's cookies. */
export function cookieNames(header: readonly string[]): readonly string[] {
  return [...pairs(header)].map(([name]) => name);
}

/** A `Set-Cookie` value that keeps the token until the browser ends. */
export function sessionCookie(publicUrl: URL, token: string): string {
  return setCookie(publicUrl, cookieName(publicUrl), token);
}

/** A `Set-Cookie` value that removes the session cookie. */
export function clearedCookie(publicUrl: URL): string {
  return setCookie(publicUrl, cookieName(publicUrl), '', { maxAgeSeconds: 0 });
}

const tokenBytes = 32;
const idLength = 32;

/** A token for the cookie, and the id of its session. */
export function newIdentity(): { token: string; id: string } {
  const token = randomBytes(tokenBytes).toString('base64url');
  return { token, id: deriveId(token) };
}

/** Ids of the tokens that come again and again, which are in memory as long as the heads in which they stand. */
const ids = new KeptMap<string>(1024 * 1024);
const idBytes = 192;

/** The id of the session behind a token; undefined when it cannot be a token of ours. The way back is not feasible. */
export function idOf(token: string): string | undefined {
  const known = ids.get(token);
  if (known !== undefined) return known;
  if (!/^[A-Za-z0-9_-]{43}$/.test(token)) return undefined;
  const id = deriveId(token);
  // A text of its own: what it was cut from is far longer.
  ids.set(Buffer.from(token, 'latin1').toString('latin1'), id, idBytes);
  return id;
}

function deriveId(token: string): string {
  return hash('sha256', token, 'base64url').slice(0, idLength);
}

/** Name, value, and the pair as it stood. A pair without an equals sign is a value without a name (RFC 6265bis §5.7). */
function* pairs(
  header: string | readonly string[] | undefined,
): Generator<[name: string, value: string, pair: string]> {
  const text = typeof header === 'string' ? header : (header ?? []).join(';');
  for (const part of text.split(';')) {
    const pair = part.trim();
    const equals = pair.indexOf('=');
    if (equals < 0) yield ['', pair, pair];
    else yield [pair.slice(0, equals).trim(), pair.slice(equals + 1).trim(), pair];
  }
}
