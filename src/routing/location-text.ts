/**
 * A location as it stands in the configuration, in nginx's words: `/p`, `= /p`, `^~ /p`, `~ regex`, `~* regex`. How
 * locations compete for a request is `locations.ts`'s.
 */
import type { Route } from '../core/route.ts';
import { hasParameters, matchedText, readPath } from './path.ts';
import { type RegexMatcher, regexMatcher } from './regex-matcher.ts';

/** A location that was read. */
interface Location {
  readonly modifier: Route['modifier'];
  /** The text to match: of a path, its escapes decoded, as requests are; of a regular expression, its source. */
  readonly path: string;
}

/** A location, or what is wrong with it and what to write. */
type LocationReading =
  | { readonly kind: 'ok'; readonly location: Location }
  | { readonly kind: 'invalid'; readonly message: string };

/** Reads a location. A path that no canonical request path could equal is invalid, since it would never match. */
export function parseLocation(text: string): LocationReading {
  const [, modifier = '', path = ''] = /^(=|\^~|~\*|~)?\s*(.*)$/s.exec(text) ?? [];
  if (path === '') return invalid('is empty: write a path such as /app, or "~ " and a regular expression');
  if (/^["']/.test(path)) return invalid('begins with a quote: YAML has taken its own off, and a location needs none');
  if (path.startsWith('@')) return invalid('is a named location: only paths and regular expressions can be routed');
  return modifier === '~' || modifier === '~*'
    ? readPattern(modifier, path)
    : readPrefix(modifier as '' | '=' | '^~', path);
}

/** Compiles the regular expression of a location; throws a SyntaxError where JavaScript does not read it. */
export function compilePattern({ modifier, path }: Pick<Route, 'modifier' | 'path'>): RegexMatcher {
  const pattern = regexMatcher(path, modifier === '~*');
  if (modifier !== '~*' && !foldsCase.test(path)) return pattern;
  return { test: (text) => pattern.test(withoutLookAlikes(text)) };
}

/** `(?i:…)`, which the import writes of a location that disregards case within another. */
const foldsCase = /\(\?[a-z]*i[a-z]*(?:-[a-z]*)?:/;

/** A text as Express compares it: of all letters only those of ASCII have two cases, since it sees the others escaped. */
export function foldCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/**
 * The Kelvin sign and the long s fold to ASCII letters in Unicode. For nginx, Express and applications they are none, so that
 * a location of `/static` must not take what they know as another path.
 */
function withoutLookAlikes(text: string): string {
  return text.replace(/[\u017f\u212a]/g, '\ufffd');
}

function readPrefix(modifier: '' | '=' | '^~', path: string): LocationReading {
  if (!path.startsWith('/')) return invalid(`must begin with a slash: write ${modifier} /${path}`.replace('  ', ' '));
  if (/\s/.test(path)) return invalid('holds a space: write %20 where a path has one');
  if (/[?#]/.test(path)) return invalid('holds a query or a fragment: a location is matched against the path alone');
  const written = path.replace(/[^\0-\x7f]+/gu, encodeURIComponent);
  const reading = readPath(written);
  if (reading.kind === 'refused')
    return invalid(`would never match, since a request with it is refused: ${reading.detail}`);
  if (hasParameters(reading.path))
    return invalid('would never match: what follows a semicolon is left out of the match');
  if (reading.rebuilt)
    return invalid(`would never match, since requests are read without these: write ${reading.path}`);
  if (/^\/_gate(?:\/|$)/.test(reading.path)) return invalid("would never match: /_gate/ holds the gateway's own pages");
  return { kind: 'ok', location: { modifier, path: matchedText(reading.path) } };
}

function readPattern(modifier: '~' | '~*', source: string): LocationReading {
  try {
    compilePattern({ modifier, path: source });
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^Invalid regular expression: /, '') : 'unreadable';
    return invalid(
      `is a regular expression that JavaScript does not read (${reason}). It takes no inline (?i), possessive ` +
        'quantifiers, atomic groups or [[:classes:]], and no backslash before letters and signs that need none',
    );
  }
  return { kind: 'ok', location: { modifier, path: source } };
}

function invalid(message: string): LocationReading {
  return { kind: 'invalid', message };
}
