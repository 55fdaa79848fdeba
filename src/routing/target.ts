/**
 * The one reading of a request's target and host: what it gives is what is matched and what is sent. Paths are read in
 * `path.ts`, hosts in `host.ts`, header lines in `core/request-head.ts`; a request that one of them refuses is a 400.
 */
import type { Reason } from '../core/reason.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Route } from '../core/route.ts';
import type { CanonicalTarget } from '../core/verdict.ts';
import type { Authority } from './host.ts';
import { defaultPort, readAuthority } from './host.ts';
import { hasParameters, readPath } from './path.ts';

/** Octets a request target may have, query included. */
export const maxTarget = 32_768;

/** Why a request has no single reading. */
interface TargetRefusal {
  readonly kind: 'refused';
  readonly reason: Extract<Reason, 'ambiguous-target' | 'ambiguous-host' | 'ambiguous-header'>;
  /** For the log; it repeats nothing that the client wrote. */
  readonly detail: string;
}

/** A target that was read, or the refusal. */
type TargetReading =
  | {
      readonly kind: 'ok';
      readonly target: CanonicalTarget;
      /**
       * True when dot segments or doubled slashes were taken out. Nothing to a proxy that sends what it matched; where
       * another server sends the path on as the client wrote it (forward-auth), the decision would be about another path.
       */
      readonly rebuilt: boolean;
    }
  | TargetRefusal;

/**
 * Reads a request's target and headers.
 *
 * An absolute target counts when its authority is the Host; `*` and authority targets are refused. `%2F` and `;parameters`
 * are kept here and refused by `admits`, once the route is known. The query stays as written and is no part of a match.
 */
export function canonicalTarget(request: {
  readonly target: string;
  readonly headers: HeaderLines;
  /** What the client speaks: it decides which port a Host without one has. */
  readonly scheme: string;
}): TargetReading {
  const fault = request.headers.fault();
  if (fault) return refused('ambiguous-header', fault);
  const host = readHost(request.headers);
  if (host.kind === 'refused') return host;

  const { target } = request;
  if (target.length > maxTarget) return ambiguous(`the target is longer than ${maxTarget} octets`);
  if (/[^\x21-\x7e]/.test(target))
    return ambiguous('a space, a control octet or an octet beyond ASCII stands in the target');
  if (target.includes('#')) return ambiguous('a number sign stands in the target');

  const origin = originForm(target, host.authority);
  if (origin.kind === 'refused') return origin;
  const mark = origin.target.indexOf('?');
  const query = mark === -1 ? '' : origin.target.slice(mark);
  const path = readPath(mark === -1 ? origin.target : origin.target.slice(0, mark));
  if (path.kind === 'refused') return ambiguous(path.detail);
  const { host: name, port = defaultPort(request.scheme) } = host.authority;
  return { kind: 'ok', target: { path: path.path, query, host: name, port }, rebuilt: path.rebuilt };
}

/** Why a route does not take a target that was read; undefined when it does. */
export function admits(
  route: Pick<Route, 'encodedSlashes' | 'pathParameters'>,
  target: Pick<CanonicalTarget, 'path'>,
): TargetRefusal | undefined {
  if (!route.encodedSlashes && target.path.includes('%2F'))
    return ambiguous('an escaped slash stands in the path, and the location does not say encodedSlashes: allow');
  if (!route.pathParameters && hasParameters(target.path))
    return ambiguous('a semicolon stands in the path, and the location does not say pathParameters: allow');
  return undefined;
}

function readHost(headers: HeaderLines): { kind: 'ok'; authority: Authority } | TargetRefusal {
  const [host, ...more] = headers.all('host');
  if (more.length > 0) return refused('ambiguous-host', 'the request has more than one Host');
  if (host === undefined) return refused('ambiguous-host', 'the request has no Host');
  // Octets beyond ASCII reach us as Latin-1 here: as IDNA they would be a name that nobody wrote.
  const authority = /[^\x21-\x7e]/.test(host) ? undefined : readAuthority(host);
  return authority
    ? { kind: 'ok', authority }
    : refused('ambiguous-host', 'the Host is not a host name with or without a port');
}

/** The path and query of an absolute target; a target that already is one unchanged. */
function originForm(target: string, host: Authority): { kind: 'ok'; target: string } | TargetRefusal {
  if (target.startsWith('/')) return { kind: 'ok', target };
  const absolute = /^(https?):\/\/([^/?]*)(.*)$/i.exec(target);
  if (!absolute) return ambiguous('the target is neither a path nor an http or https address');
  const [, scheme = '', authority = '', rest = ''] = absolute;
  const named = readAuthority(authority);
  const standard = defaultPort(scheme.toLowerCase());
  // RFC 9112 §3.2.2 lets the target win over Host; two that differ are two readings.
  if (!named || named.host !== host.host || (named.port ?? standard) !== (host.port ?? standard))
    return refused('ambiguous-host', 'the absolute target names another host than the Host header');
  return { kind: 'ok', target: rest.startsWith('/') ? rest : `/${rest}` };
}

function ambiguous(detail: string): TargetRefusal {
  return refused('ambiguous-target', detail);
}

function refused(reason: TargetRefusal['reason'], detail: string): TargetRefusal {
  return { kind: 'refused', reason, detail };
}
