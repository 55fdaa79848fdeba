/** Decisions that the lane has made for requests which `node:http` answers; each is taken once. */
import type { Decided } from '../decided.ts';

const decisions = new WeakMap<object, Decided>();

/** Leaves a decision for the one request of a lent connection. */
export function leaveDecision(lent: object, decided: Decided): void {
  decisions.set(lent, decided);
}

/** The decision that has been made for the request on a connection, if any. */
export function takeDecision(connection: object): Decided | undefined {
  const decided = decisions.get(connection);
  if (decided) decisions.delete(connection);
  return decided;
}
