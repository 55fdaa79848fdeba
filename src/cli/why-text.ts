/** Records of one reference code in words: the decision, the chain, what the user was told, the remedy. */
import { readFileSync } from 'node:fs';
import type { ErrorCode } from '../core/errors.ts';
import { isOutage, storedReason } from '../core/reason.ts';
import { en } from '../pages/texts/en.ts';
import type { FoundRecord } from '../telemetry/audit-search.ts';

/** What to do about each reason: the table of docs/operations.md, from which `npm run docs` writes this file. */
const remediesFile = new URL('./remedies.json', import.meta.url);

/** All that is known of a code, oldest record first. */
export function whyText(code: string, records: readonly FoundRecord[]): string {
  const remedies: Readonly<Record<string, string>> = JSON.parse(readFileSync(remediesFile, 'utf8'));
  const parts = records.map((record) => recordText(record, remedies));
  const request = String(records[0]?.request ?? '');
  return `${code}\n\n${parts.join('\n')}\nThe log has more under the request ${request}\n`;
}

function recordText(record: FoundRecord, remedies: Readonly<Record<string, string>>): string {
  const reason = typeof record.reason === 'string' ? record.reason : undefined;
  const rows: (readonly [string, string])[] = [
    ['when', String(record.time)],
    [String(record.event), decisionOf(record)],
    ...rowOf('reason', reason),
    ...rowOf('detail', record.detail),
    ['who', whoOf(record)],
    ...stepRows(record.steps),
    ...rowOf('told', toldOf(record)),
    ...rowOf('remedy', reason === undefined ? undefined : remedies[reason]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, text]) => `${name.padEnd(width)}${text}\n`).join('');
}

function rowOf(name: string, text: unknown): (readonly [string, string])[] {
  return text === undefined ? [] : [[name, String(text)]];
}

function decisionOf(record: FoundRecord): string {
  if (record.event !== 'request') return String(record.outcome);
  const { method, path, status, verdict, route } = record;
  return `${method} ${path} → ${status} (${verdict}, route ${route})`;
}

function whoOf({ user, tenant, provider, address, session, shown }: FoundRecord): string {
  const known = tenant === undefined ? `${user ?? 'nobody'}${user === undefined ? '' : ' (as typed)'}` : String(user);
  return [
    known,
    ...(provider === undefined ? [] : [`by ${provider}`]),
    ...(shown === undefined ? [] : [`showing ${shown}`]),
    `from ${address}`,
    ...(session === undefined ? [] : [`session ${session}`]),
  ].join(', ');
}

/** Every provider that was asked, in order. */
function stepRows(steps: unknown): (readonly [string, string])[] {
  if (!Array.isArray(steps)) return [];
  return steps.map((step: FoundRecord, index) => {
    const why = step.reason === undefined ? '' : ` (${step.reason})`;
    return [index === 0 ? 'chain' : '', `${step.provider}: ${step.outcome}${why}, ${step.milliseconds} ms`];
  });
}

/** The words of the page, as the English one has them; pages of a site may have words of their own. */
function toldOf(record: FoundRecord): string | undefined {
  const code = errorOf(record);
  if (code === undefined) return undefined;
  const { title, body } = en.errors[code];
  return `“${title}. ${body}”`;
}

const byStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'BAD_REQUEST',
  401: 'LOGIN_REQUIRED',
  403: 'ACCESS_DENIED',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  413: 'PAYLOAD_TOO_LARGE',
  421: 'MISDIRECTED',
  429: 'TOO_MANY_FAILURES',
  504: 'UPSTREAM_TIMEOUT',
};

function errorOf({ event, outcome, status, reason, verdict }: FoundRecord): ErrorCode | undefined {
  if (event !== 'request') return outcome === 'failed' ? ofLogin(String(reason)) : undefined;
  // What an application answers by itself, it tells by itself, and our own pages by the record of the login.
  if (verdict === 'portal' || reason === undefined) return undefined;
  if (reason === 'origin-mismatch') return 'ORIGIN_MISMATCH';
  if (reason === 'peer-certificate-missing') return 'PEER_CERTIFICATE_REQUIRED';
  if (String(reason).startsWith('secret-') && status === 401) return 'SECRET_REQUIRED';
  if (String(reason).startsWith('peer-') && status === 403) return 'PEER_REFUSED';
  if (status === 502) return reason === 'upstream-unreachable' ? 'UPSTREAM_UNREACHABLE' : 'UPSTREAM_BROKE';
  if (status === 503) return isOutage(storedReason(String(reason))) ? 'PROVIDER_UNAVAILABLE' : 'UNAVAILABLE';
  return byStatus[Number(status)];
}

function ofLogin(reason: string): ErrorCode | undefined {
  if (reason === 'password-must-change' || reason === 'password-expired') return undefined;
  if (reason === 'too-many-failures') return 'TOO_MANY_FAILURES';
  return isOutage(storedReason(reason)) || reason === 'client-gone' ? 'PROVIDER_UNAVAILABLE' : 'LOGIN_FAILED';
}
