/** What is behind a token or an id of a session. */
import type { Reason } from '../core/reason.ts';
import type { Session } from '../core/session.ts';
import type { LiveRecord } from './stored-session.ts';

/**
 * A session that is not, or no longer, there; `next` is the id under which a rotated one goes on. `unreadable` is one of
 * another version's: it signs nobody in, and nobody knows that it has ended.
 */
export type AbsentSession =
  | { readonly kind: 'none' | 'unreadable' }
  | { readonly kind: 'ended'; readonly reason: Reason; readonly next?: string };

/** What is behind a token or an id. */
export type LoadedSession = { readonly kind: 'live'; readonly session: Session } | AbsentSession;

/** A live record and its version. */
export interface StoredLive {
  readonly record: LiveRecord;
  readonly version: string;
}

/** A live session with the record that it was read from. */
export type FoundSession =
  | { readonly kind: 'live'; readonly session: Session; readonly stored: StoredLive }
  | AbsentSession;

/** What others hear of it. */
export function loaded(found: FoundSession): LoadedSession {
  return found.kind === 'live' ? { kind: 'live', session: found.session } : found;
}
