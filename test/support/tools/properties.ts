/**
 * How properties are tried: from one fixed seed, so that a run says of a change only what the change did. To look for
 * what no run has met, `npm run soak properties` sets another seed (`PROPERTY_SEED`: a number, or `random`) and a hundred
 * times as many cases (`PROPERTY_RUNS`).
 */
import { randomInt } from 'node:crypto';
import { env } from 'node:process';

const { PROPERTY_SEED: seed = '20261122', PROPERTY_RUNS: times = '1' } = env;

/** What `fc.assert` is told: how many cases, from which seed. */
export function trials(cases = 100): { readonly numRuns: number; readonly seed?: number } {
  return { ...(seed !== 'random' && { seed: Number(seed) }), numRuns: Math.ceil(cases * Number(times)) };
}

/** A seed of its own for each run, for a property whose cases are worth new ones each time; the one that was given where one was. */
export function randomSeed(): number {
  const { PROPERTY_SEED: given } = env;
  return given === undefined || given === 'random' ? randomInt(2 ** 31) : Number(given);
}
