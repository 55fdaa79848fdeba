/**
 * Which way a request to an identity provider goes out: directly, or through a forward proxy of the site. What is decided here
 * as curl decides it; how a proxy is spoken to is `tunnel.ts`'s and `http-client.ts`'s.
 */
import { BlockList, isIP } from 'node:net';
import type { Secret } from '../core/secret.ts';

/** A forward proxy. */
export interface ForwardProxy {
  /** Scheme, host and port; nothing that is secret. */
  readonly origin: string;
  /** What `Proxy-Authorization` says, where the proxy wants to know who asks. */
  readonly authorization: Secret | undefined;
  /** Where its address stands: a key, or a variable of the environment. */
  readonly from: string;
  /** Whether that is the configuration itself, which others may see. */
  readonly isInClear: boolean;
}

/** The proxies of a site, for targets of either scheme, and the hosts that are asked without one. False: none. */
export type OutboundProxy =
  | false
  | {
      readonly http: ForwardProxy | undefined;
      readonly https: ForwardProxy | undefined;
      readonly exempt: readonly string[];
    };

/** The way to a server. */
export interface Way {
  readonly proxy: ForwardProxy | undefined;
  /** Why it is this one, to stand behind "directly"; empty where nothing is configured. */
  readonly because: string;
}

/** The way to an address. */
export function wayTo(setting: OutboundProxy, url: URL): Way {
  if (setting === false) return { proxy: undefined, because: '' };
  if (isExempt(setting.exempt, url)) return { proxy: undefined, because: `NO_PROXY names ${url.hostname}` };
  const proxy = url.protocol === 'https:' ? setting.https : setting.http;
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  return { proxy, because: proxy ? '' : `the environment has no ${name}` };
}

/** The names of NO_PROXY: separated by commas or spaces. */
export function exemptNames(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
}

/** A name stands for its subdomains too, an address or a network for itself, `*` for all; a port narrows a name. */
function isExempt(names: readonly string[], { hostname, port, protocol }: URL): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const usual = protocol === 'https:' ? '443' : '80';
  return names.some((name) => {
    if (name === '*') return true;
    const [, named = name, at] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(name) ?? [];
    if (at !== undefined && at !== (port || usual)) return false;
    const bare = named.replace(/^\[|\]$/g, '').replace(/^\.|\.$/g, '');
    if (isIP(host) !== 0) return isInNetwork(bare, host);
    return bare !== '' && (host === bare || host.endsWith(`.${bare}`));
  });
}

function isInNetwork(network: string, address: string): boolean {
  const [base = '', bits] = network.split('/');
  const family = isIP(base);
  if (family === 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return false;
  const width = family === 6 ? 128 : 32;
  if (Number(bits ?? width) > width) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(bits ?? width), family === 6 ? 'ipv6' : 'ipv4');
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}
