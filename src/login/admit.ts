/** The one door from proofs to a session: nobody passes whose proofs do not reach the level that their login asks for. */
import type { Clock } from '../core/clock.ts';
import type { Principal } from '../core/principal.ts';
import type { Level, Proof } from '../core/proof.ts';
import type { Client } from '../core/verdict.ts';
import { levelOf, type Worth } from '../policy/levels.ts';
import { type LoginLevel, loginLevelOf } from '../policy/login-level.ts';
import { Admitted } from '../sessions/admitted.ts';
import { firstProof, type Vouched } from '../sessions/stored-session.ts';

interface DoorParts {
  readonly clock: Clock;
  readonly worth: Worth;
  readonly level: LoginLevel;
  /** Whom a provider vouches for, with the roles of this moment. */
  readonly principal: (vouched: Vouched) => Principal;
}

/** Lets people in. */
export class LoginDoor {
  readonly #parts: DoorParts;

  constructor(parts: DoorParts) {
    this.#parts = parts;
  }

  /** The level that the login of somebody has to reach. */
  levelFor(vouched: Vouched, client: Client): Level {
    return loginLevelOf(this.#parts.level, this.#parts.principal(vouched), client);
  }

  /** The first proof, which a provider has given at this moment. */
  firstProof(vouched: Vouched): Proof {
    return firstProof(vouched, this.#parts.clock.now());
  }

  /** Undefined where the proofs do not reach the level. Of no proofs but the word of the provider, one of this moment is meant. */
  admit(vouched: Vouched, client: Client, proofs: readonly Proof[] = [this.firstProof(vouched)]): Admitted | undefined {
    const wanted = this.levelFor(vouched, client);
    const isReached = wanted === 1 || levelOf(proofs, this.#parts.worth) >= wanted;
    return isReached && proofs.length > 0 ? new Admitted(vouched, proofs) : undefined;
  }
}
