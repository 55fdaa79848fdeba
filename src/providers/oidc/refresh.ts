/**
 * Refreshing the tokens of a session: one call for each refresh token, however many ask, because issuers that rotate tokens
 * take a second use for theft and end the login.
 */

import { decodeJwt } from 'jose';
import * as client from 'openid-client';
import type { Clock } from '../../core/clock.ts';
import type { Failure } from '../../core/failure.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { Amr, Assertion } from '../../core/principal.ts';
import { abortable, withDeadline } from '../../remote/deadline.ts';
import type { AssertionReader, TokenClaims } from './assertion-reader.ts';
import { asOutage, oidcFailure, outage, rejection } from './failure.ts';
import { type GrantState, grantOf, readGrant } from './grant.ts';
import type { Issuer } from './issuer.ts';
import type { RelyingParty } from './relying-party.ts';

/** What refreshing takes. */
interface RefreshParts {
  readonly issuer: Issuer;
  readonly relying: RelyingParty;
  readonly identity: AssertionReader;
  readonly clock: Clock;
  /** For each of the two things that a refresh asks: new tokens, and what is known of the user. In milliseconds. */
  readonly timeout: number;
}

/** Whoever comes with a token that has just been used gets what came of it. */
const resultHolds = 60_000;

interface Call {
  readonly outcome: Promise<Outcome>;
  /** When it may be forgotten; infinite while it is under way. */
  forgottenAt: number;
}

/** Refreshes the tokens of sessions at one issuer. */
export class TokenRefresher {
  readonly #parts: RefreshParts;
  readonly #calls = new Map<string, Call>();

  constructor(parts: RefreshParts) {
    this.#parts = parts;
  }

  /**
   * A fresh assertion and grant. Only the issuer's own word that the login is over is a rejection.
   *
   * The call to the issuer does not end when the caller leaves: its answer may hold the only refresh token left.
   */
  async refresh(assertion: Assertion, state: unknown, signal: AbortSignal): Promise<Outcome> {
    const grant = readGrant(state);
    const token = grant?.refreshToken;
    if (!grant || token === undefined) return outage('misconfigured', 'there is no refresh token').toOutcome();
    this.#forget();
    const known = this.#calls.get(token);
    try {
      return await abortable(signal, () => (known ?? this.#call(assertion, grant, token)).outcome);
    } catch (error) {
      return oidcFailure(error, 'refresh').toOutcome();
    }
  }

  /** Resolves when no call is under way. */
  async whenDone(): Promise<void> {
    await Promise.all([...this.#calls.values()].map(({ outcome }) => outcome));
    this.#calls.clear();
  }

  #call(assertion: Assertion, grant: GrantState, token: string): Call {
    const { clock } = this.#parts;
    const outcome = this.#ask(assertion, grant, token).catch((error: unknown) =>
      oidcFailure(error, 'refresh').toOutcome(),
    );
    const call: Call = { outcome, forgottenAt: Number.POSITIVE_INFINITY };
    this.#calls.set(token, call);
    void outcome.then(({ kind }) => {
      call.forgottenAt = kind === 'unavailable' ? 0 : clock.now() + resultHolds;
    });
    return call;
  }

  #forget(): void {
    const now = this.#parts.clock.now();
    for (const [token, { forgottenAt }] of this.#calls) if (forgottenAt <= now) this.#calls.delete(token);
  }

  async #ask(assertion: Assertion, grant: GrantState, token: string): Promise<Outcome> {
    const { clock } = this.#parts;
    const { found, tokens } = await this.#bounded((signal) => this.#spend(token, signal));
    const claims = tokens.claims();
    // OpenID Connect Core §12.2: the same user, or the token is not for this session.
    if (claims && claims.sub !== grant.sub)
      throw rejection('token-rejected', 'refresh: the ID token is about somebody else');
    const next: GrantState = {
      ...grant,
      accessToken: tokens.access_token,
      ...(tokens.id_token !== undefined && { idToken: tokens.id_token }),
      ...(tokens.refresh_token !== undefined && { refreshToken: tokens.refresh_token }),
    };
    const earlier = claims || grant.idToken === undefined ? undefined : decodeJwt(grant.idToken);
    const said = { found, idToken: claims, earlier, accessToken: next.accessToken, sub: grant.sub };
    const read = await this.#reread(said);
    if (read && read.subject !== assertion.subject) return { kind: 'rejected', reason: 'revoked' };
    return {
      kind: 'authenticated',
      // What is stored stays as it is, whatever words a newer worker has given it.
      assertion: read ?? (assertion as Assertion<Amr>),
      grant: grantOf(next, tokens.expires_in, clock.now()),
    };
  }

  async #spend(token: string, signal: AbortSignal) {
    const { issuer, relying } = this.#parts;
    const found = await issuer.find(signal);
    // Before the token is spent: without keys the answer could not be verified, and would be lost.
    await found.keys.document(undefined);
    try {
      return { found, tokens: await client.refreshTokenGrant(relying.at(found, signal), token) };
    } catch (error) {
      throw onlyIssuersWord(oidcFailure(error, 'refresh'));
    }
  }

  /** What the issuer says of the user by now; undefined when it cannot be asked just then: the token that came is not lost for it. */
  async #reread(said: Omit<TokenClaims, 'configuration'>): Promise<Assertion<Amr> | undefined> {
    const { relying, identity } = this.#parts;
    try {
      return await this.#bounded((signal) =>
        identity.read({ ...said, configuration: relying.at(said.found, signal) }, signal),
      );
    } catch (error) {
      const failure = oidcFailure(error, 'refresh');
      if (failure.kind === 'unavailable' || failure.reason === 'misconfigured') return undefined;
      throw failure;
    }
  }

  #bounded<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return withDeadline(undefined, this.#parts.timeout, ({ signal }) => work(signal));
  }
}

/** `invalid_grant` ends a session; of any other refusal it is for whoever asks to judge how often it has come. */
function onlyIssuersWord(failure: Failure): Failure {
  return failure.answer === 'invalid_grant' ? rejection('revoked', failure.message) : asOutage(failure);
}
