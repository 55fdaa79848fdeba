/**
 * API tokens of programs: whom a request with one speaks for, where it may come from, and whether what is open by one may stay. A
 * token counts where the location takes tokens, and beside a session's cookie it is the token that counts.
 */
import { setTimeout } from 'node:timers/promises';
import { defaultTenant } from '../core/account.ts';
import type { Log } from '../core/log.ts';
import { apiSubject, type Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Client } from '../core/verdict.ts';
import { isInAny } from '../routing/networks.ts';
import type { Recorder } from '../telemetry/recorder.ts';
import type { AddressLockout } from '../users/address-lockout.ts';
import type { ApiToken } from '../users/api-token-record.ts';
import type { ApiTokens } from '../users/api-tokens.ts';
import type { Identity } from './identity.ts';
import type { Principals } from './principals.ts';
import type { TokenUsers } from './token-users.ts';

/** Whether a credential still holds, and for whom now where that may have changed. */
export type CredentialStanding =
  | { readonly kind: 'holds'; readonly principal?: Principal }
  | { readonly kind: 'over'; readonly reason: Reason };

/** The provider of whom no provider knows: no configured one can be called so. */
const ownProvider = 'api:token';

/** For how long whoever watches what is open waits for a directory, in milliseconds: a revocation is to be heard meanwhile. */
const longestWait = 500;

interface TokenAccessParts {
  readonly tokens: ApiTokens;
  readonly users: TokenUsers;
  readonly lockout: Pick<AddressLockout, 'check' | 'fail'>;
  readonly principals: Pick<Principals, 'principal' | 'tenantOf' | 'withRoles'>;
  readonly recorder: Pick<Recorder, 'operation'>;
  readonly log: Log;
}

/** Lets programs in by their tokens. */
export class TokenAccess {
  readonly #parts: TokenAccessParts;
  /** Kept with the record, or the user's entry, that it follows from. */
  readonly #machines = new WeakMap<ApiToken, Principal>();
  readonly #narrowed = new WeakMap<Principal, { readonly token: ApiToken; readonly principal: Principal }>();

  constructor(parts: TokenAccessParts) {
    this.#parts = parts;
  }

  /**
   * The token that a request shows, as a bearer token or under a header of this name; undefined where it shows none. Two that
   * differ are a wrong one.
   */
  shown(headers: HeaderLines, header: string | undefined): string | undefined {
    const bearer = /^bearer +(gha_\S*) *$/i.exec(headers.single('authorization') ?? '')?.[1];
    const values = new Set(header === undefined ? [] : headers.named(header).map((value) => value.trim()));
    if (bearer !== undefined) values.add(bearer);
    values.delete('');
    const [first, ...others] = values;
    return others.length > 0 ? '' : first;
  }

  /** Whom a token speaks for. Where the address is locked nobody is told whether it was right. */
  async identify(text: string, client: Client, route: string): Promise<Identity> {
    const { tokens, lockout } = this.#parts;
    const permit = await lockout.check(client.address);
    if (permit.kind === 'locked') {
      const retryAfter = Math.ceil(permit.retryAfter / 1000);
      const detail = 'the address is locked after failures';
      return { kind: 'refused', code: 'TOO_MANY_FAILURES', reason: 'too-many-failures', detail, retryAfter };
    }
    const found = await tokens.find(text);
    if (found.kind === 'live') return this.#admit(found.token, client, route);
    await lockout.fail(client.address, text);
    return wrong(found.kind === 'ended' ? found.reason : 'token-rejected');
  }

  /**
   * Whether a token by which something was opened still holds, and for whom now; undefined where nobody can tell yet. What a slow
   * directory says is found at one of the next calls.
   */
  async standing(id: string): Promise<CredentialStanding | undefined> {
    const found = await this.#parts.tokens.standing(id);
    if (found.kind !== 'live') return { kind: 'over', reason: found.kind === 'ended' ? found.reason : 'token-revoked' };
    const who = await Promise.race([
      this.#principalOf(found.token),
      setTimeout(longestWait, undefined, { ref: false }),
    ]);
    if (who === undefined || who.kind === 'unavailable') return undefined;
    return who.kind === 'known' ? { kind: 'holds', principal: who.principal } : { kind: 'over', reason: who.reason };
  }

