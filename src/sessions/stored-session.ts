/**
 * What the store holds of one session, live or ended, and what becomes of it at its beginning, by re-authentication, by a
 * provider that asserts anew whose it is. Workers of other versions share the store: fields are added and none is changed, what is not known here is
 * kept when a record is written again, and what cannot be read is left alone.
 */
import * as z from 'zod';
import { defaultTenant } from '../core/account.ts';
import type { SessionGrant } from '../core/outcome.ts';
import type { Assertion } from '../core/principal.ts';
import { freshAt, isFirst, type Proof, type Proofs, withProof } from '../core/proof.ts';
import { type Reason, storedReason } from '../core/reason.ts';
import type { OfflineStay, Session, SessionOwner } from '../core/session.ts';

const moment = z.number().min(0);
const words = z.array(z.string());

/** What the configuration gives a tenant by: one that cannot be read gives none. */
const recordOfAccount = z.looseObject({
  dn: z.string().optional(),
  tenant: z.string().optional(),
  verified: words.optional(),
  unverifiedEmail: z.literal(true).optional(),
});

/** A proof as it is stored. */
export const proofSchema = z.looseObject({
  step: z.string(),
  by: z.string(),
  realm: z.string(),
  amr: words,
  acr: z.string().optional(),
  at: moment,
});

/** Whom a provider has vouched for, as it is stored. */
export const personSchema = {
  /** Absent in records from before there were accounts. */
  tenant: z.string().min(1).default(defaultTenant),
  assertion: z.looseObject({
    realm: z.string(),
    subject: z.string().min(1),
    amr: words,
    acr: z.string().optional(),
    authenticatedAt: moment.optional().catch(undefined),
    attributes: z.record(z.string(), words),
    record: recordOfAccount.optional().catch({ unverifiedEmail: true }),
  }),
  provider: z.string(),
  offline: z
    .looseObject({
      trustedAt: moment,
      passwordSetAt: moment.optional(),
      isDue: z.boolean().optional(),
      lifetimeEndsAt: moment.optional(),
    })
    .optional(),
  grant: z
    .looseObject({ handles: words.optional(), state: z.unknown().optional(), refreshAt: moment.optional() })
    .optional(),
};

const liveSchema = z.looseObject({
  kind: z.literal('live'),
  ...personSchema,
  createdAt: moment,
  lastSeenAt: moment,
  /** All that older workers know of proofs: written for them, and read where they have written. */
  provedAt: moment,
  proofs: z.array(proofSchema).default([]),
  mustRotate: z.boolean().optional(),
  bindsCookies: z.boolean().optional(),
  expiresAt: moment,
  client: z.looseObject({ address: z.string(), userAgent: z.string() }),
  tokens: z.array(z.looseObject({ id: z.string(), host: z.string(), at: moment })).optional(),
});

/** An end is an end, whatever else it says. */
const endedSchema = z.looseObject({
  kind: z.literal('ended'),
  reason: z.string().catch('revoked').transform(storedReason),
  next: z.string().optional().catch(undefined),
  owner: z.looseObject({ tenant: z.string(), realm: z.string(), subject: z.string() }).optional().catch(undefined),
});

const recordSchema = z.discriminatedUnion('kind', [liveSchema, endedSchema]);

/** A token of a session at a further host. `id` is derived from it, as a session's is from its own. */
export interface HostToken {
  readonly id: string;
  readonly host: string;
  /** When it was given. */
  readonly at: number;
}

/** A live session as stored; its id is the key. */
export type LiveRecord = { readonly kind: 'live'; readonly tokens?: readonly HostToken[] } & Omit<Session, 'id'>;

/** What is left of a session. */
export interface EndedRecord {
  readonly kind: 'ended';
  readonly reason: Reason;
  /** The id under which the session goes on, when it was rotated. */
  readonly next?: string;
  /** Absent where it was not known, and in records of older workers. */
  readonly owner?: SessionOwner;
}

/** What only another version can read. */
export interface UnreadableRecord {
  readonly kind: 'unreadable';
}

/** Reads a stored value. */
export function parseRecord(value: string): LiveRecord | EndedRecord | UnreadableRecord {
  const { success, data } = recordSchema.safeParse(parseJson(value));
  if (!success) return { kind: 'unreadable' };
  // The schema has seen to every field that the types name; those that it does not know stay.
  if (data.kind === 'ended') return data as unknown as EndedRecord;
  const { provedAt: lastProof, ...rest } = data;
  return { ...rest, proofs: proofsOf(data) } as unknown as LiveRecord;
}

