/**
 * What proofs are worth: the only place that knows. A level is never stored; it follows from the proofs and the configuration of
 * the moment, so that a factor that has left the configuration counts for nothing.
 */
import { isFirst, isOffline, type Level, type Proof } from '../core/proof.ts';

/** The level that nobody has reached, and the three that can be. */
export type Reached = 0 | Level;

/** What of a configuration gives proofs their worth. */
export interface Worth {
  /** The names of the configured factors. */
  readonly factors: ReadonlySet<string>;
  /** What a provider's word is trusted for: 1 where nothing is configured, 0 for what no provider of the configuration says. */
  readonly trusts: (proof: Proof) => Reached;
}

/** What proofs have to come up to. */
export interface Demand {
  /** 1 when absent, which whoever is let in has. */
  readonly level?: Level;
  /** Factors, any of which must be among the proofs; all when empty. */
  readonly factors?: readonly string[];
  /** Milliseconds since the level was last proved. */
  readonly maxAge?: number;
}

/** What proofs lack of a demand; undefined where they come up to it. */
export function shortfall(
  proofs: readonly Proof[],
  { level = 1, factors = [], maxAge }: Demand,
  worth: Worth,
  now: number,
): 'level-too-low' | 'factor-missing' | 'too-old' | undefined {
  // Whoever is let in has level 1, by whatever they came; only more than that is looked for.
  if (level > 1 && !(levelOf(proofs, worth) >= level)) return 'level-too-low';
  const isCounting = ({ by }: Proof): boolean => factors.includes(by) && worth.factors.has(by);
  const counting = factors.length === 0 ? proofs : proofs.filter(isCounting);
  if (counting.length === 0) return 'factor-missing';
  const measured = level === 1 && factors.length > 0 ? 2 : level;
  // Asked this way round so that a time that is no number is too old.
  return maxAge === undefined || now - levelProvedAt(counting, measured, worth) <= maxAge ? undefined : 'too-old';
}

/** The level of a list of proofs. */
export function levelOf(proofs: readonly Proof[], worth: Worth): Reached {
  const isSomebody = proofs.some((proof) => isFirst(proof) && gives(proof, worth) >= 1);
  return isSomebody ? (Math.max(...proofs.map((proof) => gives(proof, worth))) as Reached) : 0;
}

/**
 * When a level was last proved: of level 1 by the youngest first proof, of a higher one by the youngest proof that gave it. A
 * remembered browser, and what was judged while a directory was away, prove nothing anew. Before all time where it never was.
 */
export function levelProvedAt(proofs: readonly Proof[], level: Level, worth: Worth): number {
  const isGiving = (proof: Proof): boolean =>
    level === 1 ? isFirst(proof) && !isOffline(proof) : gives(proof, worth) >= level && !isRemembered(proof);
  return Math.max(Number.NEGATIVE_INFINITY, ...proofs.filter(isGiving).map(({ at }) => at));
}

/** The level that a proof gives beside one that says who somebody is; 0 where it counts for nothing. */
function gives(proof: Proof, { factors, trusts }: Worth): Reached {
  if (!factors.has(proof.by)) return isFirst(proof) ? trusts(proof) : 0;
  if (proof.step === 'first') return 0;
  return isKey(proof) && !isRemembered(proof) ? 3 : 2;
}

/** WebAuthn, by a key or a passkey. */
function isKey({ amr }: Proof): boolean {
  return amr.includes('hwk') || amr.includes('swk');
}

function isRemembered({ amr }: Proof): boolean {
  return amr.includes('rba');
}
