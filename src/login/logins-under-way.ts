/** Logins under way as their dispatcher keeps them: bound to a browser, few of an address, changed as they are at the moment. */
import type { Clock } from '../core/clock.ts';
import { accountOf } from '../core/session.ts';
import type { PendingChange, PendingLogin, PendingLogins } from '../sessions/pending.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Browsers } from './browser.ts';
import { StoreQuota } from './flow-quota.ts';
import { ownSession } from './own-session.ts';
import type { SignIn } from './sign-in.ts';
import type { StepContext } from './step-result.ts';

/** What keeps them. */
export interface UnderWayParts {
  readonly clock: Clock;
  readonly pendings: PendingLogins;
  readonly browsers: Pick<Browsers, 'find' | 'recognise' | 'handle'>;
  readonly sessions: Pick<Sessions, 'alive' | 'load' | 'cuts'>;
  readonly signIn: Pick<SignIn, 'record'>;
  /** Processes that share the room. */
  readonly workers?: number | undefined;
}

/** Room for a whole site behind one address, each with a login or two under way. */
const limits = { ofAddress: 16 * 1024 * 1024, ofAll: 64 * 1024 * 1024, least: 2048 };
const writeTries = 20;

/** Keeps them. */
export class LoginsUnderWay {
  readonly #parts: UnderWayParts;
  readonly #quota: StoreQuota;

  constructor(parts: UnderWayParts) {
    this.#parts = parts;
    this.#quota = new StoreQuota(limits, parts.workers);
  }

  /** Begins one, and gives the cookies that find it again. */
  async begin(
    start: Pick<PendingLogin, 'returnTo' | 'vouched' | 'proofs' | 'newPassword' | 'session' | 'demand'>,
    { headers, client }: StepContext,
  ): Promise<{ readonly pending: PendingLogin; readonly cookies: readonly string[] }> {
    const { browsers, pendings, clock } = this.#parts;
    const browser = browsers.recognise(headers);
    const begun = await pendings.begin({ ...start, browser: browsers.handle(browser.id) }, headers.all('cookie'));
    const { pending, cookie, stored } = begun;
    const lasting = { now: clock.now(), until: pending.expiresAt };
    for (const over of this.#quota.enter(stored.key, stored.value, client.address, lasting)) await pendings.drop(over);
    return { pending, cookies: [cookie, ...(browser.cookie === undefined ? [] : [browser.cookie])] };
  }

  /**
   * The one of an id, in the browser that began it. None where the account has had to prove itself anew since, nor where the
   * session that it raises has ended, or is not this browser's: nothing is proved, and nothing set up, for who is out.
   */
  async find(id: string | undefined, context: StepContext): Promise<PendingLogin | undefined> {
    const { pendings, browsers, sessions, signIn } = this.#parts;
    const { headers, token } = context;
    const browser = browsers.find(headers);
    const handle = browser === undefined ? undefined : browsers.handle(browser);
    const found = await pendings.find(id, headers.all('cookie'), handle);
    if (!found) return undefined;
    const { session, vouched, beganAt } = found;
    if (session !== undefined) return (await ownSession(sessions, session, token)) ? found : undefined;
    const account = accountOf(vouched);
    if (!(await sessions.cuts.isCut(account, beganAt))) return found;
    if (await pendings.take(found))
      signIn.record('failed', context, { reason: 'revoked', account, provider: vouched.provider });
    return undefined;
  }

  /** Changes one as it is at this moment; undefined where it is at an end. */
  async change(
    pending: PendingLogin,
    change: (current: PendingLogin) => PendingChange,
  ): Promise<PendingLogin | undefined> {
    const { pendings } = this.#parts;
    let current: PendingLogin | undefined = pending;
    for (let turn = 0; turn < writeTries && current; turn++) {
      const written = await pendings.change(current, change(current));
      if (written) return written;
      current = await pendings.again(current);
    }
    return undefined;
  }
}
