/** Has libkrb5 judge a token, and says in the gateway's words what it found. */
import type { Reason } from '../../core/reason.ts';
import type { KerberosAddon } from './addon.ts';
import type { Lease } from './environment.ts';
import { type KeytabEntry, readKeytab } from './keytab.ts';
import { isSpn, type Spn } from './names.ts';

/** What came of a token. */
type Acceptance =
  /** `client` is a name such as `alice@EXAMPLE.COM`; `reply` proves to the client who we are, where it asked. */
  | { readonly kind: 'accepted'; readonly client: string; readonly reply?: string }
  | { readonly kind: 'rejected'; readonly reason: Reason; readonly detail: string }
  | { readonly kind: 'unavailable'; readonly reason: Reason; readonly cause: unknown };

/** What an acceptor works with. */
interface AcceptorParts {
  readonly addon: KerberosAddon;
  readonly lease: Lease;
  readonly spns: readonly Spn[];
  readonly keytab: string;
}

/** Accepts tokens. It keeps nothing from one to the next. */
export class Acceptor {
  readonly #parts: AcceptorParts;

  constructor(parts: AcceptorParts) {
    this.#parts = parts;
  }

  /** Never throws. */
  async accept(token: string): Promise<Acceptance> {
    try {
      this.#parts.lease.apply();
      // One object a token: two steps at once on the same one mix up their users. Without a name for the service no name
      // is looked up in DNS; every key of the keytab is tried, and which it was is checked below.
      const server = await this.#parts.addon.initializeServer('');
      await server.step(token);
      const { username, targetName, response, contextComplete } = server;
      if (!contextComplete || !username || !targetName)
        return rejected('ticket-rejected', 'the handshake is not complete');
      if (!this.#isOurs(targetName)) return rejected('ticket-rejected', `the ticket is for ${targetName}`);
      return { kind: 'accepted', client: username, ...(response && { reply: response }) };
    } catch (error) {
      return judge(error);
    }
  }

  /**
   * Whether the keytab's entry that fitted is one of ours. Accounts of Active Directory have one key under many names, and
   * libkrb5 tells the first that fitted, so another name of the very same key will do.
   */
  #isOurs(target: string): boolean {
    const { spns, keytab } = this.#parts;
    if (spns.some((spn) => isSpn(target, spn))) return true;
    const entries = readKeytab(keytab);
    const ours = new Set(entries.filter((entry) => isOneOf(entry, spns)).map(({ fingerprint }) => fingerprint));
    return entries.some(({ principal, fingerprint }) => principal === target && ours.has(fingerprint));
  }
}

function isOneOf({ principal }: KeytabEntry, spns: readonly Spn[]): boolean {
  return spns.some((spn) => isSpn(principal, spn));
}

/** The library's errors have no codes that reach us; these are its texts, in the order in which they are looked for. */
const verdicts: readonly (readonly [RegExp, Reason])[] = [
  [/is a replay/i, 'ticket-replayed'],
  [/clock skew|not yet valid/i, 'clock-skew'],
  [/cannot decrypt|likely out of date|decrypt integrity|integrity check failed|encryption type/i, 'wrong-key'],
];

/** Texts that speak of our own machine, not of the ticket: no keytab, a replay cache that cannot be written. */
const ourFault =
  /no credentials were supplied|key table file|keytab.* not found$|\(filename: |permission denied|read-only file system|no space left|configuration file/i;

/** What an error of the library means. */
export function judge(error: unknown): Acceptance {
  const text = error instanceof Error ? error.message : String(error);
  // The general part of a GSS error says nothing; the mechanism's own stands behind it.
  const detail = text
    .replace(/^Unspecified GSS failure\.\s+Minor code may provide more information: /, '')
    .slice(0, 300);
  const verdict = verdicts.find(([pattern]) => pattern.test(detail));
  if (verdict) return rejected(verdict[1], detail);
  if (ourFault.test(detail)) return { kind: 'unavailable', reason: 'misconfigured', cause: error };
  return rejected('ticket-rejected', detail);
}

function rejected(reason: Reason, detail: string): Acceptance {
  return { kind: 'rejected', reason, detail };
}
