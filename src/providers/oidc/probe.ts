/** `gatehouse check --connect` for an issuer: name, port, TLS, metadata, keys, the client's own credentials, the redirect URI. */

import * as client from 'openid-client';
import type { Clock } from '../../core/clock.ts';
import type { Failure } from '../../core/failure.ts';
import type { ProbeStep } from '../../core/provider.ts';
import type { Fetch } from '../../remote/http-client.ts';
import { wayTo } from '../../remote/outbound-proxy.ts';
import { networkSteps, probeSteps, type Step, type StepResult } from '../../remote/probe.ts';
import { oidcFailure, outage } from './failure.ts';
import type { Issuer, KnownIssuer } from './issuer.ts';
import type { OidcOptions } from './options.ts';
import type { ClientMethod, RelyingParty } from './relying-party.ts';

/** What is tried. */
export interface IssuerProbePlan {
  readonly options: OidcOptions;
  readonly issuer: Issuer;
  readonly relying: RelyingParty;
  readonly fetch: Fetch;
  /** The address that must be registered at the issuer. */
  readonly callbackUrl: URL;
  /** For each step, in milliseconds. */
  readonly timeout: number;
  readonly clock: Clock;
}

/** Tries one step after the other and ends after the first that fails. */
export async function* probeIssuer(plan: IssuerProbePlan, signal: AbortSignal): AsyncGenerator<ProbeStep> {
  const { ca, pins, outboundProxy = false } = plan.options;
  const { label, metadataAddress } = plan.issuer;
  let found: KnownIssuer | undefined;
  const known = (): KnownIssuer => {
    if (!found) throw new Error('the steps are out of order');
    return found;
  };
  const discover = async (within: AbortSignal): Promise<StepResult> => {
    found = await plan.issuer.discover(within);
    return describeMetadata(found, plan.issuer);
  };
  const steps: readonly Step[] = [
    ...networkSteps(metadataAddress, { ca, pins }, plan.clock, wayTo(outboundProxy, metadataAddress)),
    ['discovery', discover],
    ['jwks', () => readKeys(known())],
    ['client', (within) => tryClient(plan, known(), within)],
    ['redirect-uri', (within) => tryRedirectUri(plan, known(), within)],
    ['logout', async () => describeLogout(plan.options, known())],
  ];
  yield* probeSteps(steps, { signal, timeout: plan.timeout, explain: (error) => oidcFailure(error, label) });
}

function describeMetadata({ metadata }: KnownIssuer, { label, address }: Issuer): StepResult {
  const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  const par = metadata.pushed_authorization_request_endpoint === undefined ? 'not offered' : 'offered';
  const place = label === address.href ? '' : `, asked at ${label}`;
  const detail = `issuer ${metadata.issuer}${place}; client authentication ${methods.join(', ')}; pushed requests ${par}`;
  const pkce = metadata.code_challenge_methods_supported;
  if (pkce && !pkce.includes('S256'))
    return { detail, hint: 'the issuer does not offer PKCE with S256; enable it there' };
  return { detail };
}

async function readKeys({ keys, metadata }: KnownIssuer): Promise<StepResult> {
  const found = (await keys.document(undefined)).keys.filter(({ use }) => use === undefined || use === 'sig');
  if (found.length === 0)
    throw outage(
      'misconfigured',
      `${metadata.jwks_uri}: there is no key for signatures`,
      'have the issuer sign with RS256, PS256, ES256 or EdDSA',
    );
  return { detail: found.map(({ kid, kty, alg }) => `${kid ?? 'a key without kid'} (${alg ?? kty})`).join(', ') };
}

async function tryClient(plan: IssuerProbePlan, found: KnownIssuer, signal: AbortSignal): Promise<StepResult> {
  const { relying } = plan;
  const method = relying.methodAt(found);
  const failure = await refusalOfCode(plan, found, method, signal);
  if (knowsClient(failure)) return { detail: `${relying.clientId} is known, by ${method}` };
  throw await explained(failure, plan, found, signal);
}

/** `invalid_code` is glewlwyd's word for it. */
function knowsClient({ answer }: Failure): boolean {
  return answer === 'invalid_grant' || answer === 'invalid_code';
}

/** A code that nobody has issued: who knows the client says that the grant is invalid, who does not says so of the client. */
async function refusalOfCode(
  { relying, callbackUrl }: IssuerProbePlan,
  found: KnownIssuer,
  method: ClientMethod,
  signal: AbortSignal,
): Promise<Failure> {
  const url = new URL(callbackUrl);
  url.search = new URLSearchParams({ code: 'gatehouse-check', state: 'check', iss: found.metadata.issuer }).toString();
  const terms = { expectedState: 'check', expectedNonce: 'check', pkceCodeVerifier: client.randomPKCECodeVerifier() };
  try {
    await client.authorizationCodeGrant(relying.at(found, signal, method), url, terms);
  } catch (error) {
    return oidcFailure(error, 'token endpoint');
  }
  return outage('protocol-error', 'token endpoint: it takes a code that nobody has issued', 'do not use this issuer');
}

