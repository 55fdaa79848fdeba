/**
 * Why a login or a token did not go through, or an issuer could not be asked: every error of sockets, TLS, HTTP, OAuth and
 * JOSE as one kind. Errors of the libraries carry tokens and codes in their causes, so none of them is passed on.
 */
import { errors as jose } from 'jose';
import * as client from 'openid-client';
import { Failure } from '../../core/failure.ts';
import type { Reason } from '../../core/reason.ts';
import { networkFailure } from '../../remote/network-error.ts';

/** A refusal of what was presented. */
export function rejection(reason: Reason, message: string, hint?: string): Failure {
  return new Failure(reason, message, { kind: 'rejected', hint });
}

/** An issuer that cannot be asked. */
export function outage(reason: Reason, message: string, hint?: string): Failure {
  return new Failure(reason, message, { hint });
}

/** Any error as a Failure; `where` is the step, such as `token endpoint`. */
export function oidcFailure(error: unknown, where: string): Failure {
  const own = failureIn(error);
  if (own) return own;
  if (error instanceof client.AuthorizationResponseError) return refusedLogin(error, where);
  if (error instanceof client.ResponseBodyError) return refusedRequest(error, where);
  if (error instanceof client.WWWAuthenticateChallengeError)
    return rejection(
      'misconfigured',
      `${where}: the issuer answers ${error.status}`,
      'check clientId, clientSecret and clientAuth',
    );
  if (error instanceof jose.JWKSTimeout)
    return outage('timed-out', `${where}: no answer in time`, 'check that the issuer is up and reachable from here');
  const network = networkFailure(error, where);
  if (network) return network;
  if (error instanceof client.ClientError) return protocolError(error, where);
  if (error instanceof jose.JOSEError) return tokenError(error, where);
  return outage('provider-broke', `${where}: ${error instanceof Error ? error.name : 'unknown error'}`);
}

/** The failure of a request that an endpoint refuses without a word on why. */
export function wordlessRefusal(status: number, { origin, pathname }: URL): Failure {
  return rejection(
    'misconfigured',
    `${origin}${pathname}: the issuer answers ${status} and does not say why`,
    badClient,
  );
}

/** The issuer knows the classes that it was asked for, and this user has not come up to them (OpenID Connect UAR, RFC 9470). */
const unmet: ReadonlySet<string> = new Set(['unmet_authentication_requirements', 'insufficient_user_authentication']);

const declined = new Set([
  'access_denied',
  'login_required',
  'consent_required',
  'interaction_required',
  'account_selection_required',
]);

/** The browser brings this error, so it never counts as an outage: anybody could open the circuit breaker with it. */
function refusedLogin(error: client.AuthorizationResponseError, where: string): Failure {
  const code = wordOf(error.error);
  if (unmet.has(code))
    return new Failure('level-too-low', `${where}: the issuer answers ${code}`, { kind: 'rejected', answer: code });
  if (declined.has(code))
    return new Failure('login-denied', `${where}: the issuer answers ${code}`, { kind: 'rejected', answer: code });
  const isIll = code === 'server_error' || code === 'temporarily_unavailable';
  const hint = isIll
    ? 'its log says more'
    : 'check how the client is registered at the issuer: redirect URI, flow, scopes';
  return new Failure(isIll ? 'provider-broke' : 'misconfigured', `${where}: the issuer answers ${code}`, {
    kind: 'rejected',
    answer: code,
    hint,
  });
}

/** Errors about how the gateway is registered; any other of a token endpoint is about the one token that was presented. */
const ofTheClient: ReadonlySet<unknown> = new Set([
  'invalid_client',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
]);

/**
 * The same failure where a refusal is no word on the user: nobody is signed out for it, and nothing counts against the issuer,
 * which has answered.
 */
export function asOutage(failure: Failure): Failure {
  if (failure.kind === 'unavailable') return failure;
  const { message, hint, answer } = failure;
  if (ofTheClient.has(answer))
    return new Failure('misconfigured', message, { hint: badClient, answer, answered: 'of-the-gateway' });
  return new Failure('token-rejected', message, { hint, answer, answered: 'of-the-user' });
}

const badClient = 'check clientId, clientSecret and clientAuth; the redirect URI must be registered at the issuer';

function refusedRequest(error: client.ResponseBodyError, where: string): Failure {
  const code = wordOf(error.error);
  const said = textOf(error.error_description);
  const message = `${where}: the issuer answers ${error.status} ${code}${said && `: ${said}`}`;
  if (error.status === 429) return new Failure('overloaded', message, { answer: code });
  if (error.status >= 500 || code === 'server_error' || code === 'temporarily_unavailable')
    return new Failure('provider-broke', message, { answer: code, hint: 'its log says more' });
  if (code === 'invalid_grant') return new Failure('token-rejected', message, { kind: 'rejected', answer: code });
  return new Failure('misconfigured', message, { kind: 'rejected', answer: code, hint: badClient });
}

