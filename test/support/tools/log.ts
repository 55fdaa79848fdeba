/**
 * The product's own log, kept, so that a test can look for what was written and for what must never be. For what code hands
 * to its log before any scrubbing, see `log-lines.ts`.
 */
import assert from 'node:assert/strict';
import { createLog, type RootLog } from '../../../src/telemetry/log.ts';

/** The product's own log at its most talkative, with its lines. */
export interface CollectedLog {
  readonly log: RootLog;
  readonly lines: string[];
  /** The lines, parsed. */
  records(): Record<string, unknown>[];
  /** The records with this sentence. */
  find(message: string): Record<string, unknown>[];
  /** Fails when one of the texts, plain, in base64 or in an address's escapes, stands in a line. */
  assertNoSecrets(...secrets: readonly string[]): void;
}

/** A real log: JSON lines at level debug, scrubbed as in production. */
export function collectLog(): CollectedLog {
  const lines: string[] = [];
  const records = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return {
    log: createLog({ level: 'debug', destination: { write: (line) => lines.push(line) } }),
    lines,
    records,
    find: (message) => records().filter((record) => record.message === message),
    assertNoSecrets: (...secrets) => assertNoSecrets(lines.join(''), secrets),
  };
}

/** Fails when one of the secrets stands in the text, in any of the spellings in which it travels. */
export function assertNoSecrets(text: string, secrets: readonly string[]): void {
  for (const secret of secrets) {
    assert.ok(secret.length >= 4, `"${secret}" is too short to look for`);
    const spellings = [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1), btoaUtf8(secret)];
    for (const spelling of new Set(spellings)) {
      const at = text.indexOf(spelling);
      assert.equal(at, -1, `a secret stands in: …${text.slice(Math.max(0, at - 80), at + spelling.length + 20)}…`);
    }
  }
}

function btoaUtf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64').replace(/=+$/, '');
}
