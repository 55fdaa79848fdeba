/** What the store keeps of a browser that is remembered for an account. */
import * as z from 'zod';
import type { StoredEntry } from '../core/store.ts';

const knownSchema = z.object({
  kind: z.literal('known'),
  since: z.number(),
  until: z.number(),
  lastUsedAt: z.number().optional(),
  address: z.string(),
  userAgent: z.string(),
  witness: z.object({ provider: z.string(), subject: z.string(), mark: z.string() }).optional(),
});

/** What is kept of a browser for one account. Times are milliseconds since the epoch. */
export interface KnownBrowser {
  /** Of its record, so that what was forgotten meanwhile is not written anew. */
  readonly version: string;
  /** A digest, by which nobody can make the cookie. */
  readonly id: string;
  readonly since: number;
  readonly until: number;
  readonly lastUsedAt?: number | undefined;
  readonly address: string;
  readonly userAgent: string;
  /** Who is asked whether the password is still the one of then, and what was said then. */
  readonly witness?: { readonly provider: string; readonly subject: string; readonly mark: string } | undefined;
}

/** What cannot be read is not remembered: its user is asked. */
export function readKnown({ key, value, version }: StoredEntry): KnownBrowser | undefined {
  const { data } = knownSchema.safeParse(parseJson(value));
  if (!data) return undefined;
  const { kind: _, ...known } = data;
  return { ...known, version, id: key.slice(key.lastIndexOf(':') + 1) };
}

/** The value of JSON; undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
