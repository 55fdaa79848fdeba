/**
 * Access tokens of API clients: a JWT of the issuer is verified here, anything else asked about at the issuer. Such a token
 * never becomes a session.
 */

import { createHash } from 'node:crypto';
import { decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import * as client from 'openid-client';
import type { Clock } from '../../core/clock.ts';
import { Failure } from '../../core/failure.ts';
import type { Outcome } from '../../core/outcome.ts';
import { abortable } from '../../remote/deadline.ts';
import { algorithms, issuerIn } from './assertion-reader.ts';
import { assertionOf, type ClaimRules, type Claims, hasPlausibleTimes, valuesOf, withClass } from './claims.ts';
import { asOutage, oidcFailure, rejection } from './failure.ts';
import type { Issuer, KnownIssuer } from './issuer.ts';
import type { BearerOptions, OidcOptions } from './options.ts';
import type { RelyingParty } from './relying-party.ts';

/** What bearer tokens take. */
interface BearerParts {
  readonly options: OidcOptions;
  readonly bearer: BearerOptions;
  readonly rules: ClaimRules;
  readonly issuer: Issuer;
  readonly relying: RelyingParty;
  readonly clock: Clock;
}

const maxCharacters = 16_384;
const maxKept = 1000;
const tolerance = 5;

/** The token of an `Authorization` header: undefined when there is none of this scheme, empty when it is none that could be. */
export function bearerTokenIn(authorization: string | undefined): string | undefined {
  const [, token] = /^bearer +(.*)$/is.exec(authorization ?? '') ?? [];
  if (token === undefined) return undefined;
  // RFC 6750 §2.1: b64token.
  return token.length <= maxCharacters && /^[\w.~+/-]+=*$/.test(token) ? token : '';
}

/** Judges bearer tokens. */
export class Bearer {
  readonly #parts: BearerParts;
  readonly #audience: readonly string[];
  readonly #clients: readonly string[];
  readonly #rules: ClaimRules;
  /** Answers of the introspection by the digest of their token, the oldest first. */
  readonly #answers = new Map<string, { readonly claims: Claims; readonly until: number }>();

  constructor(parts: BearerParts) {
    const { options, bearer, rules } = parts;
    this.#parts = parts;
    this.#audience = bearer.audience ?? options.audience ?? options.clientId;
    this.#clients = bearer.clients ?? options.clientId;
    this.#rules = { ...rules, username: bearer.usernameClaim ?? rules.username };
  }

  /** Whom a token speaks for; a `challenge` when it is not for this issuer to judge. Throws a Failure. */
  async check(token: string, signal: AbortSignal, certificate?: string): Promise<Outcome> {
    const { issuer, bearer } = this.#parts;
    const named = issuerIn(token);
    const isOurs = named !== undefined && withoutSlash(named) === withoutSlash(issuer.address.href);
    if (!isOurs && (named !== undefined || !bearer.introspection)) return { kind: 'challenge', offers: [] };
    const found = await issuer.find(signal);
    const claims = isOurs ? await this.#verify(token, found, signal) : await this.#introspect(token, found, signal);
    requireKey(claims, certificate);
    const assertion = assertionOf([claims], this.#rules);
    if (assertion instanceof Failure) throw assertion;
    const { trust } = this.#parts.options;
    return {
      kind: 'authenticated',
      assertion: trust ? withClass(assertion, claims, trust) : assertion,
      sessionless: true,
    };
  }

  async #verify(token: string, { metadata, keys }: KnownIssuer, signal: AbortSignal): Promise<Claims> {
    const { bearer, clock } = this.#parts;
    const typ = normalType(decodeProtectedHeader(token).typ);
    const accepted = bearer.types.find((type) => normalType(type) === typ);
    if (accepted === undefined)
      throw rejection(
        'token-rejected',
        'bearer token: its typ is none of those accepted',
        'see bearer.types; Keycloak and Entra ID say JWT',
      );
    const { payload } = await abortable(signal, () =>
      jwtVerify(token, keys.find, {
        issuer: metadata.issuer,
        audience: [...this.#audience],
        algorithms,
        requiredClaims: ['exp', 'iat', 'sub'],
        clockTolerance: tolerance,
        currentDate: new Date(clock.now()),
      }),
    );
    // RFC 9068 tokens name their client too, but there only a list in the configuration narrows it.
    if (accepted === 'JWT' || bearer.clients) this.#requireClient(payload.azp ?? payload.client_id ?? payload.appid);
    requireAccessToken(payload, clock.now());
    return payload;
  }

  #requireClient(id: unknown): void {
    if (typeof id !== 'string' || !this.#clients.includes(id))
      throw rejection(
        'token-rejected',
        'bearer token: it was issued to another application (azp, client_id)',
        'see bearer.clients',
      );
  }

  async #introspect(token: string, found: KnownIssuer, signal: AbortSignal): Promise<Claims> {
    const { bearer, relying, clock } = this.#parts;
    const digest = createHash('sha256').update(token).digest('base64url');
    const now = clock.now();
    const kept = this.#answers.get(digest);
    const claims = kept && kept.until > now ? kept.claims : await introspection(relying.at(found, signal), token);
    if (kept?.claims !== claims) this.#keep(digest, claims, now + bearer.cache);
    this.#requireActive(claims, found, now);
    return claims;
  }

  #requireActive(claims: Claims, { metadata }: KnownIssuer, now: number): void {
    if (claims.active !== true)
      throw rejection('token-rejected', 'bearer token: the issuer says that it is not active');
    if (claims.iss !== undefined && claims.iss !== metadata.issuer)
      throw rejection('token-rejected', 'bearer token: it is of another issuer');
    if (typeof claims.exp === 'number' && claims.exp * 1000 <= now)
      throw rejection('token-rejected', 'bearer token: it has expired');
    if (claims.aud === undefined) this.#requireClient(claims.client_id);
    else if (!valuesOf([claims], 'aud').some((audience) => this.#audience.includes(audience)))
      throw rejection('token-rejected', 'bearer token: it is meant for somebody else (aud)', 'see bearer.audience');
    requireAccessToken(claims, now);
  }

  #keep(digest: string, claims: Claims, until: number): void {
    this.#answers.delete(digest);
    this.#answers.set(digest, { claims, until });
    for (const [oldest] of this.#answers) {
      if (this.#answers.size <= maxKept) return;
      this.#answers.delete(oldest);
    }
  }
}

async function introspection(configuration: client.Configuration, token: string): Promise<Claims> {
  try {
    return await client.tokenIntrospection(configuration, token, { token_type_hint: 'access_token' });
  } catch (error) {
    // Only an answer speaks against a token; whatever else goes wrong there is ours or the issuer's.
    throw asOutage(oidcFailure(error, 'introspection endpoint'));
  }
}

/** None that is bound to a key which the caller has not shown: RFC 8705 §3 by a certificate; RFC 9449 §7.2 nobody here proves. */
function requireKey({ cnf }: JWTPayload | Claims, certificate: string | undefined): void {
  if (cnf === undefined) return;
  const [[method, digest] = [], ...others] = Object.entries(cnf ?? { unknown: undefined });
  if (method !== 'x5t#S256' || others.length > 0)
    throw rejection('token-rejected', 'bearer token: it is bound to a key in a way that is not known here (cnf)');
  if (certificate === undefined || digest !== certificate)
    throw rejection(
      'token-rejected',
      'bearer token: it is bound to a certificate that its sender has not shown (cnf)',
      'RFC 8705: the client has to show it at a listener with clientCertificates',
    );
}

/** No ID token, no logout token. */
function requireAccessToken(claims: JWTPayload | Claims, now: number): void {
  const foreign = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events'].find((name) => Object.hasOwn(claims, name));
  if (foreign !== undefined)
    throw rejection('token-rejected', `bearer token: it is no plain access token, as it has ${foreign}`);
  if (['ID', 'Refresh', 'Offline', 'Logout'].includes(String(claims.typ)))
    throw rejection('token-rejected', 'bearer token: it is no access token');
  if (!hasPlausibleTimes(claims, now))
    throw rejection('token-rejected', 'bearer token: its times are impossible, or it was issued in the future');
}

/** RFC 7515 §4.1.9: compared without regard to case, and `application/` may be left out. */
function normalType(typ: string | undefined): string | undefined {
  return typ?.toLowerCase().replace(/^application\//, '');
}

function withoutSlash(address: string): string {
  return address.replace(/\/$/, '');
}
