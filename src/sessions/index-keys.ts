/** The keys under which sessions are found again: by the name of their user, and by a provider's handle. */
import { hash } from 'node:crypto';
import { defaultTenant } from '../core/account.ts';
import { canonicalUsername } from '../core/principal.ts';
import { accountOf } from '../core/session.ts';
import type { LiveRecord } from './stored-session.ts';

/** The prefix of the index entries of a name, in every tenant; the id follows. Hashed, so that no sign has a meaning in a key. */
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
    userPrefix(accountOf(record).subject),
    ...handles.map((handle) => handlePrefix(record.provider, handle)),
  ];
  return prefixes.map((prefix) => prefix + id);
}

/** An index entry's value: the time, and behind it the tenant where it is not the one of everybody: older workers read a time alone. */
export function printEntry(at: number, tenant: string): string {
  return tenant === defaultTenant ? String(at) : `${at} ${tenant}`;
}

/** Reads what `printEntry` wrote. */
export function readEntry(value: string): { readonly at: number; readonly tenant: string } {
  const [, at = '', tenant = defaultTenant] = /^(\d+)(?: (.+))?$/.exec(value) ?? [];
  return { at: Number(at), tenant };
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url');
}
