/**
 * Who the user is, of everything that an issuer says at a login or a refresh: the ID token first, then userinfo, then the
 * access token, where Keycloak keeps its roles.
 */

import { decodeJwt, jwtVerify } from 'jose';
import * as client from 'openid-client';
import type { Clock } from '../../core/clock.ts';
import { Failure } from '../../core/failure.ts';
import type { Log } from '../../core/log.ts';
import type { Amr, Assertion } from '../../core/principal.ts';
import { abortable } from '../../remote/deadline.ts';
import {
  assertionOf,
  type ClaimRules,
  type Claims,
  clockTolerance,
  hasPlausibleTimes,
  valuesOf,
  withClass,
} from './claims.ts';
import { oidcFailure, rejection } from './failure.ts';
import type { KnownIssuer } from './issuer.ts';
import type { OidcOptions } from './options.ts';

/** The signatures that are accepted, whatever a token says of itself: asymmetric ones. */
export const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'];

/** What an issuer has said. */
export interface TokenClaims {
  readonly found: KnownIssuer;
  readonly configuration: client.Configuration;
  /** Absent at a refresh that brings none. */
  readonly idToken: Claims | undefined;
  /** What the ID token of the login said, at a refresh that brings no other: it counts for what nobody says otherwise. */
  readonly earlier?: Claims | undefined;
  readonly accessToken: string;
  readonly sub: string;
}

/** Reads assertions out of tokens. */
export class AssertionReader {
  readonly #options: OidcOptions;
  readonly #rules: ClaimRules;
  readonly #clock: Clock;
  readonly #log: Log;

  constructor(options: OidcOptions, { realm, clock, log }: { realm: string; clock: Clock; log: Log }) {
    this.#options = options;
    this.#rules = rulesOf(options, realm);
    this.#clock = clock;
    this.#log = log;
  }

  /** The rules by which claims become an assertion. */
  get rules(): ClaimRules {
    return this.#rules;
  }

  /** The user of a login or a refresh. Throws a Failure. */
  async read(said: TokenClaims, signal: AbortSignal): Promise<Assertion<Amr>> {
    const { idToken } = said;
    if (idToken && !hasPlausibleTimes(idToken, this.#clock.now()))
      throw rejection(
        'clock-skew',
        'ID token: its times are impossible, or it was issued in the future',
        'compare the clocks of this machine and of the issuer',
      );
    const accessToken = await this.#accessToken(said, signal);
    const asked = this.#options.userinfo ? await this.#userinfo(said) : undefined;
    const tokens = [idToken, accessToken, said.earlier].filter((claims) => claims !== undefined);
    // OpenID Connect Core §5.4: where there is an access token, claims of the scopes may come from userinfo alone.
    const mayHaveMore = asked === undefined && said.found.metadata.userinfo_endpoint !== undefined;
    const isShort = mayHaveMore && this.#rules.needed.some((claim) => valuesOf(tokens, claim).length === 0);
    const userinfo = isShort ? await this.#moreOf(said) : asked;
    const sources = [idToken, userinfo, accessToken, said.earlier].filter((claims) => claims !== undefined);
    const naming = this.#options.usernameFrom === 'access-token' ? [accessToken ?? {}] : sources;
    const assertion = assertionOf(sources, this.#rules, naming);
    if (assertion instanceof Failure) throw assertion;
    const { trust } = this.#options;
    const signed = idToken ?? said.earlier ?? {};
    const isLate = Number(signed.auth_time) * 1000 > this.#clock.now() + clockTolerance;
    if (trust && isLate) throw rejection('clock-skew', 'ID token: its user signed in in the future (auth_time)');
    return withClass(assertion, signed, trust);
  }

  /** What userinfo adds where the tokens are short; a refusal there is no worse than the claims that are missing. */
  async #moreOf(said: TokenClaims): Promise<Claims | undefined> {
    try {
      return await this.#userinfo(said);
    } catch (error) {
      const failure = oidcFailure(error, 'userinfo endpoint');
      if (failure.kind === 'unavailable') throw failure;
      this.#log.info({ detail: failure.message }, 'userinfo does not fill in what the ID token lacks');
      return undefined;
    }
  }

  async #userinfo({ configuration, accessToken, sub }: TokenClaims): Promise<Claims> {
    try {
      return await client.fetchUserInfo(configuration, accessToken, sub);
    } catch (error) {
      throw oidcFailure(error, 'userinfo endpoint');
    }
  }

  /** Its claims where it is a JWT of the issuer about the same user; a must when an audience or the user's name is asked of it. */
  async #accessToken({ found, accessToken, sub }: TokenClaims, signal: AbortSignal): Promise<Claims | undefined> {
    const { audience, usernameFrom } = this.#options;
    const isNeeded = audience !== undefined || usernameFrom === 'access-token';
    const { issuer } = found.metadata;
    if (!isJwtOf(accessToken, issuer)) {
      if (isNeeded)
        throw rejection(
          'token-rejected',
          `access token: it is no JWT of this issuer, so its ${audience ? 'audience cannot be checked' : 'user name cannot be believed'}`,
          'have the issuer send a JWT, or drop audience and usernameFrom',
        );
      return undefined;
    }
    try {
      const { payload } = await abortable(signal, () =>
        jwtVerify(accessToken, found.keys.find, {
          issuer,
          algorithms,
          subject: sub,
          requiredClaims: ['exp'],
          clockTolerance: clockTolerance / 1000,
          ...(audience && { audience: [...audience] }),
        }),
      );
      return payload;
    } catch (error) {
      const failure = oidcFailure(error, 'access token');
      if (isNeeded) throw failure;
      this.#log.debug({ detail: failure.message }, 'claims of an access token are left out, as it cannot be verified');
      return undefined;
    }
  }
}

/** Whether a text looks like a JWT that says it is of this issuer; nothing is trusted for it. */
function isJwtOf(token: string, issuer: string): boolean {
  return issuerIn(token) === issuer;
}

/** The issuer that a JWT names, unverified; undefined for anything else. */
export function issuerIn(token: string): string | undefined {
  if (!/^[\w-]+\.[\w-]+\.[\w-]*$/.test(token)) return undefined;
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}

function rulesOf(options: OidcOptions, realm: string): ClaimRules {
  const { usernameClaim, stripDomains, nameClaim, emailClaim, groupsClaim, requireEmailVerified, requireClaims } =
    options;
  const others = Object.entries(options.attributes).filter(([name]) => name !== 'name' && name !== 'email');
  const groups = groupsClaim === undefined ? [] : [['groups', groupsClaim] as const];
  const needsVerifiedEmail = requireEmailVerified ?? usernameClaim === 'email';
  const named = options.usernameFrom === 'id-token' ? [usernameClaim] : [];
  return {
    realm,
    needed: [...named, ...Object.keys(requireClaims), ...(needsVerifiedEmail ? [emailClaim] : [])],
    username: usernameClaim,
    stripDomains,
    attributes: [
      ['name', options.attributes.name ?? nameClaim],
      ['email', options.attributes.email ?? emailClaim],
      ...groups,
      ...others,
    ],
    groups: groupsClaim,
    emailClaim: usernameClaim === 'email' ? usernameClaim : emailClaim,
    needsVerifiedEmail,
    required: Object.entries(requireClaims),
  };
}
