/** The one door from proofs to a session: nobody passes whose proofs do not reach the level that their login asks for. */
import type { Clock } from '../core/clock.ts';
import type { Level, Proof } from '../core/proof.ts';
import type { Client } from '../core/verdict.ts';
import { levelOf, type Worth } from '../policy/levels.ts';
import { type LoginLevel, loginLevelOf } from '../policy/login-level.ts';
import { Admitted } from '../sessions/admitted.ts';
import { firstProof, type Vouched } from '../sessions/stored-session.ts';
import type { Principals } from './principals.ts';

interface DoorParts {
  readonly clock: Clock;
  readonly worth: Worth;
  readonly level: LoginLevel;
  readonly principals: Pick<Principals, 'principal' | 'tenantOf' | 'isOfTenant'>;
}

/** Lets people in. */
export class LoginDoor {
  readonly #parts: DoorParts;

  constructor(parts: DoorParts) {
    this.#parts = parts;
  }

  /** The level that the login of somebody has to reach. */
  levelFor(vouched: Vouched, client: Client): Level {
    return loginLevelOf(this.#parts.level, this.#parts.principals.principal(vouched), client);
  }

  /** The level that everybody's login by a provider has to reach, whoever it will be. */
  leastLevel(provider: string, client: Client): Level {
    return loginLevelOf(this.#parts.level, { provider, roles: new Set(), tenant: '' }, client);
  }

  /** The roles of somebody at this moment. */
  rolesOf(vouched: Pick<Vouched, 'assertion' | 'provider' | 'tenant'>): ReadonlySet<string> {
    return this.#parts.principals.principal(vouched).roles;
  }

  /** The first proof, which a provider has given at this moment. */
  firstProof(vouched: Vouched): Proof {
    return firstProof(vouched, this.#parts.clock.now());
  }

  /** How many tenants somebody may be of whose login is under way. */
  tenantsOf({ assertion, provider, tenant }: Vouched): 'one' | 'several' | 'none' {
    const decided = this.#parts.principals.tenantOf(assertion, provider, tenant);
    return decided.kind === 'settled' ? 'one' : decided.kind === 'open' ? 'several' : 'none';
  }

  /** Somebody in a tenant that they may choose; undefined where it is none of theirs. */
  placed(vouched: Vouched, tenant: string): Vouched | undefined {
    const placed = { ...vouched, tenant };
    return this.#parts.principals.isOfTenant(placed) ? placed : undefined;
  }

  /** The level stays what it is: for whom nothing is known that a code could be sent to, where the operator lets them in all the same. */
  admitLower(vouched: Vouched, proofs: readonly Proof[]): Admitted | undefined {
    if (!this.#parts.principals.isOfTenant(vouched) || levelOf(proofs, this.#parts.worth) < 1) return undefined;
    return new Admitted(vouched, proofs);
  }

  /** Undefined where the tenant is not settled, or the proofs do not reach the level. Of no proofs but the word of the provider, one of this moment is meant. */
  admit(vouched: Vouched, client: Client, proofs: readonly Proof[] = [this.firstProof(vouched)]): Admitted | undefined {
    if (!this.#parts.principals.isOfTenant(vouched)) return undefined;
    const wanted = this.levelFor(vouched, client);
    const isReached = wanted === 1 || levelOf(proofs, this.#parts.worth) >= wanted;
    return isReached && proofs.length > 0 ? new Admitted(vouched, proofs) : undefined;
  }
}
