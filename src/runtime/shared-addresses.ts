/** The addresses that several processes open together. */
import { OperatorError } from '../core/errors.ts';
import { refuseTaken } from '../edge/listen.ts';
import { addressesOf, type ListenersDocument, placeOf } from '../edge/listener-plan.ts';
import { type StreamsDocument, streamAddresses } from '../streams/stream-addresses.ts';
import type { Place } from './front-listeners.ts';

/** Where they really are, as far as that is another place than the configured one. */
export function actualAddresses(document: ListenersDocument, places: readonly Place[] | undefined): readonly URL[] {
  const actual = new Map(places);
  return addressesOf(document).map((address) => new URL(actual.get(placeOf(address)) ?? address));
}

/** Throws where a configuration has new addresses that the processes cannot open together: each must be known, and nobody else's. */
export async function refuseUnopenable(
  before: ListenersDocument & StreamsDocument,
  after: ListenersDocument & StreamsDocument,
): Promise<void> {
  const own = new Set(allOf(before).map(placeOf));
  const fresh = allOf(after).filter((address) => !own.has(placeOf(address)));
  const unknown = fresh.find(({ port }) => port === '0');
  if (unknown)
    throw new OperatorError(
      `${placeOf(unknown)} is a new address without a port, which each worker would choose for itself`,
      'name a port, or restart the gateway',
    );
  await refuseTaken(fresh);
}

function allOf(document: ListenersDocument & StreamsDocument): readonly URL[] {
  return [...addressesOf(document), ...streamAddresses(document).map(({ address }) => address)];
}
