/** A session as everybody else sees it: its record under its id. */
import type { Session } from '../core/session.ts';
import type { LiveRecord } from './stored-session.ts';

/** The session of a record, with the last activity that is known. */
export function toSession(id: string, record: LiveRecord, lastSeenAt: number): Session {
  const {
    tenant,
    assertion,
    provider,
    createdAt,
    proofs,
    expiresAt,
    grant,
    mustRotate,
    offline,
    bindsCookies,
    client,
  } = record;
  const session = { id, tenant, assertion, provider, createdAt, lastSeenAt, proofs, expiresAt, client };
  return {
    ...session,
    ...(grant && { grant }),
    ...(mustRotate && { mustRotate }),
    ...(offline && { offline }),
    ...(bindsCookies && { bindsCookies }),
  };
}
