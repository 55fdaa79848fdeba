/** Who is at the other end: the socket's peer, or what a trusted proxy says of the client behind it. */
import { isIP } from 'node:net';
import { plainAddress } from '../core/address.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Client, GatewayRequest } from '../core/verdict.ts';

/** The client, with the headers as the gateway reads them: a trusted proxy's `X-Forwarded-Host` stands for `Host`. */
type ClientReading =
  | { readonly kind: 'ok'; readonly client: Client; readonly headers: HeaderLines }
  | { readonly kind: 'refused'; readonly detail: string };

/**
 * Reads the client's address, scheme and host.
 *
 * Forwarded headers count only when the peer is trusted, and `X-Forwarded-For` is walked from the right until an address
 * that is not. One that cannot be parsed refuses the request: guessing would hand out somebody else's address. What a proxy
 * that is not trusted says is not believed, but shows that the address is not the client's own.
 */
export function readClient(request: GatewayRequest, isTrusted: (address: string) => boolean): ClientReading {
  const peer = plainAddress(request.peer);
  const { headers } = request;
  const userAgent = headers.all('user-agent')[0]?.slice(0, 256) ?? '';
  const own = { address: peer, scheme: request.encrypted ? ('https' as const) : ('http' as const), userAgent };
  if (!isTrusted(peer)) {
    const isRelayed = tellers.some((name) => headers.has(name));
    return { kind: 'ok', client: isRelayed ? { ...own, isRelayed } : own, headers };
  }

  const chain = headers.list('x-forwarded-for').map(plainAddress);
  const odd = chain.find((address) => isIP(address) === 0);
  if (odd !== undefined)
    return { kind: 'refused', detail: 'X-Forwarded-For from a trusted proxy holds something that is no address' };
  const at = chain.findLastIndex((candidate) => !isTrusted(candidate));
  const address = chain[Math.max(at, 0)] ?? peer;

  const scheme = headers.list('x-forwarded-proto').at(-1)?.toLowerCase() ?? own.scheme;
  if (scheme !== 'http' && scheme !== 'https')
    return { kind: 'refused', detail: 'X-Forwarded-Proto from a trusted proxy is neither http nor https' };

  const host = headers.list('x-forwarded-host').at(-1);
  return {
    kind: 'ok',
    client: { address, scheme, userAgent, ...(at > 0 && { isRelayed: true as const }) },
    headers: host === undefined ? headers : headers.with('Host', host),
  };
}

/** By these a proxy tells for whom it speaks. */
const tellers = ['x-forwarded-for', 'forwarded', 'x-real-ip'] as const;

/**
 * Whether a client is in a list of networks. One whose peer speaks for somebody without being trusted is in none: behind a
 * forgotten proxy the whole world would come from its address.
 */
export function isInNetworks(
  { address, isRelayed }: Pick<Client, 'address' | 'isRelayed'>,
  isListed: (address: string) => boolean,
): boolean {
  return isRelayed !== true && isListed(address);
}
