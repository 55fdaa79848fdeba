/** A session that goes on under another id: the old one ends first, so that there are never two. */
import { isSameOwner, ownerOf, type Session, type SessionOwner } from '../core/session.ts';
import { newIdentity } from './cookie.ts';
import { type AbsentSession, loaded } from './found-session.ts';
import type { HostTokens } from './host-tokens.ts';
import type { SessionRecords } from './records.ts';
import type { SessionEnds } from './revocation.ts';
import type { LiveRecord } from './stored-session.ts';
import { toSession } from './to-session.ts';

/** A session that goes on under a new token, when there is one: the cookie must be set again. */
export type RenewedSession =
  | { readonly kind: 'live'; readonly session: Session; readonly token?: string }
  | AbsentSession;

interface RotationParts {
  readonly records: SessionRecords;
  readonly ends: SessionEnds;
  readonly hosts: HostTokens;
}

/** Ends the session of an id and goes on under another, with a changed record. */
export async function rotate(
  { records, ends, hosts }: RotationParts,
  oldId: string,
  owner: SessionOwner,
  change: (record: LiveRecord) => LiveRecord,
): Promise<RenewedSession> {
  for (;;) {
    const found = await ends.find(oldId);
    if (found.kind !== 'live') return found;
    const old = found.stored;
    // Another user's proof must not inherit this session, nor may it go on.
    if (!isSameOwner(ownerOf(old.record), owner)) {
      await ends.revoke(oldId, 'revoked', { follows: true });
      return { kind: 'ended', reason: 'revoked' };
    }
    const record = change(old.record);
    const { token, id } = newIdentity();
    await records.index(id, record);
    if (!(await ends.end(oldId, old, 'rotated', { next: id }))) {
      await records.unindex(id, record);
      continue;
    }
    // A revocation in between has followed the rotation and barred the new id.
    if (!(await records.write(id, undefined, record))) return loaded(await ends.find(id));
    await hosts.point(record, id);
    return { kind: 'live', token, session: toSession(id, record, record.lastSeenAt) };
  }
}
