/** For whom a request is forwarded, as upstreams are told: address, scheme and host. */
import { isIP } from 'node:net';
import { plainAddress } from '../core/address.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Client } from '../core/verdict.ts';

interface ForwardedInput {
  readonly headers: HeaderLines;
  readonly client: Pick<Client, 'scheme'>;
  /** The peer of the socket. */
  readonly peer: string;
}

/**
 * A trusted proxy's chain goes on with its own address at the end; from anybody else it begins with the peer. Elements
 * that are no addresses end the chain: what stands before them could be anything.
 */
export function setForwarded(
  headers: Map<string, string | string[]>,
  input: ForwardedInput,
  { host, fromProxy }: { readonly host: string | undefined; readonly fromProxy: boolean },
): void {
  const chain = fromProxy ? addresses(input.headers.all('x-forwarded-for').join(',')) : [];
  headers.set('x-forwarded-for', [...chain, plainAddress(input.peer)].filter((address) => address !== '').join(', '));
  headers.set('x-forwarded-proto', input.client.scheme);
  if (host === undefined) return;
  headers.set('x-forwarded-host', host);
  headers.set('x-forwarded-port', /:(\d{1,5})$/.exec(host)?.[1] ?? (input.client.scheme === 'https' ? '443' : '80'));
}

function addresses(list: string): string[] {
  const parts = list
    .split(',')
    .map((part) => plainAddress(part.trim()))
    .filter((part) => part !== '');
  return parts.slice(parts.findLastIndex((part) => isIP(part) === 0) + 1);
}
