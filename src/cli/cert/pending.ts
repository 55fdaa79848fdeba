/** Requests whose certificate has not come yet, remembered beside the configuration by the file of their key. Holds no secret. */
import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { OperatorError } from '../../core/errors.ts';
import { replaceFile, withFileLock } from '../../users/safe-write.ts';

const rowSchema = z.object({
  name: z.string(),
  /** Absolute. */
  key: z.string(),
  /** Of the key, as certificates show it. */
  pin: z.string(),
  made: z.string(),
});

/** One request. */
type PendingRequest = z.output<typeof rowSchema>;

/** The file of a configuration's folder. */
function pendingFile(folder: string): string {
  return path.join(folder, 'cert-requests.json');
}

/** All that are remembered. */
export function pendingRequests(folder: string): readonly PendingRequest[] {
  const file = pendingFile(folder);
  if (!existsSync(file)) return [];
  try {
    return z.array(rowSchema).parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new OperatorError(
      `the file ${file} cannot be read`,
      'it lists requests for certificates; move it away, and name keys with --key FILE',
      error,
    );
  }
}

/** Remembers one; a key that is used again is remembered once. */
export function rememberRequest(folder: string, request: PendingRequest): void {
  change(folder, (rows) => [...rows.filter(({ key }) => key !== request.key), request]);
}

/** Forgets the request whose certificate has come; what cannot be changed stays, as it does no harm. */
export function forgetRequest(folder: string, key: KeyObject): void {
  const pin = keyPin(key);
  if (pendingRequests(folder).some((row) => row.pin === pin))
    change(folder, (rows) => rows.filter((row) => row.pin !== pin));
}

/** The pin of a private key's public half, as certificates show it. */
export function keyPin(key: KeyObject): string {
  return `sha256/${hash('sha256', createPublicKey(key).export({ type: 'spki', format: 'der' }), 'base64')}`;
}

function change(folder: string, next: (rows: readonly PendingRequest[]) => readonly PendingRequest[]): void {
  const file = pendingFile(folder);
  withFileLock(file, () => replaceFile(file, `${JSON.stringify(next(pendingRequests(folder)), undefined, 2)}\n`));
}
