/**
 * What the store holds of an API token: who it is, what it may do, a keyed digest of it, never the token itself. Other versions
 * share the store: fields are added and none is changed, and what cannot be read lets nobody in.
 */
import * as z from 'zod';
import { cidr } from '../config/values.ts';
import type { Network } from '../core/address.ts';
import { type Reason, storedReason } from '../core/reason.ts';

const moment = z.number().min(0);
const words = z.array(z.string());

const liveSchema = z.looseObject({
  kind: z.literal('live'),
  name: z.string().min(1),
  digest: z.string(),
  /** Which key the digest is by. */
  key: z.string(),
  createdAt: moment,
  by: z.string().optional(),
  user: z.looseObject({ provider: z.string(), subject: z.string().min(1), realm: z.string() }).optional(),
  roles: words.optional(),
  routes: words.optional(),
  networks: z.array(cidr()).optional(),
  until: moment.optional(),
});

/** An end is an end, whatever else it says. It stays for good, so that no backup brings the token back to life. */
const endedSchema = z.looseObject({
  kind: z.literal('ended'),
  name: z.string().catch('unknown'),
  reason: z.string().catch('token-revoked').transform(storedReason),
});

const schema = z.discriminatedUnion('kind', [liveSchema, endedSchema]);

/** For whom a token acts: an account that a provider knows. */
export interface TokenUser {
  readonly provider: string;
  readonly subject: string;
  readonly realm: string;
}

/** What a token may do, as it is written down; absent is no limit, but for roles of a token without a user: then it has none. */
export interface TokenTerms {
  readonly name: string;
  readonly user?: TokenUser;
  readonly roles?: readonly string[];
  /** Names of routes. */
  readonly routes?: readonly string[];
  /** As written, such as `10.0.0.0/8`. */
  readonly networks?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly until?: number;
  /** The operator who made it. */
  readonly by?: string;
}

/** A token that has not ended. */
export interface ApiToken extends Omit<TokenTerms, 'networks'> {
  readonly id: string;
  readonly createdAt: number;
  readonly digest: string;
  readonly key: string;
  readonly networks?: readonly Network[];
}

/** What a stored value says; undefined where only another version can read it. */
export type TokenRecord =
  | { readonly kind: 'live'; readonly token: ApiToken }
  | { readonly kind: 'ended'; readonly name: string; readonly reason: Reason };

/** Reads a stored value. */
export function parseToken(id: string, value: string): TokenRecord | undefined {
  const { data } = schema.safeParse(parseJson(value));
  if (!data) return undefined;
  if (data.kind === 'ended') return { kind: 'ended', name: data.name, reason: data.reason };
  // The schema has seen to every field that the type names.
  return { kind: 'live', token: { ...data, id } as ApiToken };
}

/** The value of a token that begins. */
export function printToken(
  terms: TokenTerms,
  made: { readonly digest: string; readonly key: string; readonly createdAt: number },
): string {
  return JSON.stringify({ kind: 'live', ...terms, ...made });
}

/** The value of one that has ended. */
export function printEnd(name: string, reason: Reason, at: number): string {
  return JSON.stringify({ kind: 'ended', name, reason, at });
}

/** A network as it is written. */
export function networkText({ address, prefix, family }: Network): string {
  return prefix === (family === 'ipv6' ? 128 : 32) ? address : `${address}/${prefix}`;
}

function parseJson(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