  async #admit(token: ApiToken, client: Client, route: string): Promise<Identity> {
    const who = await this.#principalOf(token);
    if (who.kind === 'gone') return wrong(who.reason);
    if (who.kind === 'unavailable') return { kind: 'unavailable', reason: who.reason };
    if (who.kind === 'nowhere') {
      const detail = 'the tenant of the user of the API token cannot be told';
      return { kind: 'refused', code: 'ACCESS_DENIED', reason: who.reason, detail };
    }
    const { principal } = who;
    const refuse = (detail: string): Identity => ({
      ...({ kind: 'refused', code: 'ACCESS_DENIED', reason: 'token-not-here', detail, principal } as const),
    });
    if (token.routes && !token.routes.includes(route)) return refuse('the API token is for other routes');
    if (token.networks && !isInAny(client, token.networks)) return refuse('the API token is for other networks');
    this.#parts.tokens.noteUse(token, client.address);
    return {
      kind: 'somebody',
      principal,
      reply: {},
      credential: { kind: 'api-token', id: token.id, name: token.name },
    };
  }

  async #principalOf(token: ApiToken): Promise<
    | { readonly kind: 'known'; readonly principal: Principal }
    | { readonly kind: 'gone'; readonly reason: Reason }
    | { readonly kind: 'unavailable'; readonly reason: Reason }
    /** Of which tenant its user is cannot be told, by the configuration of this moment. */
    | { readonly kind: 'nowhere'; readonly reason: Reason }
  > {
    const { user } = token;
    if (!user) return { kind: 'known', principal: this.#machine(token) };
    const standing = await this.#parts.users.standing(token, user);
    if (standing.kind === 'unavailable') return standing;
    if (standing.kind === 'gone') {
      // A provider that has left the configuration may come back.
      if (standing.reason !== 'provider-gone') await this.#end(token, standing.reason);
      return standing;
    }
    const { assertion } = standing;
    const { principals } = this.#parts;
    const { provider } = user;
    const tenant = principals.tenantOf(assertion, provider);
    // Nobody is there who could choose.
    if (tenant.kind === 'open') return { kind: 'nowhere', reason: 'tenant-ambiguous' };
    if (tenant.kind === 'refused') return { kind: 'nowhere', reason: tenant.reason };
    const whole = principals.principal({ assertion, provider, tenant: tenant.tenant });
    return { kind: 'known', principal: this.#narrow(whole, token) };
  }

  /** Its user is gone, or may not come in any more: so is the token, for good. */
  async #end({ id, name }: ApiToken, reason: Reason): Promise<void> {
    const { tokens, recorder, log } = this.#parts;
    if (!(await tokens.end(id, reason))) return;
    recorder.operation({ event: 'api-token-end', outcome: 'succeeded', reason, user: apiSubject(name) });
    log.warn({ token: name, reason }, 'an API token has ended with its user');
  }

  #machine(token: ApiToken): Principal {
    const known = this.#machines.get(token);
    if (known) return known;
    const { name, roles = [] } = token;
    const assertion = { realm: 'api', subject: apiSubject(name), amr: ['api-token'], attributes: { name: [name] } };
    const who = { ...assertion, provider: ownProvider, tenant: defaultTenant };
    const principal = this.#parts.principals.withRoles(who, new Set(roles));
    this.#machines.set(token, principal);
    return principal;
  }

  /** The user with those roles only that the token is for. */
  #narrow(whole: Principal, token: ApiToken): Principal {
    const { roles } = token;
    if (!roles) return whole;
    const known = this.#narrowed.get(whole);
    if (known?.token === token) return known.principal;
    const kept = new Set(roles.filter((role) => whole.roles.has(role)));
    const principal = this.#parts.principals.withRoles(whole, kept);
    this.#narrowed.set(whole, { token, principal });
    return principal;
  }
}

function wrong(reason: Reason): Identity {
  return { kind: 'nobody', offers: [], reason, isProgram: true };
}
