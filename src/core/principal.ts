/** Who somebody is: what a provider asserts, and the user the gateway acts for. */

/**
 * How identity was proved: RFC 8176 where it has a word, else the name of the protocol; `offline` stands beside the word of a
 * proof that was judged while whoever keeps it was away, `rba` for a browser that is remembered. The one list of these words.
 */
const amrWords = [
  ...(['pwd', 'otp', 'hwk', 'swk', 'sms', 'mca', 'user', 'pin', 'mfa', 'rba'] as const),
  ...(['kerberos', 'cas', 'oidc', 'radius', 'offline'] as const),
];

/** A word that providers and factors of this version use. A stored record may hold others, of a newer worker. */
export type Amr = (typeof amrWords)[number];

/**
 * What one provider asserts of a user.
 *
 * `subject` is unique within `realm`, in the canonical form that bans, counters, sessions and audit share. Attribute
 * values are lists, as LDAP and CAS deliver them; the names `name`, `email` and `groups` have a meaning to the gateway.
 * `Word` is `Amr` where a provider answers, and any text where a stored record is read.
 */
export interface Assertion<Word extends string = string> {
  readonly realm: string;
  readonly subject: string;
  readonly amr: readonly Word[];
  /** The class that an identity provider gave its own act. */
  readonly acr?: string;
  /** When an identity provider had its user prove it, in milliseconds since the epoch; the moment of the answer when absent. */
  readonly authenticatedAt?: number;
  readonly attributes: Readonly<Record<string, readonly string[]>>;
  /** Absent where the provider keeps no records, or it is of no account. */
  readonly record?: AccountRecord;
}

/** What a provider's own record of an account says beside attributes; no attribute or claim can say it in its place. */
interface AccountRecord {
  /** The entry's name in its directory. */
  readonly dn?: string;
  /** The name of the tenant, as the users file has it. */
  readonly tenant?: string;
  /** The contacts that the operator knows to be the user's: `email`, `phone`. */
  readonly verified?: readonly string[];
  /** Nobody has seen that the address under `email` is the user's: it says nothing of where they belong. */
  readonly unverifiedEmail?: true;
}

/** The user the gateway acts for: an assertion to which policy has added tenant and roles. */
export interface Principal extends Assertion {
  /** The configured name of the provider that asserted it. */
  readonly provider: string;
  readonly tenant: string;
  /** What the configuration says of that tenant: its number in another system, and the company's name. */
  readonly tenantId?: string;
  readonly company?: string;
  /** What the proofs of the session, or of the request, add up to; absent where nothing is configured that could give more than 1. */
  readonly level?: number;
  readonly roles: ReadonlySet<string>;
  /** SHA-256 of the certificate that a machine has shown, in base64url (RFC 8705 §3.1). */
  readonly certificate?: string;
  /** What these roles let them do, by application; absent where no application has any. */
  readonly privileges?: ReadonlyMap<string, readonly string[]>;
}

/** A copy to give away: what becomes of it changes nobody's rights. */
export function copyPrincipal(principal: Principal): Principal {
  return structuredClone(principal);
}

/**
 * The one spelling of a user name: what counters, bans, sessions and the audit compare.
 *
 * Unicode NFKC, lower case, without surrounding white space. Empty when nothing is left.
 */
export function canonicalUsername(username: string): string {
  // Once more at the end: some capitals with accents get a small letter that NFKC writes in another way.
  return username.normalize('NFKC').toLowerCase().normalize('NFKC').trim();
}

/**
 * The canonical name of somebody whom another system names; undefined where that name only looks like one, or would become
 * somebody else's on the way to its canonical form.
 *
 * Directories that know an account by what a user typed may fold full-width letters; an identity provider at which anybody
 * registers a name hands out `ａlice` beside `alice`. So a name is refused that NFKC changes by more than case beyond what NFC
 * does, that has a sign which NFC turns into another single one (U+212A, the kelvin sign, is no K), one that nobody sees or that
 * looks like a blank, or a space before or behind it.
 */
export function federatedUsername(name: string): string | undefined {
  if (unseen.test(name) || name.trim() !== name) return undefined;
  const isChanged = (sign: string): boolean =>
    sign.normalize('NFC') !== sign && [...sign.normalize('NFC')].length === 1;
  if ([...name].some(isChanged)) return undefined;
  if (name.normalize('NFKC').toLowerCase() !== name.normalize('NFC').toLowerCase()) return undefined;
  const canonical = canonicalUsername(name);
  return canonical === '' || canonical.length > maxFederatedName ? undefined : canonical;
}

const maxFederatedName = 256;

/** What the names of programs begin with, so that they are nobody else's: no provider may authenticate such a name. */
const apiPrefix = 'api:';

/** Who a program is that comes with an API token of its own. */
export function apiSubject(name: string): string {
  return apiPrefix + name;
}

/** What the names of machines begin with that are known by their certificates. */
const peerPrefix = 'peer:';

/** Who a machine is: its row of the table, or the thumbprint of a certificate that no row knows. */
export function peerSubject(name: string): string {
  return peerPrefix + name;
}

/** Whether a name is one that only programs and machines have, in whatever spelling. */
export function isApiSubject(subject: string): boolean {
  const name = canonicalUsername(subject);
  return name.startsWith(apiPrefix) || name.startsWith(peerPrefix);
}

/** Signs without a shape, and blanks but for the space: empty braille, the null notehead and the place of an object are no Z. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800\ufffc\u{1d159}]|(?! )\p{Z}/u;

/** The first value of an attribute, or undefined when it has none. */
export function firstValue(assertion: Assertion, attribute: string): string | undefined {
  return assertion.attributes[attribute]?.[0];
}
