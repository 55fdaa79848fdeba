/** What a request proves by itself: the chain is asked about its ticket or token, and a session may begin on it. */

import type { Attempt } from '../core/provider.ts';
import { isOfNoTenant, type Reason } from '../core/reason.ts';
import { ownerOf } from '../core/session.ts';
import type { CanonicalTarget, Client, GatewayRequest } from '../core/verdict.ts';
import type { ChainResult } from '../providers/chain.ts';
import { sessionCookie } from '../sessions/cookie.ts';
import type { AmbientSessions } from './ambient-sessions.ts';
import type { Browsers } from './browser.ts';
import type { CookieSessions } from './cookie-sessions.ts';
import type { Identity, Somebody } from './identity.ts';
import type { LoginSteps } from './login-steps.ts';
import { forgetAsking } from './negotiate-cookie.ts';
import type { Authenticated, SignIn } from './sign-in.ts';
import type { StepResult } from './step-result.ts';

/** A request that no session speaks for, and why. */
export interface Asking {
  readonly request: Pick<GatewayRequest, 'id' | 'method' | 'headers' | 'signal'>;
  readonly client: Client;
  readonly target: CanonicalTarget;
  readonly reason: Reason;
}

interface ProofParts {
  readonly signIn: SignIn;
  readonly ambientSessions: AmbientSessions;
  readonly browsers: Browsers;
  readonly cookies: CookieSessions;
  readonly publicUrl: URL;
  readonly steps: Pick<LoginSteps, 'isEnough' | 'begin'>;
}

/** Asks about proofs. */
export class RequestProofs {
  readonly #signIn: SignIn;
  readonly #ambientSessions: AmbientSessions;
  readonly #browsers: Browsers;
  readonly #cookies: CookieSessions;
  readonly #publicUrl: URL;
  readonly #steps: ProofParts['steps'];

  constructor({ signIn, ambientSessions, browsers, cookies, publicUrl, steps }: ProofParts) {
    this.#steps = steps;
    this.#signIn = signIn;
    this.#ambientSessions = ambientSessions;
    this.#browsers = browsers;
    this.#cookies = cookies;
    this.#publicUrl = publicUrl;
  }

  /** Asks the chain about what a request itself proves. */
  async identify(attempt: Attempt, asking: Asking): Promise<Identity> {
    const { request, client, reason } = asking;
    const result = await this.#signIn.run(attempt);
    const { outcome, provider, offers } = result;
    switch (outcome.kind) {
      case 'authenticated':
        if (!provider) return { kind: 'unavailable', reason: 'provider-broke' };
        return this.#accept(outcome, provider, result, asking);
      case 'continue':
        return { kind: 'nobody', offers: [outcome.offer, ...offers], reason };
      case 'rejected':
        this.#signIn.record('failed', { client, requestId: request.id }, { chain: result, reason: outcome.reason });
        return { kind: 'nobody', offers, reason: outcome.reason };
      case 'unavailable':
        return offers.length > 0 ? { kind: 'nobody', offers, reason } : { kind: 'unavailable', reason: outcome.reason };
      case 'unknown-user':
      case 'challenge':
        return { kind: 'nobody', offers, reason };
      default:
        return outcome satisfies never;
    }
  }

  async #accept(
    outcome: Authenticated,
    provider: string,
    chain: ChainResult,
    { request, client, target }: Asking,
  ): Promise<Identity> {
    const { assertion, headers = {}, sessionless } = outcome;
    const context = { client, requestId: request.id };
    const refused = await this.#signIn.refuse(outcome, provider, request.signal);
    if (refused) {
      const { reason } = refused;
      this.#signIn.record('failed', context, { chain, user: assertion.subject, reason });
      if (isOfNoTenant(reason)) {
        const detail = `the tenant of ${assertion.subject} cannot be told`;
        return { kind: 'refused', code: 'ACCESS_DENIED', reason, detail };
      }
      // While the directory is away another way in may work; a program's token has none, and is not wrong.
      const isStuck = sessionless === true || this.#signIn.chain.length === 1;
      if (refused.kind === 'unavailable' && isStuck) return { kind: 'unavailable', reason };
      return { kind: 'nobody', offers: chain.offers, reason };
    }
    const isOpen = this.#signIn.tenantOf(assertion, provider).kind === 'open';
    if (isOpen && sessionless) {
      this.#signIn.record('failed', context, { chain, user: assertion.subject, reason: 'tenant-ambiguous' });
      const detail = `${assertion.subject} has several tenants, and a token picks none`;
      return { kind: 'refused', code: 'ACCESS_DENIED', reason: 'tenant-ambiguous', detail };
    }
    const vouched = this.#signIn.vouched(outcome, provider);
    const principal = this.#signIn.principal(vouched);
    if (!this.#steps.isEnough(vouched, context)) {
      const reason = isOpen ? 'tenant-ambiguous' : 'level-too-low';
      // A token comes with each request, and nobody is there who could be asked for more.
      if (sessionless) return { kind: 'nobody', offers: [], reason, isProgram: true };
      const begin = async (): Promise<StepResult> => {
        const token = this.#cookies.tokenIn(request.headers);
        const step = { ...context, headers: request.headers, signal: request.signal, language: 'en', token };
        const first = {
          vouched,
          chain,
          returnTo: target.path + target.query,
          isPosted: false,
          isAmbient: true,
        } as const;
        return this.#steps.begin(first, step);
      };
      return { kind: 'unfinished', principal, reason, reply: headers, begin };
    }
    if (sessionless) return { kind: 'somebody', principal, reply: headers };
    const begin = async (): Promise<Somebody> => {
      const begun = await this.#ambientSessions.begin(outcome, provider, { ...context, chain });
      const { session } = begun;
      const token = await this.#cookies.tokenAt(target, begun);
      const forgotten = forgetAsking(request.headers, this.#publicUrl);
      const cookies = [sessionCookie(this.#publicUrl, token), this.#browsers.ownerCookie(ownerOf(session))];
      const reply = { ...headers, 'set-cookie': [...cookies, ...forgotten] };
      const replacesAnother = this.#browsers.isAnothers(request.headers, ownerOf(session));
      return { kind: 'somebody', principal, session, reply, replacesAnother };
    };
    return { kind: 'somebody', principal, reply: headers, begin };
  }
}
