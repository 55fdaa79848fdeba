/** How many sessions an account may have at once: the oldest end. */
import type { Account } from '../core/account.ts';
import type { Log } from '../core/log.ts';
import type { Session } from '../core/session.ts';
import { userPrefix } from './index-keys.ts';
import type { SessionRecords } from './records.ts';
import type { SessionEnds } from './revocation.ts';

interface LimitParts {
  readonly log: Log;
  readonly records: SessionRecords;
  readonly ends: SessionEnds;
  readonly perUser?: number;
}

/**
 * Ends an account's oldest sessions beyond the limit, and clears the index of sessions that are long gone. Never fails: the newest
 * session is there, and would be left behind with a token that nobody has.
 */
export async function keepWithin(parts: LimitParts, account: Account, newest: string): Promise<void> {
  try {
    await endOldest(parts, account, newest);
  } catch (error) {
    parts.log.warn({ session: newest, error }, 'the sessions of a user beyond the limit could not be ended');
  }
}

async function endOldest({ records, ends, perUser = 20 }: LimitParts, account: Account, newest: string): Promise<void> {
  const others: Session[] = [];
  for (const { id, isYoung } of await records.ofAccount(account)) {
    const state = await ends.find(id);
    if (state.kind === 'live' && id !== newest) others.push(state.session);
    const isGone = state.kind === 'none' || state.kind === 'ended';
    if (isGone && !isYoung) await records.forget(userPrefix(account.subject), id);
  }
  others.sort((a, b) => a.createdAt - b.createdAt);
  for (const { id } of others.slice(0, Math.max(0, others.length + 1 - perUser)))
    await ends.revoke(id, 'revoked', { follows: true });
}
