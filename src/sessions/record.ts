/** What the store holds of a session: the live record, or what is left of one that ended; and the keys of both. */
import { hash, randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { SessionGrant } from '../core/outcome.ts';
import { type Amr, canonicalUsername } from '../core/principal.ts';
import { type Reason, reasons } from '../core/reason.ts';
import type { Session } from '../core/session.ts';

const amr: z.ZodType<Amr> = z.enum(['pwd', 'otp', 'hwk', 'mfa', 'kerberos', 'cas', 'oidc']);

const moment = z.number().min(0);

const liveSchema = z.object({
  kind: z.literal('live'),
  assertion: z.object({
    realm: z.string(),
    subject: z.string().min(1),
    amr: z.array(amr),
    attributes: z.record(z.string(), z.array(z.string())),
  }),
  provider: z.string(),
  createdAt: moment,
  lastSeenAt: moment,
  provedAt: moment,
  expiresAt: moment,
  grant: z
    .object({ handles: z.array(z.string()).optional(), state: z.unknown().optional(), refreshAt: moment.optional() })
    .optional(),
  client: z.object({ address: z.string(), userAgent: z.string() }),
});

const endedSchema = z.object({
  kind: z.literal('ended'),
  reason: z.enum(reasons),
  /** The id under which the session goes on, when it was rotated. */
  next: z.string().optional(),
});

const recordSchema = z.discriminatedUnion('kind', [liveSchema, endedSchema]);

/** A live session as stored; its id is the key. */
export type LiveRecord = { readonly kind: 'live' } & Omit<Session, 'id'>;

/** What is stored under a session's id. */
export type SessionRecord = LiveRecord | { readonly kind: 'ended'; readonly reason: Reason; readonly next?: string };

/** Reads a stored value; undefined when it is no record of ours. */
export function parseRecord(value: string): SessionRecord | undefined {
  let json: unknown;
  try {
    json = JSON.parse(value);
  } catch {
    return undefined;
  }
  const { success, data } = recordSchema.safeParse(json);
  if (!success) return undefined;
  if (data.kind === 'ended') return { kind: 'ended', reason: data.reason, ...(data.next && { next: data.next }) };
  const { grant, ...rest } = data;
  return { ...rest, ...(grant && { grant: toGrant(grant) }) };
}

/** The value to store for a record. */
export function printRecord(record: SessionRecord): string {
  return JSON.stringify(record);
}

/** The session of a record, with the last activity that is known. */
export function toSession(id: string, record: LiveRecord, lastSeenAt: number): Session {
  const { assertion, provider, createdAt, provedAt, expiresAt, grant, client } = record;
  const session = { id, assertion, provider, createdAt, lastSeenAt, provedAt, expiresAt, client };
  return grant ? { ...session, grant } : session;
}

/** Without keys whose value is undefined, which the type does not admit. */
function toGrant(grant: {
  handles?: string[] | undefined;
  state?: unknown;
  refreshAt?: number | undefined;
}): SessionGrant {
  const { handles, state, refreshAt } = grant;
  return {
    ...(handles && { handles }),
    ...(state !== undefined && { state }),
    ...(refreshAt !== undefined && { refreshAt }),
  };
}

const tokenBytes = 32;
const idLength = 32;

/** A token for the cookie, and the id of its session. */
export function newIdentity(): { token: string; id: string } {
  const token = randomBytes(tokenBytes).toString('base64url');
  return { token, id: deriveId(token) };
}

/** The id of the session behind a token; undefined when it cannot be a token of ours. The way back is not feasible. */
export function idOf(token: string): string | undefined {
  return /^[A-Za-z0-9_-]{43}$/.test(token) ? deriveId(token) : undefined;
}

/** The prefix of all records. */
export const recordPrefix = 'session:';

/** The key of a session's record. */
export function recordKey(id: string): string {
  return recordPrefix + id;
}

/** The prefix of a user's index entries; the id follows. Hashed, so that no sign of a name has a meaning in a key. */
export function userPrefix(username: string): string {
  return `session-user:${digest(canonicalUsername(username))}:`;
}

/** The prefix of the index entries of a provider's handle; the id follows. */
export function handlePrefix(provider: string, handle: string): string {
  return `session-handle:${provider}:${digest(handle)}:`;
}

/** All index keys of a session. */
export function indexKeys(id: string, record: LiveRecord): string[] {
  const handles = record.grant?.handles ?? [];
  const prefixes = [
    userPrefix(record.assertion.subject),
    ...handles.map((handle) => handlePrefix(record.provider, handle)),
  ];
  return prefixes.map((prefix) => prefix + id);
}

function deriveId(token: string): string {
  return digest(token).slice(0, idLength);
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url');
}
