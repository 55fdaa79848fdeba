/** A form that the chain could not judge, judged by a verifier, with what that counts for the lock-out. */
import type { Reason } from '../../core/reason.ts';
import type { ChainResult } from '../../providers/chain.ts';
import type { Attempted, Lockout, LockoutPermit } from '../../users/lockout.ts';
import type { PasswordForm } from '../password-form.ts';
import type { Offline, OfflineAnswer } from './offline.ts';

/** What it comes to. */
export type OfflineJudgement =
  | Extract<OfflineAnswer, { kind: 'accepted' }>
  | Extract<LockoutPermit, { kind: 'locked' }>
  | { readonly kind: 'failed'; readonly reason: Reason };

/** Undefined where the chain has judged, or nobody may sign in so: then the chain's answer counts. */
export async function judgeOffline(
  { offline, lockout }: { offline: Pick<Offline, 'check'>; lockout: Lockout },
  form: PasswordForm,
  attempted: Attempted,
  chain: ChainResult,
): Promise<OfflineJudgement | undefined> {
  if (chain.outcome.kind !== 'unavailable' || form.signal.aborted) return undefined;
  const answer = await offline.check({ ...form, name: attempted.username }, chain);
  if (!answer) return undefined;
  if (answer.kind === 'overloaded') {
    await lockout.release(attempted);
    return { kind: 'failed', reason: 'overloaded' };
  }
  const account = 'account' in answer ? (answer.account ?? attempted.account) : attempted.account;
  const whose = { ...attempted, account };
  // Failures count whoever is named: else the lock-out would tell who has a verifier.
  const permit = await (answer.kind === 'accepted' ? lockout.succeed(whose) : lockout.fail(whose));
  if (permit.kind === 'locked') return permit;
  if (answer.kind === 'accepted') return answer;
  const isKnown = answer.kind === 'refused' && answer.account !== undefined;
  return { kind: 'failed', reason: isKnown ? 'bad-password' : 'breaker-open' };
}
