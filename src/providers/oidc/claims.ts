/** From claims to an assertion: who the user is to the gateway, and what is known of them. Pure. */

import type { Failure } from '../../core/failure.ts';
import { type Amr, type Assertion, canonicalUsername, federatedUsername } from '../../core/principal.ts';
import { rejection } from './failure.ts';

/** The claims of one token or answer. */
export type Claims = Readonly<Record<string, unknown>>;

/** Which claims mean what. */
export interface ClaimRules {
  readonly realm: string;
  readonly username: string;
  readonly stripDomains: readonly string[];
  /** Attributes of the assertion, each with the claim that it comes from. */
  readonly attributes: readonly (readonly [name: string, claim: string])[];
  /** The claim with the groups, when groups are wanted. */
  readonly groups: string | undefined;
  readonly emailClaim: string;
  readonly needsVerifiedEmail: boolean;
  /** Claims without which nobody is let in. */
  readonly needed: readonly string[];
  readonly required: readonly (readonly [claim: string, values: readonly string[]])[];
}

/** The last second of the year 9999: times beyond it are no times. */
const lastSecond = 253_402_300_799;

/**
 * The assertion that claims make, or why they make none. `sources` in the order in which they count: the first that has a
 * claim is believed for it. Those in `naming` alone may name the user.
 */
export function assertionOf(
  sources: readonly Claims[],
  rules: ClaimRules,
  naming: readonly Claims[] = sources,
): Assertion<Amr> | Failure {
  for (const [claim, values] of rules.required) {
    if (!valuesOf(sources, claim).some((value) => values.includes(value)))
      return rejection('login-denied', `the claim ${claim} has none of the values that requireClaims asks for`);
  }
  const addressed = rules.emailClaim === rules.username ? naming : sources;
  if (rules.needsVerifiedEmail && !isEmailVerified(addressed, rules.emailClaim))
    return rejection(
      'login-denied',
      'the issuer has not verified the e-mail address',
      'verify it there, or see requireEmailVerified',
    );
  const subject = subjectOf(naming, rules);
  if (typeof subject !== 'string') return subject;
  const overage = rules.groups !== undefined && isElsewhere(sources, rules.groups);
  if (overage)
    return rejection(
      'claim-missing',
      `the user has too many groups for a token: ${rules.groups} is kept elsewhere`,
      'have the issuer send only the groups of this application, or app roles',
    );
  const attributes: Record<string, readonly string[]> = {};
  for (const [name, claim] of rules.attributes) {
    const values = valuesOf(sources, claim).filter((value) => name !== 'email' || isEmail(value));
    if (values.length > 0) attributes[name] = values;
  }
  // The issuer's word is about the claim for addresses, and about no other that stands under the name.
  const isOther = rules.attributes.some(([name, claim]) => name === 'email' && claim !== rules.emailClaim);
  const isUnverified = attributes.email !== undefined && (isOther || !isEmailVerified(addressed, rules.emailClaim));
  const record = isUnverified && { record: { unverifiedEmail: true as const } };
  return { realm: rules.realm, subject, amr: ['oidc'], attributes, ...record };
}

function subjectOf(sources: readonly Claims[], rules: ClaimRules): string | Failure {
  const values = valuesOf(sources, rules.username);
  const [value] = values;
  const there = [...new Set(sources.flatMap((claims) => Object.keys(claims)))].filter(isShownName).join(', ');
  const hint = `set usernameClaim to one of the claims that there are (${there || 'none'}), or have the issuer send that one (scope, mapper)`;
  if (value === undefined) return rejection('claim-missing', `there is no claim ${rules.username}`, hint);
  if (values.length > 1) return rejection('claim-missing', `the claim ${rules.username} has more than one value`, hint);
  const username = federatedUsername(value);
  if (username === undefined)
    return rejection(
      'claim-missing',
      `the claim ${rules.username} is no usable name: it is empty or too long, or has signs that nobody sees or that stand for others`,
      'give the user a plain name at the issuer',
    );
  const parts = username.split('@');
  // `attacker@evil.com@company.com` ends in a good domain (GHSA-c5c4-8r6x-56w3).
  if (parts.length > 2 || (parts.length === 2 && !isEmail(username)))
    return rejection('token-rejected', `the claim ${rules.username} is an address with more than one meaning`);
  if (rules.stripDomains.length === 0) return username;
  const [name = '', domain = ''] = parts;
  if (rules.stripDomains.some((allowed) => canonicalUsername(allowed) === domain)) return name;
  return rejection(
    'realm-not-allowed',
    `the user name is of none of the domains ${rules.stripDomains.join(', ')}`,
    'see stripDomains',
  );
}

