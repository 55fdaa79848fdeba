/** `upstream { … }`: its servers, and who is led to which of them, in our words; what has none is said where it is used. */
import type { Findings } from './findings.ts';
import type { Directive } from './parse.ts';

/** A server as nginx writes it: `host:port`, or `unix:/path`. */
export interface GroupServer {
  readonly address: string;
  readonly weight?: number;
  readonly backup?: true;
}

/** The servers of an `upstream`. */
export interface Group {
  readonly servers: readonly GroupServer[];
  readonly sticky?: 'cookie' | 'address' | undefined;
  readonly directive: Directive;
}

const balancing = /^(?:ip_hash|least_conn|least_time|hash|random|sticky.*|queue|ntlm|state)$/;
const maxWeight = 1000;

/** Reads the `upstream` blocks; what they say beside the servers is reported once one is used. */
export function readGroups(http: readonly Directive[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const directive of http) {
    const [name = ''] = directive.args;
    if (directive.name !== 'upstream' || !directive.body || groups.has(name)) continue;
    const servers = serversOf(directive.body);
    const sticky = servers.length > 1 ? directive.body.map(stickyBy).find((one) => one !== undefined) : undefined;
    groups.set(name, { directive, servers, sticky });
  }
  return groups;
}

/** A server that stands there twice has a larger share of the requests. */
function serversOf(body: readonly Directive[]): readonly GroupServer[] {
  const written = body.filter((one) => one.name === 'server' && !one.args.includes('down'));
  const used = written.filter(({ args: [address = ''] }) => !address.includes('$'));
  const hasOthers = used.some(({ args }) => !args.includes('backup'));
  const servers = new Map<string, { weight: number; backup: boolean }>();
  for (const { args } of used) {
    const [address = '', ...options] = args;
    const weight = Number(/^weight=(\d+)$/.exec(options.find((one) => one.startsWith('weight=')) ?? '')?.[1] ?? 1);
    const before = servers.get(address);
    servers.set(address, {
      weight: Math.min(maxWeight, weight + (before?.weight ?? 0)),
      backup: hasOthers && options.includes('backup'),
    });
  }
  const isOne = servers.size === 1;
  return [...servers].map(([address, { weight, backup }]) => ({
    address,
    ...(weight !== 1 && !isOne && { weight }),
    ...(backup && { backup: true as const }),
  }));
}

/** By what a way to balance keeps visitors at one server; undefined for one that does not, or by what the gateway does not look at. */
function stickyBy({ name, args }: Directive): Group['sticky'] {
  if (name === 'ip_hash') return 'address';
  if (name.startsWith('sticky')) return 'cookie';
  if (name !== 'hash') return undefined;
  const [key = ''] = args;
  if (/^\$(?:binary_)?remote_addr$/.test(key)) return 'address';
  return /\$(?:cookie_|http_cookie\b)/.test(key) ? 'cookie' : undefined;
}

/** Says what of an `upstream` that is used has no counterpart; with one server there is nothing to balance. */
export function reportGroup({ directive: { body = [] }, servers }: Group, findings: Findings): void {
  const isBalanced = servers.length > 1;
  for (const directive of body) {
    if (directive.name === 'server') reportServer(directive, isBalanced, findings);
    else reportBalancing(directive, isBalanced, findings);
  }
}

function reportBalancing(directive: Directive, isBalanced: boolean, findings: Findings): void {
  const { name, args, place } = directive;
  if (!balancing.test(name) || !isBalanced) {
    findings.add('ignored', place, name, 'the gateway keeps its own connections');
    return;
  }
  const isTranslated = stickyBy(directive) !== undefined;
  findings.add(isTranslated ? 'note' : 'refused', place, [name, ...args].join(' '), wordsFor(directive));
}

/** What becomes of a way to balance. */
function wordsFor(directive: Directive): string {
  const sticky = stickyBy(directive);
  if (directive.name === 'ip_hash')
    return 'sticky: address looks at the whole address, and clients are at other servers than before';
  if (sticky === 'address') return 'sticky: address leads clients to other servers than before';
  if (sticky === 'cookie')
    return 'sticky: cookie sets a cookie of the gateway’s; one that nginx or an application has set for it leads nowhere';
  const turns = 'servers take turns';
  return directive.name === 'hash'
    ? `${turns}: who began at one does not stay there; sticky: cookie or sticky: address keeps visitors`
    : `${turns}, and one that fails is left out for a while`;
}

function reportServer({ args, place }: Directive, isBalanced: boolean, findings: Findings): void {
  const [address = '', ...options] = args;
  if (options.includes('down')) findings.add('ignored', place, `server ${address} down`, 'it is switched off');
  for (const option of options.filter((one) => !/^(?:down|backup|weight=\d+)$/.test(one)))
    if (isBalanced || /^max_conns/.test(option))
      findings.add(
        'refused',
        place,
        `server ${address} ${option}`,
        'servers take turns, and one that fails is left out for a while',
      );
    else findings.add('ignored', place, option.replace(/=.*/, ''), 'it is the only server');
}
