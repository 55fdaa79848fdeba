/**
 * The one reading of a path (RFC 3986 §6.2.2, with nginx's merging of slashes). A path that two servers could read as two
 * different ones has none. Written out by hand: the URL parser of browsers drops tabs and takes backslashes for slashes.
 */

/** A path after its one reading, or why it has none. */
type PathReading =
  | {
      readonly kind: 'ok';
      /** Begins with a slash; nothing but what RFC 3986 allows in a path, everything else escaped. */
      readonly path: string;
      /** True when dot segments or doubled slashes were taken out: a server that keeps them sees another path. */
      readonly rebuilt: boolean;
    }
  | { readonly kind: 'refused'; readonly detail: string };

/** Octets a path may have. It also bounds the time that a location's regular expression can take. */
export const maxPath = 4096;

const tooLong = `the path is longer than ${maxPath} octets`;
const notSent = /[^\x21-\x7e]/;
const badEscape = /%(?![0-9a-f]{2})/i;
const unreserved = /[A-Za-z0-9._~-]/;
/** Printable, sent by some clients as they are, and not allowed in a path (RFC 3986 §3.3). */
const toEscape = /["<>^`{|}[\]]/g;
/** An escaped percent sign and two hexadecimal digits: an upstream that decodes twice reads yet another path. */
const secondLayer = /%25[0-9A-Fa-f]{2}/;
const semicolon = /;|%3B/;

/** Nothing to do: no escape, no semicolon, no empty segment, none that begins with a dot. Most paths are like this. */
const plain = /^(?:\/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)*\/?$/;

/** Reads a path without its query. */
export function readPath(text: string): PathReading {
  if (text !== '' && text.length <= maxPath && plain.test(text)) return { kind: 'ok', path: text, rebuilt: false };
  const fault = findFault(text);
  if (fault) return { kind: 'refused', detail: fault };
  const spelt = text
    .replace(/%(..)/g, (written, hex: string) => {
      const character = String.fromCharCode(Number.parseInt(hex, 16));
      return unreserved.test(character) ? character : written.toUpperCase();
    })
    .replace(toEscape, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
  if (spelt.length > maxPath) return { kind: 'refused', detail: tooLong };
  const ambiguity = findAmbiguity(spelt);
  if (ambiguity) return { kind: 'refused', detail: ambiguity };
  const path = resolveDots(spelt.replace(/\/{2,}/g, '/'));
  if (path === undefined) return { kind: 'refused', detail: 'a dot segment climbs above the root' };
  // Two dots after a doubled slash go up one name for nginx, and only up the empty segment for RFC 3986 §5.2.4.
  if (resolveDots(spelt)?.replace(/\/{2,}/g, '/') !== path)
    return { kind: 'refused', detail: 'dot segments and doubled slashes together have two readings' };
  return { kind: 'ok', path, rebuilt: path !== spelt };
}

/**
 * The text that locations are matched against: escapes decoded, as nginx matches, but `%2F` kept and the parameters of
 * each segment left out. Takes a canonical path.
 */
export function matchedText(path: string): string {
  const bare = semicolon.test(path) ? path.split('/').map(segmentName).join('/') : path;
  return bare.includes('%') ? decodeKeepingSlashes(bare) : bare;
}

/** True when a segment has `;parameters`, written as such or escaped: there is no telling which an upstream takes. */
export function hasParameters(path: string): boolean {
  return semicolon.test(path);
}

/** Decodes every escape but `%2F`, which would become a slash that is none. The escapes are UTF-8: `readPath` saw to it. */
function decodeKeepingSlashes(path: string): string {
  return decodeURIComponent(path.replaceAll('%2F', '%252F'));
}

function findFault(text: string): string | undefined {
  if (!text.startsWith('/')) return 'the path does not begin with a slash';
  if (text.length > maxPath) return tooLong;
  if (notSent.test(text)) return 'a space, a control octet or an octet beyond ASCII stands in the path';
  if (text.includes('\\') || /%5c/i.test(text)) return 'a backslash stands in the path';
  if (/[?#]/.test(text)) return 'a question mark or a number sign stands in the path';
  if (badEscape.test(text)) return 'a percent sign is not followed by two hexadecimal digits';
  return undefined;
}

/** Looks at a path whose escapes are canonical; a second layer may only show now, as in `%25%32%65`. */
function findAmbiguity(spelt: string): string | undefined {
  if (secondLayer.test(spelt)) return 'an escape is escaped a second time';
  const decoded = decodeOrUndefined(spelt);
  if (decoded === undefined) return 'an escape is not UTF-8';
  if (/\p{Cc}/u.test(decoded)) return 'a control character stands in the path, escaped';
  const segments = spelt.split('/');
  for (const [index, segment] of segments.entries()) {
    if (segment === '' || segment === '.' || segment === '..') continue;
    if (segment.split('%2F').some((part) => foldsToDots(segmentName(part))))
      return 'a segment can be taken for a dot segment';
    if (segmentName(segment) === '' && index < segments.length - 1) return 'parameters hang on no name';
  }
  if (/[^\0-\x7f]/.test(decoded) && countSigns(decoded.normalize('NFKC')) !== countSigns(decoded))
    return 'a character can be taken for a slash or a percent sign';
  return undefined;
}

/** Windows drops dots and spaces at the end of names, and some servers fold look-alikes (NFKC): both can make dot segments. */
function foldsToDots(name: string): boolean {
  const folded = name.includes('%') ? decodeURIComponent(name).normalize('NFKC') : name;
  return folded.includes('.') && /^[\s.]*$/.test(segmentName(folded));
}

function countSigns(text: string): number {
  return text.split(/[/\\%]/).length;
}

function segmentName(segment: string): string {
  return segment.split(semicolon, 1)[0] ?? '';
}

/** Takes dot segments out as RFC 3986 §5.2.4 does, without touching empty ones; undefined when one goes above the root. */
function resolveDots(path: string): string | undefined {
  if (!path.includes('/.')) return path;
  const kept: string[] = [];
  const segments = path.slice(1).split('/');
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1;
    if (segment === '..' && kept.pop() === undefined) return undefined;
    if (segment !== '.' && segment !== '..') kept.push(segment);
    else if (isLast) kept.push('');
  }
  return `/${kept.join('/')}`;
}

function decodeOrUndefined(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
