/** Which requests a route takes, in Caddy's words. */
import type { ForwardingRoute } from '../../core/route.ts';
import { literal, quote } from './caddy-text.ts';
import { type RankedRoute, splitHost } from './site.ts';

/** Regular expressions throughout: Caddy's `path` compares without case. */
export function matcher({ route, except }: RankedRoute, standard: string): string[] {
  return [
    ...hostMatcher(route.host, standard),
    `path_regexp ${quote(patternOf(route))}`,
    ...except.map((other) => `not path_regexp ${quote(patternOf(other))}`),
  ];
}

/** Caddy's wildcard is for one label, ours is for all below; and its `host` knows no ports. Browsers leave out the standard one. */
function hostMatcher(host: string | undefined, standard: string): string[] {
  if (host === undefined) return [];
  const { name, port } = splitHost(host);
  const isWild = name.startsWith('*.');
  if (!isWild && port === undefined) return [`host ${name}`];
  const spelt = isWild ? `[^:]+${literal(name.slice(1))}` : literal(name);
  const written = port === undefined ? '(:[0-9]+)?' : port === standard ? `(:${port})?` : `:${port}`;
  return [`header_regexp Host ${quote(`(?i)^${spelt}${written}$`)}`];
}

function patternOf({ modifier, path }: ForwardingRoute): string {
  if (modifier === '~') return path;
  if (modifier === '~*') return `(?i)${path}`;
  return modifier === '=' ? `^${literal(path)}$` : `^${literal(path)}`;
}