const byHeader = 'client_secret_basic';
const byForm = 'client_secret_post';

/**
 * The refusal with its cause, where that can be found out: the same secret that is taken in the other way is right, and the way
 * is what the issuer misreads. Where it is not, and signs of it stand escaped in the header, it may be right all the same.
 */
async function explained(
  failure: Failure,
  plan: IssuerProbePlan,
  found: KnownIssuer,
  signal: AbortSignal,
): Promise<Failure> {
  const method = plan.relying.methodAt(found);
  if (failure.kind === 'unavailable' || (method !== byHeader && method !== byForm)) return failure;
  const other = method === byHeader ? byForm : byHeader;
  const isEscaped = method === byHeader && /[^\w*.-]/.test(plan.relying.clientId + plan.options.clientSecret?.reveal());
  if (!knowsClient(await refusalOfCode(plan, found, other, signal)))
    return isEscaped ? outage(failure.reason, failure.message, escapeHint) : failure;
  const cause = isEscaped ? ', as it does not read the escapes in which some signs of it stand there' : '';
  const what = `token endpoint: the issuer takes the clientSecret by ${other}, and refuses it by ${method}${cause}`;
  return outage('misconfigured', what, `set clientAuth: ${other}`);
}

const escapeHint = [
  'check clientId, clientSecret and clientAuth. Signs other than letters, digits and * - . _ stand escaped in the header,',
  `which some servers do not read: allow ${byForm} for the client there and set clientAuth: ${byForm}, or take others`,
].join(' ');

/** Opens the login page as a browser would; what is not registered is answered with an error there, and never redirected. */
async function tryRedirectUri(plan: IssuerProbePlan, found: KnownIssuer, signal: AbortSignal): Promise<StepResult> {
  const { options, relying, callbackUrl } = plan;
  const hint = `register the redirect URI ${callbackUrl.href} at the issuer for the client ${relying.clientId}`;
  const configuration = relying.at(found, signal);
  const parameters = {
    ...options.parameters,
    response_type: 'code',
    redirect_uri: callbackUrl.href,
    scope: [...new Set(['openid', ...options.scopes])].join(' '),
    state: 'check',
    nonce: 'check',
    code_challenge: await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()),
    code_challenge_method: 'S256',
  };
  const isPushed = options.par && found.metadata.pushed_authorization_request_endpoint !== undefined;
  let url: URL;
  try {
    url = isPushed
      ? await client.buildAuthorizationUrlWithPAR(configuration, parameters)
      : client.buildAuthorizationUrl(configuration, parameters);
  } catch (error) {
    const failure: Failure = oidcFailure(error, 'pushed request endpoint');
    throw outage(failure.reason, failure.message, failure.kind === 'rejected' ? hint : failure.hint);
  }
  const response = await plan.fetch(url.href, { method: 'GET', headers: { accept: 'text/html' }, signal });
  await response.body?.cancel();
  const { status } = response;
  const back = errorIn(response.headers.get('location'), callbackUrl);
  if (back !== undefined)
    throw outage(
      'misconfigured',
      `login page: the issuer answers ${back}`,
      'check scopes, and the flow that the client may use at the issuer',
    );
  if (status >= 400) throw outage('misconfigured', `login page: it is answered with ${status}`, hint);
  return { detail: `${callbackUrl.href} is taken${isPushed ? ', by a pushed request' : ''}` };
}

function errorIn(location: string | null, callbackUrl: URL): string | undefined {
  if (location === null || !URL.canParse(location)) return undefined;
  const url = new URL(location);
  const error =
    url.origin === callbackUrl.origin && url.pathname === callbackUrl.pathname ? url.searchParams.get('error') : null;
  return error !== null && /^[\w.-]{1,64}$/.test(error) ? error : undefined;
}

function describeLogout({ logout }: OidcOptions, { metadata }: KnownIssuer): StepResult {
  const there = metadata.end_session_endpoint;
  const back = metadata.backchannel_logout_supported === true ? 'offered' : 'not offered';
  const detail = `${there === undefined ? 'no end_session_endpoint' : there}; back-channel logout ${back}`;
  if (logout !== false && there === undefined)
    return { detail, hint: 'the issuer offers no logout: logout of this provider has no effect' };
  return { detail };
}