/** A record without a proof of who it is, of an older worker, has the one that its assertion tells. */
function proofsOf({ assertion, provider, provedAt: at, proofs }: z.output<typeof liveSchema>): Proofs {
  const [one, ...more] = proofs as unknown as readonly Proof[];
  if (one && [one, ...more].some(isFirst)) return [one, ...more];
  const told: Proof = { step: 'first', by: provider, realm: assertion.realm, amr: assertion.amr, at };
  return one ? [told, one, ...more] : [told];
}

/** The value to store for a record. */
export function printRecord(record: LiveRecord | EndedRecord): string {
  // Workers that know no proofs measure `maxAge` by it, which an offline one must not meet.
  return JSON.stringify(record.kind === 'live' ? { ...record, provedAt: Math.max(0, freshAt(record.proofs)) } : record);
}

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

/** Whom a provider has authenticated. */
export interface Vouched {
  readonly tenant: string;
  readonly assertion: Assertion;
  readonly provider: string;
  readonly grant?: SessionGrant;
  /** Where the provider was away, and something else has judged in its place. */
  readonly offline?: OfflineStay;
}

/** The record of a session that begins. */
export function newLiveRecord(
  vouched: Vouched,
  proofs: Proofs,
  client: Session['client'],
  now: number,
  lifetime: number,
): LiveRecord {
  const { tenant, assertion, provider, grant, offline } = vouched;
  const times = { createdAt: now, lastSeenAt: now, expiresAt: now + lifetime };
  const who = { tenant, assertion, provider, proofs } as const;
  const more = { ...(grant && { grant }), ...(offline && { offline }) };
  return { kind: 'live', ...who, ...times, bindsCookies: true, client, ...more };
}

/** After a re-authentication, whose proof takes the place of the one by the same provider. One that began offline is like any other then. */
export function proved(
  { grant: _, mustRotate: __, offline, ...rest }: LiveRecord,
  vouched: Vouched,
  now: number,
): LiveRecord {
  const { assertion, provider, grant } = vouched;
  const proofs = withProof(rest.proofs, firstProof(vouched, now));
  const expiresAt = offline?.lifetimeEndsAt ?? rest.expiresAt;
  return { ...rest, assertion, provider, proofs, expiresAt, lastSeenAt: now, ...(grant && { grant }) };
}

/** After the provider has asserted anew who it is, which proves nothing. */
export function renewed(
  { grant: _, mustRotate: __, ...rest }: LiveRecord,
  assertion: Assertion,
  grant?: SessionGrant,
  lowers = false,
): LiveRecord {
  const { acr, amr } = assertion;
  const lower = ({ acr: _acr, ...proof }: Proof): Proof => ({ ...proof, amr, ...(acr !== undefined && { acr }) });
  const proofs = rest.proofs.map((proof) => (lowers && proof.by === rest.provider ? lower(proof) : proof)) as unknown;
  return { ...rest, proofs: proofs as Proofs, assertion, ...(grant && { grant }) };
}

/** Whether two assertions say the same; directories give values in any order. */
export function saysTheSame(one: Assertion, other: Assertion): boolean {
  // Workers that keep no records say nothing of them.
  const isSameRecord = one.record === undefined || recordText(one) === recordText(other);
  return isSameRecord && rightsOf(one) === rightsOf(other);
}

/** The proof that a provider's word is. */
export function firstProof({ assertion, provider: by }: Pick<Vouched, 'assertion' | 'provider'>, now: number): Proof {
  const { realm, amr, acr, authenticatedAt = now } = assertion;
  // Who has answered what RADIUS asks for after a password has proved two things.
  const step = amr.includes('radius') && amr.includes('otp') ? 'both' : 'first';
  return { step, by, realm, amr, ...(acr !== undefined && { acr }), at: Math.min(now, authenticatedAt) };
}

function recordText({ record: { dn, tenant, verified, unverifiedEmail } = {} }: Assertion): string {
  return JSON.stringify([dn, tenant, verified, unverifiedEmail]);
}

function rightsOf({ realm, subject, amr, acr, attributes }: Assertion): string {
  const sorted = Object.entries(attributes).map(([name, values]) => [name, values.toSorted()] as const);
  return JSON.stringify([realm, subject, amr.toSorted(), acr, sorted.toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}
