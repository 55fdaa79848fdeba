/** nginx's `allow` and `deny` as a list of networks, where the first rule that fits an address says the same as the list. */
import { cidr, holdsNetwork, overlap } from '../../config/values.ts';
import type { Network } from '../../core/address.ts';
import type { Directive } from './parse.ts';
import type { Scope } from './scope.ts';

/** Networks as a route writes them. */
export interface NetworkWords {
  readonly public?: true;
  readonly networks: readonly string[];
  readonly satisfy?: 'any';
}

/** Whom the rules let in; `others`: some networks are kept out, `some`: more than a list of networks can say. */
export type ReadNetworks =
  | { readonly kind: 'everybody' }
  | { readonly kind: 'nobody'; readonly directive: Directive }
  | { readonly kind: 'networks'; readonly directive: Directive; readonly networks: readonly string[] }
  | { readonly kind: 'some' | 'others'; readonly directive: Directive; readonly why: string };

/** Under these a proxy is believed, or whoever it forwards for is in no network. */
const tellsUs: ReadonlySet<string> = new Set(['x-forwarded-for', 'forwarded', 'x-real-ip', 'proxy_protocol']);

/**
 * Reads the rules. With `satisfy any` beside a login, whom no rule lets in may still sign in, so that a list ends as if all others
 * were denied.
 */
export function readNetworks(scope: Scope, isEither: boolean): ReadNetworks {
  const rules = scope.all('allow', 'deny');
  const end = rules.findIndex(({ args }) => args[0] === 'all');
  const last = rules[end];
  const before = rules.slice(0, end === -1 ? rules.length : end);
  const denied = before.find(({ name }) => name === 'deny');
  const isClosed = last?.name === 'deny' || (isEither && last === undefined && rules.length > 0);
  if (!isClosed)
    return denied ? { kind: 'others', directive: denied, why: 'nginx keeps this network out' } : { kind: 'everybody' };
  const allowed = before.find(({ name }) => name === 'allow');
  const header = scope.all('set_real_ip_from').length > 0 ? scope.find('real_ip_header')?.args[0] : undefined;
  if (allowed && header !== undefined && !tellsUs.has(header.toLowerCase()))
    return {
      kind: 'some',
      directive: allowed,
      why: `nginx takes the address from ${header}, and the gateway does not`,
    };
  if (!allowed) return { kind: 'nobody', directive: last ?? denied ?? noRule };
  const networks = listOf(before);
  if (networks) return { kind: 'networks', directive: allowed, networks };
  return { kind: 'some', directive: denied ?? allowed, why: 'nginx lets in some of a network, and not all of it' };
}

const noRule: Directive = { name: 'deny', args: ['all'], place: { file: '', line: 0, column: 0 } };

/** What is let in before all others are kept out; undefined where an exception would have to be said. */
function listOf(rules: readonly Directive[]): readonly string[] | undefined {
  const allowed: { readonly text: string; readonly network: Network }[] = [];
  const denied: Network[] = [];
  for (const { name, args } of rules) {
    const [text = ''] = args;
    // `unix:` is no network.
    const { data: network } = cidr().safeParse(text);
    if (!network) return undefined;
    if (name === 'deny') {
      // What a rule before it lets in is let in already.
      if (!allowed.some((one) => holdsNetwork(one.network, network))) denied.push(network);
    } else if (denied.some((one) => overlap(one, network))) return undefined;
    else allowed.push({ text, network });
  }
  return allowed.map(({ text }) => text);
}

/** An access of one location and that of another which the same requests pass; `deny` where a route cannot say both. */
export function bothAccesses(one: AccessWords, other: AccessWords): AccessWords {
  if (one === 'deny' || other === 'deny') return 'deny';
  const [first, second] = [one, other].map((access) => (typeof access === 'object' ? access : undefined));
  if (first && second) return JSON.stringify(first) === JSON.stringify(second) ? first : 'deny';
  const networks = first ?? second;
  if (!networks) return one === 'public' && other === 'public' ? 'public' : undefined;
  const isOpen = (first ? other : one) === 'public';
  if (isOpen) return networks;
  // A login is asked for anyway, which is one of the two that either would do.
  return networks.satisfy === 'any' ? undefined : { networks: networks.networks };
}

/** Who may pass a route; undefined is anybody who is signed in. */
export type AccessWords = 'public' | 'deny' | NetworkWords | undefined;
