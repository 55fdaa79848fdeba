/** Logout in both directions: the browser sent to the issuer to sign out there, and the issuer's word that a session is over. */
import { createHash } from 'node:crypto';
import { decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import * as client from 'openid-client';
import type { Clock } from '../../core/clock.ts';
import type { LogoutNotice, LogoutRequest } from '../../core/provider.ts';
import type { Store } from '../../core/store.ts';
import { abortable } from '../../remote/deadline.ts';
import { algorithms } from './assertion-reader.ts';
import { clockTolerance, hasPlausibleTimes } from './claims.ts';
import { oidcFailure } from './failure.ts';
import { readGrant, sidHandle, subHandle, unnamedHandle } from './grant.ts';
import type { Issuer, KnownIssuer } from './issuer.ts';
import type { OidcOptions } from './options.ts';
import type { RelyingParty } from './relying-party.ts';

interface LogoutParts {
  readonly name: string;
  readonly options: OidcOptions;
  readonly issuer: Issuer;
  readonly relying: RelyingParty;
  readonly store: Store;
  readonly clock: Clock;
}

const event = 'http://schemas.openid.net/event/backchannel-logout';
const maxAge = 120_000;
const maxCharacters = 16_384;
const maxIdCharacters = 256;
/** Servers refuse longer request lines; without the hint they ask the user whether to sign out. */
const maxUrlCharacters = 6000;

/** Logout at the issuer, and by it. */
export class Logout {
  readonly #parts: LogoutParts;

  constructor(parts: LogoutParts) {
    this.#parts = parts;
  }

  /** Where the browser signs out at the issuer; undefined when it is not to, or the issuer has no such place. */
  addressFor(state: unknown, returnTo: URL): URL | undefined {
    const { options, issuer, relying } = this.#parts;
    const { known } = issuer;
    if (options.logout === false || !known || known.metadata.end_session_endpoint === undefined) return undefined;
    if (options.logout === 'redirect_uri') {
      const url = new URL(known.metadata.end_session_endpoint);
      url.searchParams.set('redirect_uri', returnTo.href);
      return url;
    }
    const configuration = relying.at(known, new AbortController().signal);
    const parameters = { post_logout_redirect_uri: returnTo.href, client_id: relying.clientId };
    const hint = readGrant(state)?.idToken;
    const url = client.buildEndSessionUrl(configuration, {
      ...parameters,
      ...(hint !== undefined && { id_token_hint: hint }),
    });
    return url.href.length <= maxUrlCharacters ? url : client.buildEndSessionUrl(configuration, parameters);
  }

  /** Reads what came in by one of the two channels. */
  async read({ channel, url, form, signal }: LogoutRequest): Promise<LogoutNotice> {
    switch (channel) {
      case 'callback':
        return { kind: 'not-a-notice' };
      case 'front-channel':
        return this.#readFront(url.searchParams);
      case 'back-channel':
        return this.#readBack(form, signal);
      default:
        return channel satisfies never;
    }
  }

  /** OpenID Connect Front-Channel Logout §2; without `sid` any page could sign its visitors out. */
  #readFront(query: URLSearchParams): LogoutNotice {
    const sid = query.get('sid') ?? '';
    const iss = query.get('iss') ?? '';
    const { issuer } = this.#parts;
    const isOurs = iss !== '' && iss === (issuer.known?.metadata.issuer ?? issuer.address.href);
    if (!isOurs || !isId(sid))
      return refused('the front-channel logout does not name this issuer (iss) and a session (sid)');
    return { kind: 'end', handles: [sidHandle(sid)], reason: 'back-channel' };
  }

  /** OpenID Connect Back-Channel Logout §2.6. */
  async #readBack(form: URLSearchParams | undefined, signal: AbortSignal): Promise<LogoutNotice> {
    const token = form?.get('logout_token');
    if (!token || token.length > maxCharacters) return refused('there is no logout_token');
    let payload: JWTPayload;
    try {
      payload = await this.#verify(token, await this.#parts.issuer.find(signal), signal);
    } catch (error) {
      const { reason, message } = oidcFailure(error, 'logout_token');
      return { kind: 'rejected', reason, detail: message };
    }
    const problem = problemOf(payload);
    if (problem !== undefined) return refused(problem);
    if (!(await this.#isFirst(String(payload.jti)))) return refused('the logout_token has been used before');
    return { kind: 'end', handles: handlesOf(payload), reason: 'back-channel' };
  }

  async #verify(token: string, { metadata, keys }: KnownIssuer, signal: AbortSignal): Promise<JWTPayload> {
    const { options, clock } = this.#parts;
    const { typ } = decodeProtectedHeader(token);
    const { payload } = await abortable(signal, () =>
      jwtVerify(token, keys.find, {
        issuer: metadata.issuer,
        audience: [...options.clientId],
        algorithms,
        // Some issuers leave typ out or write JWT; `events` tells the token from an ID token then.
        ...(typ !== undefined && typ !== 'JWT' && { typ: 'logout+jwt' }),
        maxTokenAge: maxAge / 1000,
        requiredClaims: ['iat', 'jti', 'events'],
        clockTolerance: clockTolerance / 1000,
        currentDate: new Date(clock.now()),
      }),
    );
    return payload;
  }

  /** Of two that bring the same token, on whichever worker, one goes on. */
  #isFirst(jti: string): Promise<boolean> {
    const { name, store, clock } = this.#parts;
    const digest = createHash('sha256').update(jti).digest('base64url');
    const until = clock.now() + maxAge + 2 * clockTolerance;
    return store.replace(`oidc-logout:${name}.${digest}`, undefined, '', until, { held: true });
  }
}

/**
 * With a session and a user it is this one session, and those of the user to which the issuer gave no name, as some do until
 * they are told to put `sid` into ID tokens; with the user alone, all of them.
 */
function handlesOf({ sid, sub }: JWTPayload): string[] {
  if (!isId(sid)) return [subHandle(String(sub))];
  return [sidHandle(sid), ...(isId(sub) ? [unnamedHandle(sub)] : [])];
}

function problemOf(payload: JWTPayload): string | undefined {
  const { events, jti, sid, sub } = payload;
  const happened: unknown =
    typeof events === 'object' && events !== null ? (events as Record<string, unknown>)[event] : undefined;
  if (typeof happened !== 'object' || happened === null || Array.isArray(happened))
    return 'the token is not about a logout (events)';
  if ('nonce' in payload) return 'the logout_token has a nonce, as only an ID token may';
  if (!isId(jti)) return 'the logout_token has no usable jti';
  if (!isId(sid) && !isId(sub)) return 'the logout_token names neither a session (sid) nor a user (sub)';
  if (!hasPlausibleTimes(payload, Number.POSITIVE_INFINITY)) return 'the times of the logout_token are impossible';
  return undefined;
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= maxIdCharacters;
}

function refused(detail: string): LogoutNotice {
  return { kind: 'rejected', reason: 'token-rejected', detail };
}
