/** Of a location, what its route says beside its upstream: time limits, sizes, and by what an https upstream is trusted. */
import type { Findings } from './findings.ts';
import type { FlatLocation } from './flatten.ts';
import type { RouteData, RouteSource } from './route-data.ts';
import type { Scope } from './scope.ts';
import { readSize, readTime } from './units.ts';
import type { ReadUpstream } from './upstream.ts';

/** Time limits and the largest body. */
export function limits(scope: Scope, websocket: boolean, findings: Findings): Partial<RouteData> {
  const read = <Value>(name: string, reader: (text: string) => Value | undefined): Value | undefined => {
    const directive = scope.find(name);
    if (!directive) return undefined;
    const value = reader(directive.args.join(' '));
    if (value === undefined)
      findings.add(
        'refused',
        directive.place,
        `${name} ${directive.args.join(' ')}`,
        'it is no value that can be written here',
      );
    return value;
  };
  const silence = read('proxy_read_timeout', readTime);
  // nginx holds an open WebSocket to the time for answers, so that this one says nothing about answers.
  const timeout = websocket && scope.find('proxy_send_timeout') ? read('proxy_send_timeout', readTime) : silence;
  const connectTimeout = read('proxy_connect_timeout', readTime);
  const maxBody = read('client_max_body_size', readSize);
  return {
    ...(timeout !== undefined && { timeout }),
    ...(connectTimeout !== undefined && { connectTimeout }),
    ...(maxBody !== undefined && { maxBody }),
  };
}

/** Says which redirects and cookie paths are not the gateway’s own; what says no more than the gateway does by itself is left out. */
export function reportPaths(scope: Scope, { path }: FlatLocation, upstreamPath: string, findings: Findings): void {
  for (const { name, args, place } of scope.all('proxy_redirect', 'proxy_cookie_path')) {
    const [from = '', to = ''] = args;
    const isOwn =
      name === 'proxy_redirect'
        ? from === 'default' || (/^https?:\/\//.test(from) && (to === path || to === '/'))
        : to === path && (from === upstreamPath || from === `${upstreamPath}/`);
    if (isOwn) continue;
    const does = name === 'proxy_redirect' ? 'redirects to the upstream' : 'paths of cookies';
    findings.add(
      'refused',
      place,
      `${name} ${args.join(' ')}`,
      `the gateway turns ${does} into the location’s by itself`,
    );
  }
}

/** The servers, with who is led to which of them, and what an https upstream is trusted by. */
export function withTls(
  { servers, sticky, first }: Extract<ReadUpstream, { kind: 'ok' }>,
  scope: Scope,
  source: RouteSource,
  findings: Findings,
): unknown {
  const written = servers.length === 1 ? servers[0] : servers;
  const more = {
    ...(sticky && { sticky }),
    ...(first.protocol === 'https:' && trustOf(first, scope, source, findings)),
  };
  const isPlain = servers.every((one) => typeof one === 'string') && Object.keys(more).length === 0;
  return isPlain ? written : { servers: written, ...more };
}

/** What an https upstream is trusted by. */
function trustOf(first: URL, scope: Scope, { readable }: RouteSource, findings: Findings): object {
  const file = (name: string): string | undefined => {
    const directive = scope.find(name);
    if (!directive) return undefined;
    const found = readable(directive.args[0] ?? '');
    if (found === undefined)
      findings.add('refused', directive.place, name, 'the file cannot be read here; add it by hand');
    return found;
  };
  const ca = file('proxy_ssl_trusted_certificate');
  const [certificate, key] = [file('proxy_ssl_certificate'), file('proxy_ssl_certificate_key')];
  const name = scope.find('proxy_ssl_name')?.args[0];
  const more = {
    ...(ca !== undefined && { ca }),
    ...(certificate !== undefined && key !== undefined && { certificate, key }),
    ...(name !== undefined && !name.includes('$') && name !== first.hostname && { servername: name }),
  };
  if (scope.find('proxy_ssl_verify')?.args[0] !== 'on' && scope.find('proxy_pass'))
    findings.add(
      'note',
      scope.own('proxy_pass')[0]?.place ?? { file: '', line: 0, column: 0 },
      'https upstream',
      'nginx does not check its certificate, the gateway does: name its CAs under upstream.ca',
    );
  return more;
}
