/**
 * What would happen to a request, told step by step: the same functions as the pipeline, on a user that a directory names
 * instead of a session. It changes nothing and asks no upstream.
 */
import { defaultTenant } from '../core/account.ts';
import { GatewayError } from '../core/errors.ts';
import type { Outcome, ProviderStep } from '../core/outcome.ts';
import { type Assertion, canonicalUsername, type Principal } from '../core/principal.ts';
import type { Attempt } from '../core/provider.ts';
import { HeaderLines } from '../core/request-head.ts';
import type { Secret } from '../core/secret.ts';
import type { CanonicalTarget, Decision } from '../core/verdict.ts';
import type { Providers } from '../login/providers.ts';
import { refusalOf } from '../login/sign-in.ts';
import { decide } from '../policy/decide.ts';
import { compileRoles, explainRoles, type RoleExplanation } from '../policy/roles.ts';
import { type ChainResult, lookUpOne, runChain } from '../providers/chain.ts';
import { isNeverForwarded } from '../proxy/forward.ts';
import type { HeaderComposer } from '../proxy/headers.ts';
import { compileLocations, type LocationMatch, upstreamTarget } from '../routing/locations.ts';
import { admits, canonicalTarget } from '../routing/target.ts';
import type { Document } from './document.ts';
import { audienceOf, isPortal } from './pipeline.ts';

/** A request to explain. */
export interface Question {
  readonly user: string;
  /** A path, or an address with a host. */
  readonly url: string;
  readonly method: string;
  /** With a password the chain is run for real; without one the directories are asked for the user's entry. */
  readonly password?: Secret;
}

/** Where the request would go. */
export type RouteExplanation =
  | {
      readonly kind: 'matched';
      readonly target: CanonicalTarget;
      readonly match: LocationMatch;
      readonly upstreamPath: string;
    }
  | { readonly kind: 'refused'; readonly error: GatewayError }
  /** By the gateway itself, without any upstream. */
  | { readonly kind: 'answered'; readonly how: string };

/** Who the user would be. */
export interface UserExplanation {
  readonly steps: readonly ProviderStep[];
  readonly outcome: Outcome;
  readonly principal?: Principal;
  readonly roles: readonly RoleExplanation[];
}

/** All of it. */
export interface Explanation {
  readonly route: RouteExplanation;
  readonly user: UserExplanation;
  readonly decision?: Decision;
  readonly headers?: ReadonlyMap<string, string | readonly string[]>;
  /** Whom the assertion beside the headers would be for; it is signed only when a request goes. */
  readonly audience?: string;
}

/** Works out what would happen. */
export async function explainRequest(
  question: Question,
  {
    document,
    providers,
    composer,
    routes,
  }: {
    document: Document;
    providers: Providers;
    composer: HeaderComposer;
    routes: Parameters<typeof compileLocations>[0];
  },
): Promise<Explanation> {
  const route = explainRoute(question, document, routes);
  const user = await explainUser(question, document, providers);
  if (route.kind !== 'matched') return { route, user };
  const { access } = route.match.route;
  if (access === 'deny') return { route, user, decision: { kind: 'deny', reason: 'location-closed' } };
  const { principal } = user;
  if (access !== 'public' && !principal) return { route, user };
  const decision: Decision =
    access === 'public' || !principal
      ? { kind: 'permit' }
      : decide(principal, route.match.route, undefined, Date.now());
  if (decision.kind !== 'permit') return { route, user, decision };
  if (isNeverForwarded(question.method)) {
    const error = new GatewayError('METHOD_NOT_ALLOWED', `${question.method} is never forwarded`);
    return { route: { kind: 'refused', error }, user };
  }
  const known = access === 'public' ? undefined : principal;
  const headers = composer.compose(route.match.route, {
    headers: new HeaderLines(['Host', document.server.publicUrl.host]),
    client: { address: '127.0.0.1', scheme: document.server.publicUrl.protocol === 'https:' ? 'https' : 'http' },
    peer: '127.0.0.1',
    requestId: 'explain',
    upgrade: false,
    ...(known && { principal: known }),
  });
  return { route, user, decision, headers, ...(known && { audience: audienceOf(route.match.route) }) };
}

