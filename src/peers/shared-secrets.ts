/** Whether a request shows the secret of a service: compared in constant time, with a lock-out by address, two generations at once. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { SharedSecretOptions } from './secret-options.ts';

/** What a request comes to that must show a secret. `headers` are those to go on with. */
type SecretVerdict =
  | { readonly kind: 'shown'; readonly headers: HeaderLines }
  | { readonly kind: 'refused'; readonly reason: 'secret-missing' | 'secret-wrong'; readonly detail: string }
  /** In milliseconds. */
  | { readonly kind: 'locked'; readonly retryAfter: number };

interface Lockout {
  check(address: string): Promise<{ readonly kind: 'open' } | { readonly kind: 'locked'; readonly retryAfter: number }>;
  fail(address: string, secret: string): Promise<void>;
}

interface SharedSecretParts {
  readonly secrets: Readonly<Record<string, SharedSecretOptions>>;
  /** The services, of which some ask for one. */
  readonly services: Readonly<Record<string, { readonly secret?: string | undefined }>>;
  readonly lockout: Lockout;
  readonly clock: Clock;
  /** Told of each use, so that it shows who still has the one before. */
  readonly onUse: (secret: string, generation: 'present' | 'previous') => void;
}

interface Known {
  readonly present: Buffer;
  readonly previous: { readonly digest: Buffer; readonly until: number } | undefined;
  readonly send: SharedSecretOptions['send'];
}

/** The secrets of one configuration. */
export class SharedSecrets {
  readonly #parts: SharedSecretParts;
  readonly #known: ReadonlyMap<string, Known>;

  constructor(parts: SharedSecretParts) {
    this.#parts = parts;
    this.#known = new Map(
      Object.entries(parts.secrets).map(([name, { secret, previous, send }]) => [
        name,
        {
          present: digestOf(secret.reveal()),
          previous: previous && { digest: digestOf(previous.secret.reveal()), until: previous.until },
          send,
        },
      ]),
    );
  }

  /** The name of the secret that a service asks for. */
  askedBy(service: string | undefined): string | undefined {
    return service === undefined ? undefined : this.#parts.services[service]?.secret;
  }

  /** Judges what a request from an address shows. Where that is locked nobody is told whether it was right. */
  async judge(name: string, headers: HeaderLines, address: string): Promise<SecretVerdict> {
    const { lockout, onUse } = this.#parts;
    const permit = await lockout.check(address);
    if (permit.kind === 'locked') return permit;
    const lines = headers.all('authorization');
    const [, shown] = /^bearer +(\S.*?) *$/i.exec(lines.length === 1 ? (lines[0] ?? '') : '') ?? [];
    const known = this.#known.get(name);
    const generation = known && shown !== undefined ? this.#generationOf(known, shown) : undefined;
    if (known && generation) {
      onUse(name, generation);
      return { kind: 'shown', headers: sent(headers, known.send) };
    }
    await lockout.fail(address, lines.join());
    if (lines.length > 1)
      return { kind: 'refused', reason: 'secret-wrong', detail: 'two credentials were shown at once' };
    return shown === undefined
      ? { kind: 'refused', reason: 'secret-missing', detail: `no authorization: Bearer with the secret ${name}` }
      : { kind: 'refused', reason: 'secret-wrong', detail: `what was shown is not the secret ${name}` };
  }

  /** Both are compared, whichever it is. */
  #generationOf({ present, previous }: Known, shown: string): 'present' | 'previous' | undefined {
    const digest = digestOf(shown);
    const isPresent = timingSafeEqual(digest, present);
    const isPrevious = timingSafeEqual(digest, previous?.digest ?? Buffer.alloc(digest.length));
    if (isPresent) return 'present';
    return isPrevious && previous && this.#parts.clock.now() < previous.until ? 'previous' : undefined;
  }
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret, 'latin1').digest();
}

function sent(headers: HeaderLines, send: SharedSecretOptions['send']): HeaderLines {
  if (send === 'pass') return headers;
  if (send === 'strip') return headers.without((name) => name === 'authorization');
  return headers.with('Authorization', `Bearer ${send.secret.reveal()}`);
}
