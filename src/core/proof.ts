/**
 * What a session has been proved by. A proof says what happened; what it is worth follows from the configuration of the moment
 * and is nowhere stored.
 */

/** One act that succeeded. Words that a newer worker has stored stand here as they are, and count for nothing. */
export interface Proof {
  /** `first` says who somebody is, `second` adds to that, `both` does the two at once. */
  readonly step: 'first' | 'second' | 'both';
  /** The configured name of the provider or factor. */
  readonly by: string;
  /** Where the subject is unique. */
  readonly realm: string;
  readonly amr: readonly string[];
  /** The class that an identity provider gave its own act. */
  readonly acr?: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** What proofs add up to: one of them, a first one and a factor, a key among them. */
export type Level = 1 | 2 | 3;

/** The proofs of a session: one by each provider or factor, and a touch beside the passkey that began it. One of them at least says who it is. */
export type Proofs = readonly [Proof, ...Proof[]];

/** Whether a proof says who somebody is. */
export function isFirst({ step }: Proof): boolean {
  return step === 'first' || step === 'both';
}

/** The youngest proof that says who somebody is. */
function lastFirst(proofs: Proofs): Proof {
  return proofs.reduce((best, proof) => (isFirst(proof) && (!isFirst(best) || proof.at >= best.at) ? proof : best));
}

/** Whether a proof was judged while whoever keeps the credentials was away. */
export function isOffline({ amr }: Pick<Proof, 'amr'>): boolean {
  return amr.includes('offline');
}

/** When whoever keeps the credentials has last taken them; what a location's `maxAge` measures. Before all time where they never have. */
export function freshAt(proofs: Proofs): number {
  const fresh = proofs.filter((proof) => isFirst(proof) && !isOffline(proof));
  return Math.max(Number.NEGATIVE_INFINITY, ...fresh.map(({ at }) => at));
}

/** When credentials were last proved, in whatever way. */
export function provedAt(proofs: Proofs): number {
  return lastFirst(proofs).at;
}

/**
 * With a new proof in place of the one by the same provider or factor; the others stay. So does what has said who somebody is: a
 * passkey that is touched once more, as a second proof, says less than it did at the login.
 */
export function withProof(proofs: readonly Proof[], fresh: Proof): Proofs {
  const isStaying = ({ by, step }: Proof): boolean => by !== fresh.by || (step === 'both' && fresh.step === 'second');
  return [fresh, ...proofs.filter(isStaying)];
}

/** The class of a proof that rests on an attribute which a provider has released. */
export function classOfAttribute(name: string, value: string): string {
  return `${name}=${value}`;
}