function explainRoute(
  { url }: Question,
  { server }: Document,
  routes: Parameters<typeof compileLocations>[0],
): RouteExplanation {
  const refused = (code: 'BAD_REQUEST' | 'NOT_FOUND', detail: string): RouteExplanation => ({
    kind: 'refused',
    error: new GatewayError(code, detail),
  });
  const address = /^https?:\/\/(?<host>[^/]+)(?<path>\/.*)?$/i.exec(url)?.groups;
  const reading = canonicalTarget({
    target: address ? (address.path ?? '/') : url,
    headers: new HeaderLines(['Host', address?.host ?? server.publicUrl.host]),
  });
  if (reading.kind === 'refused') return refused('BAD_REQUEST', reading.detail);
  const { target } = reading;
  if (isPortal(target)) return { kind: 'answered', how: "one of the gateway's own addresses" };
  const locations = compileLocations(routes);
  const slash = locations.closingSlash(target.host, target.path);
  if (slash !== undefined) return { kind: 'answered', how: `sent on to ${slash}${target.query}, as nginx does` };
  const match = locations.match(target.host, target.path);
  if (!match) return refused('NOT_FOUND', 'no location matches');
  const admitted = admits(match.route, target);
  if (admitted) return refused('BAD_REQUEST', admitted.detail);
  const upstream = upstreamTarget(match.route, target);
  if (upstream.kind === 'refused') return refused('BAD_REQUEST', upstream.detail);
  return { kind: 'matched', target, match, upstreamPath: upstream.path };
}

async function explainUser(question: Question, document: Document, providers: Providers): Promise<UserExplanation> {
  const result = question.password
    ? await runChain(providers.chain, attemptOf(question, document, question.password), {
        totalTimeout: document.login.total,
      })
    : await lookUpAlong(question.user, providers);
  const { outcome, provider, steps } = result;
  if (outcome.kind !== 'authenticated' || !provider) return { steps, outcome, roles: [] };
  const { assertion } = outcome;
  const reserved = document.login.reservedUsers.map(canonicalUsername);
  const refused = await refusalOf(assertion.subject, AbortSignal.timeout(document.login.total), {
    isReserved: reserved.includes(canonicalUsername(assertion.subject)),
    directory: providers.directoryOf(provider),
  });
  if (refused) return { steps, outcome: refused, roles: [] };
  return {
    steps,
    outcome,
    principal: principalOf(assertion, provider, document),
    roles: explainRoles(document.roles, assertion, provider),
  };
}

function principalOf(assertion: Assertion, provider: string, document: Document): Principal {
  return { ...assertion, provider, tenant: defaultTenant, roles: compileRoles(document.roles)(assertion, provider) };
}

/** Asks each provider of the chain for the user's entry, in order, until one has it. */
async function lookUpAlong(
  user: string,
  { chain }: Providers,
): Promise<Pick<ChainResult, 'outcome' | 'steps'> & { provider?: string }> {
  const steps: ProviderStep[] = [];
  let unsettled: Outcome = { kind: 'unknown-user' };
  for (const link of chain) {
    if (!link.provider.lookUp) continue;
    const startedAt = performance.now();
    const outcome = await lookUpOne(link, user, new AbortController().signal);
    const milliseconds = Math.round((performance.now() - startedAt) * 10) / 10;
    const reason = 'reason' in outcome ? outcome.reason : undefined;
    steps.push({ provider: link.name, outcome: outcome.kind, milliseconds, ...(reason && { reason }) });
    if (outcome.kind === 'authenticated') return { outcome, provider: link.name, steps };
    if (outcome.kind === 'unavailable') unsettled = outcome;
  }
  return { outcome: unsettled, steps };
}

function attemptOf({ user, url }: Question, { server }: Document, password: Secret): Attempt {
  return {
    stage: 'credentials',
    url: URL.canParse(url, server.publicUrl.href) ? new URL(url, server.publicUrl) : server.publicUrl,
    headers: new HeaderLines([]),
    address: '127.0.0.1',
    credentials: { username: user, password },
    callbackUrl: new URL('/_gate/callback/', server.publicUrl),
    signal: AbortSignal.timeout(60_000),
  };
}
