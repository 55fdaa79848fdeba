/** Signing in: the trip to the issuer and back, and whom it has authenticated. */
import * as client from 'openid-client';
import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { Attempt } from '../../core/provider.ts';
import type { AssertionReader } from './assertion-reader.ts';
import { clockTolerance } from './claims.ts';
import { rejection } from './failure.ts';
import { type GrantState, grantOf } from './grant.ts';
import type { Issuer } from './issuer.ts';
import type { OidcOptions } from './options.ts';
import type { RelyingParty } from './relying-party.ts';

/** What signing in takes. */
interface CodeFlowParts {
  readonly options: OidcOptions;
  readonly issuer: Issuer;
  readonly relying: RelyingParty;
  readonly identity: AssertionReader;
  readonly clock: Clock;
}

const flowState = z.strictObject({
  flow: z.string().min(1),
  nonce: z.string().min(1),
  verifier: z.string().min(1),
  /** When re-authentication was asked for, in milliseconds; absent when the issuer may remember the user. */
  freshSince: z.number().optional(),
});

const maxCodeCharacters = 4096;

/** The code flow with PKCE, state and nonce. */
export class CodeFlow {
  readonly #parts: CodeFlowParts;

  constructor(parts: CodeFlowParts) {
    this.#parts = parts;
  }

  /** Sends the browser to the issuer. Throws a Failure. */
  async start({ flow, fresh = false, level, maxAge, callbackUrl }: Attempt, signal: AbortSignal): Promise<Outcome> {
    if (flow === undefined) throw new TypeError('a login begins with the id of its flow');
    const { options, issuer, relying, clock } = this.#parts;
    const found = await issuer.find(signal);
    const classes = level === undefined || level === 1 ? undefined : options.acrValues?.[level];
    const age = fresh ? 0 : maxAge;
    const [nonce, verifier] = [client.randomNonce(), client.randomPKCECodeVerifier()];
    const parameters = {
      ...options.parameters,
      response_type: 'code',
      redirect_uri: callbackUrl.href,
      scope: [...new Set(['openid', ...options.scopes])].join(' '),
      state: flow,
      nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...(fresh ? { prompt: 'login', max_age: '0' } : maxAge !== undefined && { max_age: secondsOf(maxAge) }),
      ...(classes && { acr_values: classes.join(' ') }),
    };
    const configuration = relying.at(found, signal);
    const isPushed = options.par && found.metadata.pushed_authorization_request_endpoint !== undefined;
    const url = isPushed
      ? await client.buildAuthorizationUrlWithPAR(configuration, parameters)
      : client.buildAuthorizationUrl(configuration, parameters);
    const state = { flow, nonce, verifier, ...(age !== undefined && { freshSince: clock.now() - age }) };
    return { kind: 'continue', offer: { via: 'redirect', url }, state };
  }

  /** Takes the browser back. Throws a Failure. */
  async finish({ url, callbackUrl, state }: Attempt, signal: AbortSignal): Promise<Outcome> {
    const { issuer, relying, identity, clock } = this.#parts;
    const flow = flowState.safeParse(state).data;
    if (!flow) throw rejection('flow-expired', 'the login under way is none that this provider has begun');
    if ((url.searchParams.get('code') ?? '').length > maxCodeCharacters)
      throw rejection('token-rejected', 'the code is too long');
    const found = await issuer.find(signal);
    const configuration = relying.at(found, signal);
    // The address that was registered, with what the browser has brought; never the client's Host.
    const current = new URL(callbackUrl);
    current.search = url.search;
    const tokens = await client.authorizationCodeGrant(configuration, current, {
      pkceCodeVerifier: flow.verifier,
      expectedState: flow.flow,
      expectedNonce: flow.nonce,
      idTokenExpected: true,
    });
    const claims = tokens.claims();
    if (!claims) throw rejection('token-rejected', 'token endpoint: there is no ID token');
    if (flow.freshSince !== undefined) requireFresh(claims.auth_time, flow.freshSince);
    const assertion = await identity.read(
      { found, configuration, idToken: claims, accessToken: tokens.access_token, sub: claims.sub },
      signal,
    );
    const grant: GrantState = {
      sub: claims.sub,
      ...(typeof claims.sid === 'string' && { sid: claims.sid }),
      ...(tokens.id_token !== undefined && { idToken: tokens.id_token }),
      accessToken: tokens.access_token,
      ...(tokens.refresh_token !== undefined && { refreshToken: tokens.refresh_token }),
    };
    return { kind: 'authenticated', assertion, grant: grantOf(grant, tokens.expires_in, clock.now()) };
  }
}

/** A part of a second is none here: what is asked for is never older than what is wanted. */
function secondsOf(milliseconds: number): string {
  return String(Math.floor(milliseconds / 1000));
}

/** The user must have proved who they are after they were asked to; `max_age` alone is only a wish. */
function requireFresh(authTime: unknown, since: number): void {
  if (typeof authTime !== 'number')
    throw rejection(
      'claim-missing',
      'the ID token does not say when the user signed in (auth_time)',
      'have the issuer send auth_time',
    );
  if (authTime * 1000 < since - clockTolerance)
    throw rejection('too-old', 'the issuer did not ask the user to sign in again, although a fresh login was wanted');
}
