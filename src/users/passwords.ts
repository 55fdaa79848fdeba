/**
 * Password hashes: argon2id in PHC strings (https://github.com/P-H-C/phc-string-format), as other tools write them too.
 * Hashing takes a thread and memory, so few run at once; an unknown user's password takes as long to find wrong.
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Failure } from '../core/failure.ts';
import type { Secret } from '../core/secret.ts';
import { Semaphore } from '../remote/semaphore.ts';
import { TimingDecoy } from '../remote/timing-decoy.ts';

/** What came of a check; `overloaded` and `aborted` say nothing about the password. */
type PasswordCheck = 'match' | 'mismatch' | 'overloaded' | 'aborted';

interface Hash {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly salt: Buffer;
  readonly tag: Buffer;
}

const maxAtOnce = 3;
const maxQueue = 200;
/** Of a check, in milliseconds, as long as none has been timed. */
const usualTime = 60;
const decoy = new TimingDecoy();
const turns = new Semaphore(maxAtOnce, maxQueue, { message: 'too many passwords wait to be checked' });
const maxPassword = 4096;
const saltLength = 16;
const tagLength = 32;

/** OWASP's first choice; in KiB. */
const cost = { memory: 19_456, passes: 2, parallelism: 1 };

/** What a hash from a file may ask for: a mistyped one must not take the machine's memory. */
const limits = { memory: 262_144, passes: 16, parallelism: 8 };

const compute = promisify(argon2);

/** Stands in for the hash of a user who is not there, so that both take the same time. */
const dummy: Hash = { ...cost, salt: randomBytes(saltLength), tag: randomBytes(tagLength) };

/** The hash of a password with a fresh salt. */
export async function hashPassword(password: Secret): Promise<string> {
  const salt = randomBytes(saltLength);
  const tag = await derive(password.reveal(), { ...cost, salt, tag: Buffer.alloc(tagLength) });
  const { memory, passes, parallelism } = cost;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${unpadded(salt)}$${unpadded(tag)}`;
}

let isHashingBehind = false;

/** The hash of a password for later; undefined where checks of passwords wait, or another is being made: a login comes first. */
export async function hashBehindLogins(password: Secret): Promise<string | undefined> {
  if (isHashingBehind || !turns.isFree) return undefined;
  isHashingBehind = true;
  try {
    return await hashPassword(password);
  } finally {
    isHashingBehind = false;
  }
}

/** Whether this can be checked as a password's hash. */
export function isPasswordHash(text: string): boolean {
  return parseHash(text) !== undefined;
}

/** Whoever waits for a check; `isMoot` where its answer will be an outage, whatever comes of it. */
export interface CheckTerms {
  readonly signal?: AbortSignal | undefined;
  readonly isMoot?: boolean | undefined;
}

/**
 * Checks a password against a hash. Without one it finds a mismatch, and takes as long: it works where the machine has nothing
 * to do, and else only waits, so that names that nobody has never keep out somebody who is there.
 */
export async function checkPassword(
  password: Secret,
  hash: string | undefined,
  { signal, isMoot = false }: CheckTerms = {},
): Promise<PasswordCheck> {
  const known = hash === undefined ? undefined : parseHash(hash);
  if (!known && (isMoot || !turns.isFree)) {
    await decoy.spend(signal, usualTime);
    return signal?.aborted ? 'aborted' : 'mismatch';
  }
  const startedAt = performance.now();
  try {
    return await turns.run(signal, async () => {
      const text = password.reveal();
      const isTooLong = text.length > maxPassword;
      const expected = known ?? dummy;
      const tag = await derive(isTooLong ? '' : text, expected);
      if (known || !decoy.isReady) decoy.addSample(performance.now() - startedAt);
      return timingSafeEqual(tag, expected.tag) && known !== undefined && !isTooLong ? 'match' : 'mismatch';
    });
  } catch (error) {
    if (signal?.aborted) return 'aborted';
    if (error instanceof Failure && error.reason === 'overloaded') return 'overloaded';
    throw error;
  }
}

/** NFC, as RFC 8265 §4.2.2 has it: keyboards differ in how they spell an accented letter. */
function derive(password: string, { memory, passes, parallelism, salt, tag }: Hash): Promise<Buffer> {
  const message = Buffer.from(password.normalize('NFC'));
  return compute('argon2id', { message, nonce: salt, memory, passes, parallelism, tagLength: tag.length });
}

function parseHash(text: string): Hash | undefined {
  const match =
    /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/.exec(
      text,
    );
  if (!match) return undefined;
  const [memory, passes, parallelism] = match.slice(1, 4).map(Number);
  const [salt, tag] = match.slice(4).map((part) => Buffer.from(part, 'base64'));
  if (memory === undefined || passes === undefined || parallelism === undefined || !salt || !tag) return undefined;
  const isTooLow = passes < 1 || parallelism < 1 || memory < 8 * parallelism;
  const isTooHigh = memory > limits.memory || passes > limits.passes || parallelism > limits.parallelism;
  return isTooLow || isTooHigh ? undefined : { memory, passes, parallelism, salt, tag };
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
