/** A new password at its user's wish: the provider that began the session is asked for it, if it sets any. */
import type { Log } from '../core/log.ts';
import type { Attempt, Credentials } from '../core/provider.ts';
import type { Session } from '../core/session.ts';
import { attemptOne, type ChainLink, type ChainResult } from '../providers/chain.ts';

/** Whether the user of a session can set another password here. */
export function canChangePassword(chain: readonly ChainLink[], { provider }: Session): boolean {
  return chain.some((link) => link.name === provider && link.provider.changesPasswords === true);
}

/** Asks for it. */
export async function askForNewPassword(
  { provider, grant }: Session,
  attempt: Attempt & { readonly credentials: Credentials },
  { chain, log }: { readonly chain: readonly ChainLink[]; readonly log: Log },
): Promise<ChainResult> {
  const link = chain.find(({ name }) => name === provider);
  if (!link) return { outcome: { kind: 'unavailable', reason: 'misconfigured' }, offers: [], steps: [] };
  const credentials = { ...attempt.credentials, isWish: true as const };
  return attemptOne(link, { ...attempt, credentials, state: grant?.state }, log);
}
