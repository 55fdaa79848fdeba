/**
 * Scripts that send a name and a password with each request (RFC 7617): the chain with its lock-outs, and no session. A right
 * answer is kept for a minute, as a digest by a key of this process; a wrong one counts once, however often it is sent.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { networks } from '../config/values.ts';
import type { Account } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { HeaderLines } from '../core/request-head.ts';
import { accountOf } from '../core/session.ts';
import type { Client, GatewayRequest } from '../core/verdict.ts';
import { isInNetworks } from '../routing/client-address.ts';
import type { AccountCuts } from '../sessions/account-cuts.ts';
import type { Vouched } from '../sessions/stored-session.ts';
import type { RecentSecrets } from '../users/address-lockout.ts';
import type { LoginDoor } from './admit.ts';
import type { Identity } from './identity.ts';
import type { PasswordLogin } from './password-login.ts';
import type { SignIn } from './sign-in.ts';

/** How long a right answer is kept, in milliseconds. */
const keptFor = 60_000;
const maxKept = 10_000;
/** Clocks of machines that share a store differ: an answer of so shortly before a revocation is asked for anew. */
const skew = 5000;

const loopback = networks([
  { address: '127.0.0.0', prefix: 8, family: 'ipv4' },
  { address: '::1', prefix: 128, family: 'ipv6' },
]);

/** Whether a password may come this way: encrypted, or from this machine. */
export function isPrivateWay(client: Client): boolean {
  return client.scheme === 'https' || isInNetworks(client, loopback);
}

interface Sent {
  readonly username: string;
  readonly password: string;
}

/** A right answer, and what must not have changed since. */
interface Kept {
  readonly vouched: Vouched;
  readonly at: number;
  /** The provider's mark of the password, where it has one. */
  readonly mark: string | undefined;
}

interface BasicAccessParts {
  /** Where a login takes more than a password, one that comes with each request is too little. */
  readonly door: Pick<LoginDoor, 'admit'>;
  readonly passwords: PasswordLogin;
  readonly signIn: SignIn;
  readonly cuts: AccountCuts;
  readonly clock: Clock;
  /** By which the same wrong password counts once in a while. */
  readonly recent: RecentSecrets;
}

/** Lets scripts in by a name and a password. */
export class BasicAccess {
  readonly #parts: BasicAccessParts;
  readonly #key = randomBytes(32);
  /** In the order in which they came. */
  readonly #kept = new Map<string, Kept>();
  readonly #asking = new Map<string, Promise<Identity>>();

  constructor(parts: BasicAccessParts) {
    this.#parts = parts;
  }

  /** Whether a request brings a name and a password, in whatever shape. */
  shown(headers: HeaderLines): boolean {
    return /^\s*basic\b/i.test(headers.single('authorization') ?? '');
  }

