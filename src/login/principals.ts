/**
 * From what a provider asserts to whom the gateway acts for: the tenant, the account, the roles. What was derived from an
 * assertion is kept with it. Whether somebody comes in at all is `sign-in.ts`'s.
 */
import { type Account, accountNamed, defaultTenant } from '../core/account.ts';
import { GatewayError } from '../core/errors.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Assertion, Principal } from '../core/principal.ts';
import type { Proof } from '../core/proof.ts';
import { levelOf, type Worth } from '../policy/levels.ts';
import type { Privileges } from '../policy/privileges.ts';
import type { RoleGiver } from '../policy/roles.ts';
import type { TenantDecision, Tenants } from '../policy/tenants.ts';
import type { ChainResult } from '../providers/chain.ts';
import { firstProof, type Vouched } from '../sessions/stored-session.ts';

interface PrincipalParts {
  readonly tenants: Tenants;
  readonly roles: RoleGiver;
  readonly privileges: Privileges;
  /** Absent where nothing is configured that could give more than level 1. */
  readonly worth?: Worth | undefined;
}

/** What a session says of whose it is. */
type Whose = Pick<Vouched, 'assertion' | 'provider' | 'tenant'> & {
  /** Of a session; the word of the provider alone when absent. */
  readonly proofs?: readonly Proof[];
};

/** Makes principals, by one configuration. */
export class Principals {
  readonly #parts: PrincipalParts;
  readonly #principals = new WeakMap<Assertion, { readonly proofs: Whose['proofs']; readonly principal: Principal }>();

  constructor(parts: PrincipalParts) {
    this.#parts = parts;
  }

  /** The tenant of somebody, or why it cannot be told; `held` counts where they may choose. */
  tenantOf(assertion: Assertion, provider: string, held?: string): TenantDecision {
    return this.#parts.tenants.decide(assertion, provider, held);
  }

  /**
   * An outcome as a session keeps it. Throws where the tenant cannot be told: nobody comes in without one. Who has yet to choose is of
   * none meanwhile, and `isOfTenant` says so.
   */
  vouched({ assertion, grant }: Extract<Outcome, { kind: 'authenticated' }>, provider: string, held?: string): Vouched {
    const decided = this.tenantOf(assertion, provider, held);
    if (decided.kind === 'refused') throw new GatewayError('ACCESS_DENIED', `${decided.reason}: ${decided.why}`);
    const tenant = decided.kind === 'settled' ? decided.tenant : defaultTenant;
    return { tenant, assertion, provider, ...(grant && { grant }) };
  }

  /**
   * The account under which failures count, by whoever authenticated a name or knew that the password was wrong. The same one
   * either way, so that what is known only after a login tells no tenant here.
   */
  accountIn({
    outcome,
    provider = '',
    rejection,
  }: Pick<ChainResult, 'outcome' | 'provider' | 'rejection'>): Account | undefined {
    if (outcome.kind === 'authenticated') return this.countedAs(outcome.assertion, provider);
    const rejected = outcome.kind === 'rejected' ? { ...outcome, provider } : rejection;
    if (rejected?.known) return this.countedAs(rejected.known, rejected.provider);
    return rejected?.subject === undefined ? undefined : accountNamed(rejected.subject);
  }

  /** The account under which failures of somebody count whom a provider knows. */
  countedAs(assertion: Assertion, provider: string): Account {
    return accountNamed(assertion.subject, this.#parts.tenants.counted(assertion, provider));
  }

  /**
   * Adds what policy knows to what a provider asserts. The same object while the assertion is the same one, so that
   * whoever derives something from it can keep that with it.
   */
  principal({ assertion, provider, tenant, proofs }: Whose): Principal {
    const known = this.#principals.get(assertion);
    const { principal: last } = known ?? {};
    if (last?.provider === provider && last.tenant === tenant && known?.proofs === proofs) return last;
    const { tenants, roles } = this.#parts;
    const facts = tenants.facts(tenant);
    const given = roles(assertion, provider, tenant);
    const proved = this.#proved(assertion, proofs ?? [firstProof({ assertion, provider }, 0)]);
    const principal = this.withRoles({ ...assertion, provider, tenant, ...facts, ...proved }, given);
    this.#principals.set(assertion, { proofs, principal });
    return principal;
  }

  /** Whether a provider's word of now is worth less than the proof by it that a session has: a refresh takes that away, and brings nothing. */
  isWorthLess({ proofs, provider }: Whose, assertion: Assertion): boolean {
    const { worth } = this.#parts;
    const before = proofs?.filter(({ by }) => by === provider) ?? [];
    return worth !== undefined && levelOf([firstProof({ assertion, provider }, 0)], worth) < levelOf(before, worth);
  }

  /** How somebody was proved, by the provider and by factors, and what that adds up to. */
  #proved({ amr }: Assertion, proofs: readonly Proof[]): Pick<Principal, 'amr' | 'level'> {
    const { worth } = this.#parts;
    if (!worth) return { amr };
    const byFactors = proofs.filter(({ step, by }) => step !== 'first' && worth.factors.has(by));
    const several = byFactors.length > 0 ? ['mfa'] : [];
    const words = new Set([...amr, ...byFactors.flatMap((proof) => proof.amr), ...several]);
    const level = levelOf(proofs, worth);
    return { amr: [...words], ...(level > 0 && { level }) };
  }

  /** Somebody with these roles, and with what they let do. */
  withRoles(somebody: Omit<Principal, 'roles'>, roles: ReadonlySet<string>): Principal {
    const { privileges: _, ...who } = somebody;
    const privileges = this.#parts.privileges.of(roles);
    return { ...who, roles, ...(privileges.size > 0 && { privileges }) };
  }

  /** Whether a session's tenant is what the configuration gives its user at this moment. */
  isOfTenant({ assertion, provider, tenant }: Whose): boolean {
    const decided = this.tenantOf(assertion, provider, tenant);
    return decided.kind === 'settled' && decided.tenant === tenant;
  }
}