/** Names of claims are the issuer's own; what could be anything but a name is not shown. */
function isShownName(name: string): boolean {
  return /^[\w.:/-]{1,100}$/.test(name);
}

/** The values of a claim: of the first source that has any. */
export function valuesOf(sources: readonly Claims[], claim: string): readonly string[] {
  for (const source of sources) {
    const values = textsOf(lookUp(source, claim));
    if (values.length > 0) return values;
  }
  return [];
}

/** A claim by its name or by a path of names; a name with dots in it, such as an address, counts as it stands. */
function lookUp(claims: Claims, claim: string): unknown {
  if (Object.hasOwn(claims, claim)) return claims[claim];
  let value: unknown = claims;
  for (const name of claim.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
      return undefined;
    value = (value as Claims)[name];
  }
  return value;
}

function textsOf(value: unknown): readonly string[] {
  const texts = (Array.isArray(value) ? value : [value]).flatMap((item) =>
    typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean' ? [String(item)] : [],
  );
  return texts.filter((text) => text !== '' && !/\p{Cs}/u.test(text));
}

/** One `@`, something on both sides, nothing that a header or a list could be broken with. */
function isEmail(value: string): boolean {
  return /^[^\s@\p{Cc},;<>"]{1,64}@[^\s@\p{Cc},;<>"]{1,255}$/u.test(value);
}

/** Of the source that has the address: another's word on another address does not count. */
function isEmailVerified(sources: readonly Claims[], emailClaim: string): boolean {
  const source = sources.find((claims) => textsOf(lookUp(claims, emailClaim)).length > 0);
  // Amazon Cognito says "true".
  return source?.email_verified === true || source?.email_verified === 'true';
}

/** Entra ID names a place to ask instead of a long list (OpenID Connect Core §5.6.2); whoever goes on would lack roles. */
function isElsewhere(sources: readonly Claims[], claim: string): boolean {
  const [first = ''] = claim.split('.');
  return sources.some(
    ({ _claim_names: names }) => typeof names === 'object' && names !== null && Object.hasOwn(names, first),
  );
}

/** Whether the times in claims can be times at all, and the token was not issued in the future. */
export function hasPlausibleTimes(claims: Claims, nowMilliseconds: number): boolean {
  const times = ['exp', 'iat', 'nbf', 'auth_time'].map((name) => claims[name]).filter((time) => time !== undefined);
  const arePossible = times.every((time) => typeof time === 'number' && time >= 0 && time <= lastSecond);
  const { iat } = claims;
  return arePossible && (typeof iat !== 'number' || iat * 1000 <= nowMilliseconds + clockTolerance);
}

/** How far the clocks of the issuer and of this machine may be apart, in milliseconds. */
export const clockTolerance = 30_000;

/** Characters of an `acr` that is kept; issuers name a class by a word or a URI. */
const maxClass = 256;

/**
 * An assertion with what a verified token says of how its user was proved: the class, and where the configuration trusts any the
 * methods that it trusts, and when that was. A class that is no text, and methods that are no list of texts, say nothing.
 */
export function withClass(
  assertion: Assertion<Amr>,
  { acr, amr, auth_time: time }: Claims,
  trust: { readonly amr: Readonly<Record<string, number>> } | undefined,
): Assertion<Amr> {
  const trusted = trust?.amr ?? {};
  const methods = Array.isArray(amr)
    ? amr.filter((word) => typeof word === 'string' && Object.hasOwn(trusted, word))
    : [];
  return {
    ...assertion,
    amr: [...new Set([...assertion.amr, ...methods])],
    ...(typeof acr === 'string' && acr.length <= maxClass && { acr }),
    ...(trust && typeof time === 'number' && { authenticatedAt: time * 1000 }),
  };
}
