/**
 * Who may make a pass, and for whom: an issuer for people of the own tenant, never for oneself, and never into
 * an account that may do what the issuer may not.
 */
import * as z from 'zod';
import { type Account, isSameAccount } from '../core/account.ts';
import type { Assertion, Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import { accountOf, type Session } from '../core/session.ts';
import type { FactorDesk } from '../factors/desk.ts';
import { passTerms } from '../factors/pass/passes.ts';
import type { Sends } from '../factors/sends.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { FactorNotices } from './factor-notices.ts';
import type { Principals } from './principals.ts';
import type { TokenUsers } from './token-users.ts';

/** What came of asking for one. */
type PassResult =
  /** Times in milliseconds. */
  | {
      readonly kind: 'issued';
      readonly user: string;
      readonly code: string;
      readonly uses: number;
      readonly valid: number;
    }
  /** Everything was taken off, and these sessions ended. */
  | { readonly kind: 'reset'; readonly user: string; readonly removed: number; readonly ended: number }
  /** `unknown` and `not-allowed` are told alike to whoever asks: a page must not say who there is. */
  | { readonly kind: 'refused'; readonly why: 'not-allowed' | 'too-many' | 'has-factors'; readonly user?: string }
  | { readonly kind: 'unavailable'; readonly reason: Reason };

/** What it works with. */
interface PassDeskParts {
  readonly factors: Readonly<Record<string, unknown>>;
  readonly desk: Pick<FactorDesk, 'issue' | 'issueCode' | 'asksForCode' | 'reset'>;
  readonly sessions: Pick<Sessions, 'ofAccount' | 'revoke' | 'cuts'>;
  readonly notices: Pick<FactorNotices, 'tell'>;
  readonly sends: Pick<Sends, 'take'>;
  readonly users: Pick<TokenUsers, 'find'>;
  readonly principals: Pick<Principals, 'principal' | 'tenantOf'>;
}

const rulesSchema = z.object({ type: z.literal('pass'), issuers: z.array(z.string()), for: z.array(z.string()) });
/** What the audit says of an enrolment code, which is made like a pass. */
export const enrolmentCodeDetail = 'an enrolment code';

/** What is done for somebody. */
export type PassWish = 'pass' | 'code' | 'reset';

const perHour = { count: 50, per: 60 * 60_000 };

/** Makes passes for people at the desk. Every method throws when the store is out of reach. */
export class PassDesk {
  readonly #parts: PassDeskParts;
  readonly #rules: z.output<typeof rulesSchema> | undefined;

  constructor(parts: PassDeskParts) {
    this.#parts = parts;
    this.#rules = Object.values(parts.factors)
      .map((one) => rulesSchema.safeParse(one).data)
      .find((rules) => rules !== undefined);
  }

  /** Whether somebody may make passes at all. */
  isIssuer(session: Session): boolean {
    const { roles } = this.#parts.principals.principal(session);
    return this.#rules?.issuers.some((role) => roles.has(role)) === true;
  }

  /** Whether enrolment codes are of use, and are made here too. */
  makesCodes(): Promise<boolean> {
    return this.#parts.desk.asksForCode();
  }

  /** Makes a pass or an enrolment code for a user, or takes everything off, by a name as it is typed; who does not exist is refused like who may not have one. */
  async issue(
    session: Session,
    { username, what }: { readonly username: string; readonly what: PassWish },
    signal: AbortSignal,
  ): Promise<PassResult> {
    const { desk, sends, factors, users } = this.#parts;
    const rules = this.#rules;
    if (!rules || !this.isIssuer(session)) return { kind: 'refused', why: 'not-allowed' };
    const issuer = accountOf(session);
    const permit = await sends.take([
      { kind: 'account', of: `pass\0${issuer.tenant}\0${issuer.subject}`, limit: perHour },
    ]);
    if (permit.kind === 'refused') return { kind: 'refused', why: 'too-many' };
    const found = await users.find(username, signal);
    if (found.kind === 'unavailable') return { kind: 'unavailable', reason: found.reason };
    if (found.kind !== 'found') return { kind: 'refused', why: 'not-allowed' };
    const { assertion, user } = found;
    const place = this.#parts.principals.tenantOf(assertion, user.provider, session.tenant);
    const isNear = place.kind === 'settled' && place.tenant === session.tenant;
    const target = { tenant: session.tenant, assertion, provider: user.provider };
    const account = accountOf(target);
    const { roles } = this.#parts.principals.principal(session);
    const isAllowed =
      isNear && !isSameAccount(account, issuer) && mayHelp(roles, this.#parts.principals.principal(target), rules.for);
    if (!isAllowed) return { kind: 'refused', why: 'not-allowed', user: account.subject };
    const { subject } = account;
    const most = [...new Set([...roles, ...rules.for])];
    if (what === 'reset') return this.#reset(account, assertion, issuer.subject);
    if (what === 'code') {
      const made = await desk.issueCode(account, issuer.subject, most);
      return made.kind === 'issued'
        ? { ...made, user: subject, uses: 1 }
        : { kind: 'refused', why: 'has-factors', user: subject };
    }
    const terms = passTerms(factors);
    const code = await desk.issue(account, { ...terms, issuer: issuer.subject, roles: most });
    return { kind: 'issued', user: subject, code, uses: terms.uses, valid: terms.valid };
  }

  /** As an operator does: logins under way set nothing up behind it, and nobody stays signed in. */
  async #reset(account: Account, assertion: Assertion, issuer: string): Promise<PassResult> {
    const { desk, sessions, notices } = this.#parts;
    await sessions.cuts.cut(account.subject);
    const removed = await desk.reset(account);
    let ended = 0;
    for await (const { id } of sessions.ofAccount(account))
      if (await sessions.revoke(id, 'factor-reset', { actor: issuer })) ended += 1;
    await notices.tell(account, 'reset', assertion);
    return { kind: 'reset', user: account.subject, removed, ended };
  }
}

/** Somebody for whom passes are made, who may do nothing that the issuer may not. */
function mayHelp(issuer: Principal['roles'], user: Principal, helped: readonly string[]): boolean {
  const isHelped = helped.some((role) => user.roles.has(role));
  return isHelped && [...user.roles].every((role) => issuer.has(role) || helped.includes(role));
}
