/** Where a route leads: the path that its upstream is sent in the place of the one that was matched. */
import type { Route } from '../core/route.ts';
import type { CanonicalTarget } from '../core/verdict.ts';
import { readPath } from './path.ts';

/** The path and query for the upstream, or why there is none. */
type UpstreamTarget =
  | { readonly kind: 'ok'; readonly path: string }
  | { readonly kind: 'refused'; readonly reason: 'ambiguous-target'; readonly detail: string };

/**
 * nginx's `proxy_pass`: with a path, it stands in the place of what the location matched; without, the path goes on. What
 * comes out must be as canonical as what went in, or the upstream would read another path than the one decided on. A slash
 * doubled where the two meet is sent once.
 */
export function upstreamTarget(
  route: Pick<Route, 'modifier' | 'path' | 'upstream'>,
  target: Pick<CanonicalTarget, 'path' | 'query'>,
): UpstreamTarget {
  const base = route.upstream?.path;
  if (base === undefined) return { kind: 'ok', path: target.path + target.query };
  const rest = route.modifier.startsWith('~') ? undefined : afterPrefix(target.path, route.path);
  if (rest === undefined) return ambiguous('the path is not spelt as the location that the upstream path replaces');
  const path = base.endsWith('/') && rest.startsWith('/') ? base + rest.slice(1) : base + rest;
  const reading = readPath(path);
  if (reading.kind === 'refused') return ambiguous(`after the location is replaced, ${reading.detail}`);
  if (reading.path !== path) return ambiguous('after the location is replaced, the path is not in its normal form');
  return { kind: 'ok', path: path + target.query };
}

function ambiguous(detail: string): UpstreamTarget {
  return { kind: 'refused', reason: 'ambiguous-target', detail };
}

/** What follows the prefix, its escapes as they are; the prefix is decoded text, so octets are compared. */
function afterPrefix(path: string, prefix: string): string | undefined {
  let at = 0;
  for (const octet of Buffer.from(prefix)) {
    const isEscape = path[at] === '%' && !path.startsWith('%2F', at);
    const actual = isEscape ? Number.parseInt(path.slice(at + 1, at + 3), 16) : path.charCodeAt(at);
    if (actual !== octet) return undefined;
    at += isEscape ? 3 : 1;
  }
  return path.slice(at);
}
