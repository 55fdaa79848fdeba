/** `proxy_pass` and `upstream { … }` in our words: addresses of servers, and the path in place of the location's. */
import type { Findings } from './findings.ts';
import type { FlatLocation } from './flatten.ts';
import type { Directive } from './parse.ts';
import { type Scope, substitute, type Values, variablesIn } from './scope.ts';

/** The servers of an `upstream`, as `host:port`, or why there are none. */
export interface Group {
  readonly servers: readonly string[];
  readonly directive: Directive;
}

/** An upstream as the configuration writes it, or why there is none. */
type ReadUpstream =
  | { readonly kind: 'ok'; readonly urls: readonly string[]; readonly notes: readonly string[] }
  | { readonly kind: 'none'; readonly why: string };

/** What addresses a `proxy_pass` can lead to. */
interface UpstreamSource {
  readonly location: FlatLocation;
  readonly scope: Scope;
  /** Of variables; with those of the request that are fixed for this server and host. */
  readonly values: Values;
  readonly groups: ReadonlyMap<string, Group>;
}

const balancing = /^(?:ip_hash|least_conn|least_time|hash|random|sticky.*|queue|ntlm|state)$/;
const staying = /^(?:ip_hash|hash|sticky.*)$/;
/** The path goes on as it came. */
const unchanged = /^\$(?:request_uri|uri|document_uri)(?:\$is_args\$args|\?\$(?:args|query_string))?$/;
/** The path that a gateway names when it is asked, as `gatehouse export nginx` writes it. */
const namedPath = '$upstream_http_x_gatehouse_path';

/** Reads the `upstream` blocks; what they say beside the servers is reported once one is used. */
export function readGroups(http: readonly Directive[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const directive of http) {
    const [name = ''] = directive.args;
    if (directive.name !== 'upstream' || !directive.body || groups.has(name)) continue;
    const servers = directive.body.filter((one) => one.name === 'server' && !one.args.includes('down'));
    const first = servers.filter(({ args }) => !args.includes('backup'));
    const used = first.length > 0 ? first : servers;
    groups.set(name, {
      directive,
      servers: used.map(({ args }) => args[0] ?? '').filter((one) => !/^unix:|\$/.test(one)),
    });
  }
  return groups;
}

/** Says what of an `upstream` that is used has no counterpart; with one server there is nothing to balance. */
function reportGroup({ directive: { body = [] }, servers }: Group, findings: Findings): void {
  const isBalanced = servers.length > 1;
  for (const { name, args, place } of body) {
    const refuse = (what: string, why: string): void => findings.add('refused', place, what, why);
    const ignore = (what: string, why: string): void => findings.add('ignored', place, what, why);
    if (name !== 'server') {
      const isBalancing = balancing.test(name);
      const what = [name, ...args].join(' ');
      if (!isBalancing || !isBalanced) ignore(name, 'the gateway keeps its own connections');
      else if (staying.test(name)) refuse(what, 'servers take turns: who began at one does not stay there');
      else refuse(what, 'servers take turns, and one that fails is left out for a while');
      continue;
    }
    const [address = '', ...options] = args;
    if (address.startsWith('unix:')) refuse(`server ${address}`, 'upstreams are reached by TCP only');
    if (options.includes('down')) ignore(`server ${address} down`, 'it is switched off');
    else if (options.includes('backup')) refuse(`server ${address} backup`, 'a backup is left out');
    for (const option of options.filter((one) => !['down', 'backup'].includes(one)))
      if (isBalanced || /^max_conns/.test(option))
        refuse(`server ${address} ${option}`, 'servers take turns, and one that fails is left out for a while');
      else ignore(option.replace(/=.*/, ''), 'it is the only server');
  }
}

/** Reads where a location's requests go. */
export function readUpstream(source: UpstreamSource, pass: Directive, findings: Findings): ReadUpstream {
  const [written = ''] = pass.args;
  const value = substitute(written, source.values);
  const [, scheme = '', authority = '', rest = ''] = /^(https?):\/\/([^/?$]+)(.*)$/is.exec(value) ?? [];
  if (scheme === '') {
    const names = variablesIn(value);
    return none(
      names.length > 0
        ? `proxy_pass goes where $${names[0]} says, which depends on the request`
        : `proxy_pass ${value.split(':')[0]}: is no http address`,
    );
  }
  if (/^unix:|\s/.test(authority)) return none('upstreams are reached by TCP only');
  const isVariable = written.includes('$');
  const path = pathOf(source, rest, isVariable);
  if ('why' in path) return none(path.why);
  const group = source.groups.get(authority);
  if (!group) return checked([`${scheme}://${authority}${path.text}`], path.notes);
  reportGroup(group, findings);
  if (group.servers.length === 0) return none(`the upstream ${authority} has no server that can be reached by TCP`);
  // In an upstream block a server without a port has port 80, whatever is spoken to it.
  const portOf = (server: string): string => (scheme === 'https' && !/:\d+$/.test(server) ? `${server}:80` : server);
  return checked(
    group.servers.map((server) => `${scheme}://${portOf(server)}${path.text}`),
    path.notes,
  );
}

function checked(urls: readonly string[], notes: readonly string[]): ReadUpstream {
  const wrong = urls.find((url) => !URL.canParse(url));
  return wrong === undefined ? { kind: 'ok', urls, notes } : none('proxy_pass leads to no address');
}

function none(why: string): ReadUpstream {
  return { kind: 'none', why };
}

interface Path {
  readonly text: string;
  readonly notes: readonly string[];
}
type ReadPath = Path | { readonly why: string };

function pathOf(source: UpstreamSource, rest: string, isVariable: boolean): ReadPath {
  const { modifier } = source.location;
  if (source.location.rewritten !== undefined) return { text: encodePath(source.location.rewritten), notes: [] };
  if (rest === '' || unchanged.test(rest)) return { text: '', notes: [] };
  if (rest === namedPath) return { text: cookiePath(source), notes: [] };
  if (rest.includes('$')) return { why: `the path that proxy_pass sends holds $${variablesIn(rest)[0]}` };
  if (rest.includes('?')) return { why: 'proxy_pass adds a query' };
  if (isVariable && modifier !== '=')
    return { why: 'with a variable in proxy_pass nginx sends every request to the one path behind it' };
  if (modifier.startsWith('~')) return { why: 'proxy_pass has a path, which takes the place of no fixed prefix here' };
  return { text: encodePath(rest), notes: [] };
}

/** Where an export replaced the path, the paths of cookies say by what. */
function cookiePath({ location: { modifier, path }, scope }: UpstreamSource): string {
  const rule = scope.all('proxy_cookie_path').find(({ args }) => args[1] === path);
  return modifier.startsWith('~') || rule === undefined ? '' : encodePath(rule.args[0] ?? '');
}

/** A path as it is sent. */
export function encodePath(path: string): string {
  return path.replace(/%(?![0-9A-Fa-f]{2})|[^\x21-\x7e]+|["<>^`{|}[\]\\]/gu, (part) =>
    encodeURIComponent(part.toWellFormed()),
  );
}
