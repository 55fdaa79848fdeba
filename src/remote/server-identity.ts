/** What tells one configuration of a server from another: where nothing has changed, what was learned of it is kept. */
import { createHash } from 'node:crypto';
import { Secret } from '../core/secret.ts';

/** All that is said of one, as a digest: secrets count, and are kept nowhere. */
export function digestOf(...said: readonly unknown[]): string {
  const reveal = function (this: Record<string, unknown>, key: string, value: unknown): unknown {
    const original = this[key];
    return original instanceof Secret ? original.reveal() : value;
  };
  return createHash('sha256').update(JSON.stringify(said, reveal)).digest('base64url');
}
