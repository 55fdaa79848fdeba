/**
 * Somebody who may come in: no session begins without one. Only `login/admit.ts` makes them, after it has seen that the proofs
 * reach the level that the login asks for; a test of the source tree holds it to that.
 */
import type { Proof, Proofs } from '../core/proof.ts';
import { firstProof, type Vouched } from './stored-session.ts';

/** Made by `login/admit.ts` alone. */
export class Admitted {
  readonly vouched: Vouched;
  readonly #proofs: readonly Proof[];

  /** `proofs` has at most one by each provider or factor; without any the first proof is of the moment at which the session begins. */
  constructor(vouched: Vouched, proofs: readonly Proof[] = []) {
    this.vouched = vouched;
    this.#proofs = proofs;
  }

  /** Whom a provider has vouched for, to be found again by these handles too. */
  with(handles: readonly string[]): Vouched {
    const { vouched } = this;
    if (handles.length === 0) return vouched;
    return { ...vouched, grant: { ...vouched.grant, handles: [...(vouched.grant?.handles ?? []), ...handles] } };
  }

  /** What the session has been proved by, beginning at a moment. */
  proofsAt(now: number): Proofs {
    const [first, ...more] = this.#proofs;
    return first ? [first, ...more] : [firstProof(this.vouched, now)];
  }
}
