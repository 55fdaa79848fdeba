/** `proxy_pass` in our words: the servers of an upstream, and the path in place of the location's. */
import type { Findings } from './findings.ts';
import type { FlatLocation } from './flatten.ts';
import { type Group, type GroupServer, reportGroup } from './groups.ts';
import type { Directive } from './parse.ts';
import { type Scope, substitute, type Values, variablesIn } from './scope.ts';

/** A server as the configuration writes it. */
type ServerWords = string | { readonly url: string; readonly weight?: number; readonly backup?: true };

/** An upstream as the configuration writes it, or why there is none. */
export type ReadUpstream =
  | {
      readonly kind: 'ok';
      readonly servers: readonly ServerWords[];
      readonly sticky?: Group['sticky'];
      /** The first server, as its requests are addressed: of a Unix socket `http://localhost`. */
      readonly first: URL;
      readonly notes: readonly string[];
    }
  | { readonly kind: 'none'; readonly why: string };

/** What addresses a `proxy_pass` can lead to. */
interface UpstreamSource {
  readonly location: FlatLocation;
  readonly scope: Scope;
  /** Of variables; with those of the request that are fixed for this server and host. */
  readonly values: Values;
  readonly groups: ReadonlyMap<string, Group>;
}

/** The path goes on as it came. */
const unchanged = /^\$(?:request_uri|uri|document_uri)(?:\$is_args\$args|\?\$(?:args|query_string))?$/;
/** The path that a gateway names when it is asked, as `gatehouse export nginx` writes it. */
const namedPath = '$upstream_http_x_gatehouse_path';

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
  if (/^unix:/i.test(authority + rest)) return passToSocket(source, scheme, authority + rest, written);
  if (/\s/.test(authority)) return none('proxy_pass leads to no address');
  const isVariable = written.includes('$');
  const path = pathOf(source, rest, isVariable);
  if ('why' in path) return none(path.why);
  const group = source.groups.get(authority);
  if (!group) return checked([{ address: authority }], { scheme, path });
  reportGroup(group, findings);
  if (group.servers.length === 0) return none(`the upstream ${authority} has no server that can be reached`);
  // In an upstream block a server without a port has port 80, whatever is spoken to it.
  const withPort = (address: string): string =>
    scheme === 'https' && !/:\d+$|^unix:/.test(address) ? `${address}:80` : address;
  const servers = group.servers.map((server) => ({ ...server, address: withPort(server.address) }));
  return checked(servers, { scheme, path, sticky: group.sticky });
}

/** `proxy_pass http://unix:/run/app.sock:/path`, whose path takes the place of the location's like any other. */
function passToSocket(source: UpstreamSource, scheme: string, rest: string, written: string): ReadUpstream {
  const [, address = '', path = ''] = /^(unix:[^:]+)(?::(.*))?$/is.exec(rest) ?? [];
  const read = pathOf(source, path, written.includes('$'));
  return 'why' in read ? none(read.why) : checked([{ address }], { scheme, path: read });
}

function checked(
  group: readonly GroupServer[],
  { scheme, path, sticky }: { readonly scheme: string; readonly path: Path; readonly sticky?: Group['sticky'] },
): ReadUpstream {
  const sockets = group.filter(({ address }) => address.startsWith('unix:'));
  if (sockets.length > 0 && scheme === 'https')
    return none('it speaks https to a Unix socket, which is of this machine');
  const isSocket = ({ address }: GroupServer): boolean => address.startsWith('unix:');
  const urlOf = (one: GroupServer): string =>
    `${scheme}://${one.address}${isSocket(one) && path.text !== '' ? ':' : ''}${path.text}`;
  const wrong = group.find((one) =>
    isSocket(one) ? !/^unix:\/[^:?#]+$/.test(one.address) : !URL.canParse(urlOf(one)),
  );
  const [first] = group;
  if (wrong || !first) return none('proxy_pass leads to no address');
  const servers = group.map(({ address, ...more }): ServerWords => {
    const url = urlOf({ address });
    return Object.keys(more).length > 0 ? { url, ...more } : url;
  });
  const at = isSocket(first) ? `http://localhost${path.text}` : urlOf(first);
  return { kind: 'ok', servers, ...(sticky && { sticky }), first: new URL(at), notes: path.notes };
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