  /** Whom the name and the password of a request speak for. */
  async identify({ id, headers }: Pick<GatewayRequest, 'id' | 'headers'>, client: Client): Promise<Identity> {
    if (!isPrivateWay(client)) {
      const detail = 'a password came over plain http from another machine';
      return { kind: 'refused', code: 'ACCESS_DENIED', reason: 'insecure-transport', detail };
    }
    const sent = read(headers.single('authorization') ?? '');
    if (!sent) return { kind: 'nobody', offers: [], reason: 'bad-password', isProgram: true };
    const words = [sent.username, sent.password];
    const digest = createHmac('sha256', this.#key).update(JSON.stringify(words)).digest('base64url');
    const kept = await this.#keptAt(digest);
    if (kept) return this.#somebody(kept, client);
    if (await this.#parts.recent.has(client.address, ...words))
      return { kind: 'nobody', offers: [], reason: 'bad-password', isProgram: true };
    // Sent ten times at once it is one attempt.
    const place = `${client.address} ${digest}`;
    const asking = this.#asking.get(place) ?? this.#ask(sent, { client, digest, requestId: id });
    this.#asking.set(place, asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(place);
    }
  }

  /** Whether an account's password still speaks for what was opened by it at a moment. */
  async holds(account: Account, at: number): Promise<boolean> {
    return !(await this.#parts.cuts.isCut(account, at));
  }

  async #ask(
    sent: Sent,
    { client, digest, requestId }: { client: Client; digest: string; requestId: string },
  ): Promise<Identity> {
    const { passwords, clock } = this.#parts;
    // Those who wait are several: that one of them leaves must not count as a failure of the password.
    const result = await passwords.prove({ ...sent, client, requestId, signal: new AbortController().signal });
    switch (result.kind) {
      case 'proved': {
        const { vouched } = result;
        const kept = { vouched, at: clock.now(), mark: this.#markOf(vouched) };
        this.#keep(digest, kept);
        return this.#somebody(kept, client);
      }
      case 'failed': {
        const { code, reason, retryAfter } = result;
        if (code === 'PROVIDER_UNAVAILABLE') return { kind: 'unavailable', reason };
        if (code === 'TOO_MANY_FAILURES') {
          const detail = 'the name or the address is locked after failures';
          return { kind: 'refused', code, reason, detail, ...(retryAfter && { retryAfter }) };
        }
        if (code === 'ACCESS_DENIED') {
          const detail = 'the tenant of the user cannot be told';
          return { kind: 'refused', code, reason, detail };
        }
        // One that cannot be written down counts again.
        await this.#parts.recent.add(client.address, sent.username, sent.password).catch(() => false);
        return { kind: 'nobody', offers: [], reason, isProgram: true };
      }
      case 'new-password':
        return { kind: 'nobody', offers: [], reason: result.reason, isProgram: true };
      case 'challenged':
        // A program cannot answer.
        return { kind: 'nobody', offers: [], reason: 'factor-missing', isProgram: true };
      case 'password-refused':
      case 'password-stuck':
        return { kind: 'nobody', offers: [], reason: 'password-expired', isProgram: true };
      default:
        return result satisfies never;
    }
  }

  #somebody({ vouched, at }: Kept, client: Client): Identity {
    if (!this.#parts.door.admit(vouched, client))
      return { kind: 'nobody', offers: [], reason: 'level-too-low', isProgram: true };
    return {
      kind: 'somebody',
      principal: this.#parts.signIn.principal(vouched),
      reply: {},
      credential: { kind: 'basic', account: accountOf(vouched), at },
    };
  }

  async #keptAt(digest: string): Promise<Kept | undefined> {
    const kept = this.#kept.get(digest);
    if (!kept) return undefined;
    const { vouched, at, mark } = kept;
    const isFresh = this.#parts.clock.now() - at < keptFor && this.#markOf(vouched) === mark;
    if (isFresh && !(await this.#parts.cuts.isCut(accountOf(vouched), at - skew))) return kept;
    this.#kept.delete(digest);
    return undefined;
  }

  #markOf({ provider: name, assertion }: Vouched): string | undefined {
    const { provider } = this.#parts.signIn.chain.find((link) => link.name === name) ?? {};
    return provider?.passwordMark?.(assertion.subject);
  }

  #keep(digest: string, kept: Kept): void {
    const now = this.#parts.clock.now();
    for (const [oldest, { at }] of this.#kept) {
      if (now - at < keptFor && this.#kept.size < maxKept) break;
      this.#kept.delete(oldest);
    }
    this.#kept.set(digest, kept);
  }
}

/** Undefined where it is no `Basic` with a name and a password in UTF-8. */
function read(authorization: string): Sent | undefined {
  const [, text = ''] = /^\s*basic +([A-Za-z0-9+/]+={0,2})\s*$/i.exec(authorization) ?? [];
  try {
    const pair = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(text, 'base64'));
    const colon = pair.indexOf(':');
    return colon > 0 ? { username: pair.slice(0, colon), password: pair.slice(colon + 1) } : undefined;
  } catch {
    return undefined;
  }
}
