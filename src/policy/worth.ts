/** What the configuration makes proofs worth, for `levels.ts`. */
import type { Proof } from '../core/proof.ts';
import type { Reached, Worth } from './levels.ts';

/** What of a configuration proofs are judged by. */
interface WorthDocument {
  readonly providers: Readonly<Record<string, unknown>>;
  readonly factors: Readonly<Record<string, unknown>>;
}

/** Compiles it. */
export function worthOf({ providers, factors }: WorthDocument): Worth {
  return {
    factors: new Set(Object.keys(factors)),
    trusts: ({ by }: Proof): Reached => (Object.hasOwn(providers, by) ? 1 : 0),
  };
}
