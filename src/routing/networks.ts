/** Whether a client's address lies in the networks that a location names. */
import { networks } from '../config/values.ts';
import type { Network } from '../core/address.ts';
import type { Client } from '../core/verdict.ts';
import { isInNetworks } from './client-address.ts';

const compiled = new WeakMap<readonly Network[], (address: string) => boolean>();

/** The same as `isInNetworks`, of a list as it is configured, which is compiled once. */
export function isInAny(client: Pick<Client, 'address' | 'isRelayed'>, list: readonly Network[]): boolean {
  const isListed = compiled.get(list) ?? networks(list);
  compiled.set(list, isListed);
  return isInNetworks(client, isListed);
}
