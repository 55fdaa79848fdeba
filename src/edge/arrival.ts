/** By which listener a connection came, and what it showed there, wherever its socket or what stands for it is seen. */
import type { Arrival } from '../core/peer.ts';

const arrivals = new WeakMap<object, Arrival>();

/** Notes how a connection came. */
export function noteArrival(socket: object, arrival: Arrival): void {
  arrivals.set(socket, arrival);
}

/** How a connection came; undefined inside an application, whose own servers take it. */
export function arrivalOf(socket: object): Arrival | undefined {
  return arrivals.get(socket);
}

/** Lets what stands for a connection be known as it. */
export function shareArrival(from: object, to: object): void {
  const arrival = arrivals.get(from);
  if (arrival) arrivals.set(to, arrival);
}
