/** The claims of the signed identity: what every application is told, and what a route adds for its own. */
import { firstValue, type Principal } from '../core/principal.ts';
import { freshAt } from '../core/proof.ts';
import type { AssertionRule, ForwardingRoute } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import { type HeaderSource, present, privilegesAt, readTemplate } from './templates.ts';

/**
 * Claims that no configuration sets: who has signed what for whom until when, whose it is and how they proved it, and those by
 * which a verifier takes a token for one of another kind.
 */
export const reservedClaims: ReadonlySet<string> = new Set([
  ...['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'jti', 'sid'],
  ...['amr', 'acr', 'auth_time', 'truncated', 'cnf', 'events', 'nonce', 'typ'],
]);

/** What the tokens for one application are like. */
export interface AssertionTerms {
  readonly audience: string;
  /** In seconds. */
  readonly lifetime: number;
  /** Whose privileges are told. */
  readonly application?: string | undefined;
  /** Adds the application's own claims to those of everybody; absent where there are none. */
  readonly claims?: (identity: HeaderSource) => Readonly<Record<string, string | readonly string[]>>;
}

/** How long a token is valid unless its route says otherwise, in seconds. */
export const usualLifetime = 60;

/** Whom the assertion for a route is meant for. Balanced servers stand for one application: the first names it. */
export function audienceOf({ upstream, assertion }: Pick<ForwardingRoute, 'upstream' | 'assertion'>): string {
  return assertion?.audience ?? upstream.servers[0]?.origin ?? '';
}

/** Reads what a route says of its assertion; throws an OperatorError for a claim that cannot be read. */
export function assertionTerms(route: Pick<ForwardingRoute, 'upstream' | 'assertion' | 'application'>): AssertionTerms {
  const { lifetime, claims = {} } = route.assertion ?? {};
  const compiled = compileClaims(claims);
  return {
    audience: audienceOf(route),
    application: route.application,
    lifetime: lifetime === undefined ? usualLifetime : Math.floor(lifetime / 1000),
    ...(Object.keys(claims).length > 0 && { claims: compiled }),
  };
}

/** Reads the templates of claims. A claim without a value is absent; one variable alone that is a list stays a list. */
export function compileClaims(claims: AssertionRule['claims']): NonNullable<AssertionTerms['claims']> {
  const compiled = Object.entries(claims).map(
    ([name, template]) => [name, readTemplate(`claims.${name}`, template, { forClaim: true })] as const,
  );
  return (identity) => {
    const values: Record<string, string | readonly string[]> = {};
    for (const [name, parts] of compiled) {
      const found = parts.map((part) => (typeof part === 'string' ? part : present(part(identity))));
      if (found.some((value) => value === undefined || value.length === 0)) continue;
      const [only, ...others] = found;
      const isList = typeof only === 'object' && others.length === 0;
      values[name] = isList
        ? only
        : found.map((value) => (typeof value === 'object' ? value.join(',') : value)).join('');
    }
    return values;
  };
}

/** Characters of one claim as JSON: a token must fit into a header together with its fellows. */
const maxClaimLength = 3072;

/** All claims about who it is. `truncated` names those that had to be left out, so that nobody takes an absent list for an empty one. */
export function claimsOf(
  principal: Principal,
  session: Session | undefined,
  { claims: own, application }: Pick<AssertionTerms, 'claims' | 'application'>,
): Record<string, unknown> {
  const name = firstValue(principal, 'name');
  const email = firstValue(principal, 'email');
  const privileges = privilegesAt({ principal, application });
  const proved = session ? freshAt(session.proofs) : Number.NEGATIVE_INFINITY;
  const free: Record<string, unknown> = {
    ...(name && { name }),
    ...(email && { email }),
    groups: principal.attributes.groups ?? [],
    roles: [...principal.roles].sort(),
    provider: principal.provider,
    ...(principal.tenant && { tenant: principal.tenant }),
    ...(principal.tenantId !== undefined && { tenant_id: principal.tenantId }),
    ...(principal.company !== undefined && { company: principal.company }),
    ...(privileges && { privileges }),
    ...own?.({ principal, application, ...(session && { session }) }),
  };
  const tooLong = Object.entries(free).filter(([, value]) => JSON.stringify(value).length > maxClaimLength);
  const truncated = tooLong.map(([claim]) => claim);
  return {
    sub: principal.subject,
    ...Object.fromEntries(Object.entries(free).filter(([claim]) => !truncated.includes(claim))),
    ...(truncated.length > 0 && { truncated }),
    amr: principal.amr,
    ...(principal.level && { acr: `urn:gatehouse:level:${principal.level}` }),
    ...(session && { sid: session.id }),
    // RFC 8705 §3.1.
    ...(principal.certificate !== undefined && { cnf: { 'x5t#S256': principal.certificate } }),
    // Nobody has authenticated a user whose provider was away.
    ...(Number.isFinite(proved) && { auth_time: Math.floor(proved / 1000) }),
  };
}