const protocolErrors: Readonly<
  Record<string, readonly [kind: Failure['kind'], reason: Reason, what: string, hint?: string]>
> = {
  OAUTH_TIMEOUT: [
    'unavailable',
    'timed-out',
    'no answer in time',
    'check that the issuer is up and reachable from here',
  ],
  OAUTH_ABORT: ['unavailable', 'timed-out', 'given up before an answer came'],
  OAUTH_JWT_TIMESTAMP_CHECK_FAILED: [
    'rejected',
    'clock-skew',
    'the token has expired, or is not valid yet',
    'compare the clocks of this machine and of the issuer',
  ],
  OAUTH_JWT_CLAIM_COMPARISON_FAILED: [
    'rejected',
    'token-rejected',
    'the token is for somebody else, or answers another login',
  ],
  OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED: ['rejected', 'token-rejected', 'the answer is about somebody else'],
  OAUTH_INVALID_RESPONSE: ['rejected', 'token-rejected', 'the answer or its signature is not valid'],
  OAUTH_KEY_SELECTION_FAILED: [
    'rejected',
    'token-rejected',
    'the token is signed with a key that the issuer does not publish',
  ],
  OAUTH_UNSUPPORTED_OPERATION: [
    'rejected',
    'token-rejected',
    'the token is signed or encrypted in a way that is not accepted',
    'have the issuer sign with RS256, PS256, ES256 or EdDSA, and not encrypt',
  ],
  OAUTH_RESPONSE_IS_NOT_JSON: [
    'unavailable',
    'protocol-error',
    'the answer is not JSON',
    'check issuer, and what answers there',
  ],
  OAUTH_PARSE_ERROR: [
    'unavailable',
    'protocol-error',
    'the answer cannot be read',
    'check issuer, and what answers there',
  ],
  OAUTH_RESPONSE_IS_NOT_CONFORM: [
    'unavailable',
    'protocol-error',
    'the answer has an unexpected status',
    'check issuer, and what answers there',
  ],
  OAUTH_HTTP_REQUEST_FORBIDDEN: [
    'unavailable',
    'misconfigured',
    'the metadata names an address without TLS',
    'have the issuer published under https:// throughout',
  ],
  OAUTH_MISSING_SERVER_METADATA: ['unavailable', 'misconfigured', 'the metadata lacks an endpoint that is needed'],
  OAUTH_INVALID_SERVER_METADATA: ['unavailable', 'misconfigured', 'the metadata names an endpoint that is no address'],
};

function protocolError(error: client.ClientError, where: string): Failure {
  const [kind, reason, what, hint] = protocolErrors[error.code ?? ''] ?? [
    'unavailable',
    'provider-broke',
    'unexpected error',
  ];
  // The library's own sentence, one level down, is fixed text; what it caused stays behind.
  const { cause } = error;
  const said = cause instanceof Error && cause.name === 'OperationProcessingError' ? ` (${textOf(cause.message)})` : '';
  return new Failure(reason, `${where}: ${what}${said}`, { kind, hint });
}

function tokenError(error: jose.JOSEError, where: string): Failure {
  if (error instanceof jose.JWTExpired) return rejection('token-rejected', `${where}: the token has expired`);
  if (error instanceof jose.JWTClaimValidationFailed)
    return rejection(
      'token-rejected',
      `${where}: the claim ${error.claim} is ${error.reason === 'missing' ? 'missing' : 'not as it must be'}`,
    );
  if (error instanceof jose.JWKSInvalid || error.code === 'ERR_JOSE_GENERIC')
    return outage(
      'protocol-error',
      `${where}: the answer is no set of keys`,
      'check jwks_uri of the issuer, and what answers there',
    );
  return rejection('token-rejected', `${where}: the token is not valid (${error.code})`);
}

/** A Failure of our own HTTP client, which the libraries wrap. */
function failureIn(error: unknown): Failure | undefined {
  for (let next = error, depth = 0; next instanceof Error && depth < 5; next = next.cause, depth++)
    if (next instanceof Failure) return next;
  return undefined;
}

/** An error code as OAuth allows it; anything else stays out of the log. */
function wordOf(code: unknown): string {
  return typeof code === 'string' && /^[\w.-]{1,64}$/.test(code) ? code : 'an unreadable error';
}

function textOf(text: unknown): string {
  return typeof text === 'string' ? text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 200) : '';
}
