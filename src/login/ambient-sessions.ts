/**
 * Sessions that begin without a login page. The parts of one page are asked for together, each with a ticket of its own before
 * the first answer has brought a cookie: they share the session that the first of them begins.
 */
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import type { ChainResult } from '../providers/chain.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { LoginDoor } from './admit.ts';
import type { SessionBegun } from './session-begun.ts';
import type { Authenticated, LoginContext, SignIn } from './sign-in.ts';

interface Shared {
  readonly at: number;
  readonly begun: Promise<SessionBegun>;
}

/** Longer than the parts of a page take to be asked for, too short to outlive a wish to sign out. */
const sharedMilliseconds = 5000;

/** Begins sessions for proofs that come with requests. */
export class AmbientSessions {
  readonly #signIn: SignIn;
  readonly #sessions: Sessions;
  readonly #clock: Clock;
  readonly #door: LoginDoor;
  /** In the order in which they began. */
  readonly #shared = new Map<string, Shared>();

  constructor(parts: { signIn: SignIn; sessions: Sessions; clock: Clock; door: LoginDoor }) {
    this.#door = parts.door;
    this.#signIn = parts.signIn;
    this.#sessions = parts.sessions;
    this.#clock = parts.clock;
  }

  /**
   * The session of somebody admitted. Shared with requests of a moment ago that prove the same user in every respect, from the
   * same address and browser, as long as it is live; what its provider finds again or refreshes is never shared.
   */
  async begin(
    outcome: Authenticated,
    provider: string,
    context: LoginContext & { chain: ChainResult },
  ): Promise<SessionBegun> {
    const begin = async () => {
      const admitted = this.#door.admit(this.#signIn.vouched(outcome, provider), context.client);
      if (!admitted)
        throw new GatewayError('UNAVAILABLE', 'a proof of a request was to begin a session, and is not enough');
      return this.#signIn.establish(admitted, context);
    };
    const { handles, refreshAt, state } = outcome.grant ?? {};
    if (handles || refreshAt !== undefined) return begin();
    const { address, userAgent } = context.client;
    const key = JSON.stringify([provider, outcome.assertion, state, address, userAgent]);
    this.#forgetOld();
    const known = this.#shared.get(key);
    if (known) {
      const begun = await known.begun;
      if ((await this.#sessions.alive(begun.session.id)).kind === 'live') return begun;
    }
    // Of those that found the same one ended, the first to come here begins another, and the rest share that.
    const latest = this.#shared.get(key);
    if (latest && latest !== known) return latest.begun;
    return this.#keep(key, begin());
  }

  #keep(key: string, begun: Promise<SessionBegun>): Promise<SessionBegun> {
    const shared: Shared = { at: this.#clock.now(), begun };
    this.#shared.delete(key);
    this.#shared.set(key, shared);
    begun.catch(() => {
      if (this.#shared.get(key) === shared) this.#shared.delete(key);
    });
    return begun;
  }

  #forgetOld(): void {
    const before = this.#clock.now() - sharedMilliseconds;
    for (const [key, { at }] of this.#shared) {
      if (at > before) return;
      this.#shared.delete(key);
    }
  }
}
