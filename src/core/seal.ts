/**
 * Seals texts, so that whoever reads a store, a backup or an address learns nothing of them and can change nothing unseen:
 * AES-256-GCM under keys that have ids.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hash,
  type KeyObject,
  randomBytes,
} from 'node:crypto';

const algorithm = 'aes-256-gcm';
const keyBytes = 32;
const tagBytes = 16;
const ivBytes = 12;
/** Half of it makes a key of its own for each text, half is the IV: then no number of texts uses an IV twice under a key. */
const nonceBytes = 2 * ivBytes;

/**
 * One key. `context` says what a text is and of whom (associated data): what was sealed in one place opens in no other, and
 * only the same words open it.
 */
export class SealKey {
  /** Tells keys apart and gives nothing of them away. */
  readonly id: string;
  /** Kept as an object: to make one of bytes takes five times as long as what is done with it. */
  readonly #key: KeyObject;

  /** Throws where there are not 32 bytes. */
  constructor(bytes: Buffer) {
    if (bytes.length !== keyBytes) throw new RangeError(`a sealing key has ${keyBytes} bytes`);
    this.#key = createSecretKey(bytes);
    this.id = hash('sha256', Buffer.concat([Buffer.from('gatehouse seal key id\n'), bytes]), 'base64url').slice(0, 8);
  }

  seal(text: string, context: string): Buffer {
    const nonce = randomBytes(nonceBytes);
    const options = { authTagLength: tagBytes };
    const cipher = createCipheriv(algorithm, this.#keyOf(nonce), nonce.subarray(ivBytes), options);
    cipher.setAAD(Buffer.from(context));
    return Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  }

  /** Undefined for what this key has not sealed in this context, and for what was changed since. */
  open(sealed: Buffer, context: string): string | undefined {
    if (sealed.length < nonceBytes + tagBytes) return undefined;
    const [nonce, text] = [sealed.subarray(0, nonceBytes), sealed.subarray(nonceBytes, -tagBytes)];
    // Without the length a tag of four bytes would do.
    const options = { authTagLength: tagBytes };
    const decipher = createDecipheriv(algorithm, this.#keyOf(nonce), nonce.subarray(ivBytes), options);
    try {
      decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(-tagBytes));
      return Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8');
    } catch {
      return undefined;
    }
  }

  /** A key of 32 bytes for whatever else this one guards; another `purpose` gives another, and none of them tells of the rest. */
  derive(purpose: string): KeyObject {
    return createSecretKey(createHmac('sha256', this.#key).update(`gatehouse derived key\n${purpose}`).digest());
  }

  #keyOf(nonce: Buffer): Buffer {
    return createHmac('sha256', this.#key).update('gatehouse seal\n').update(nonce.subarray(0, ivBytes)).digest();
  }
}

/** What a text turned out to be. */
type Opened =
  /** It was never sealed. */
  | { readonly kind: 'clear' }
  | { readonly kind: 'opened'; readonly text: string; readonly id: string }
  | { readonly kind: 'unknown-key'; readonly id: string }
  /** Changed, or sealed for another place. */
  | { readonly kind: 'altered'; readonly id: string };

const form = /^sealed:1:([\w-]{8}):([\w-]+)$/;

/** How often keys are read again for the sake of an unknown id, at most. */
const rereadEvery = 1000;

/** Several keys: the first one seals, all of them open. */
export class Sealer {
  #keys: readonly SealKey[];
  readonly #reread: (() => readonly SealKey[]) | undefined;
  readonly #derived = new Map<string, { readonly of: readonly SealKey[]; readonly keys: readonly KeyObject[] }>();
  #readAt = Number.NEGATIVE_INFINITY;

  /** `reread` is asked when an id is met that no key has: another process may have made one. */
  constructor(keys: readonly SealKey[], reread?: () => readonly SealKey[]) {
    this.#keys = keys;
    this.#reread = reread;
  }

  /** The id of the key that seals. */
  get id(): string {
    return this.#first.id;
  }

  /** One line of text that says by which key it was sealed. */
  seal(text: string, context: string): string {
    const { id } = this.#first;
    return `sealed:1:${id}:${this.#first.seal(text, context).toString('base64url')}`;
  }

  open(text: string, context: string): Opened {
    const [, id, sealed] = form.exec(text) ?? [];
    if (id === undefined || sealed === undefined) return { kind: 'clear' };
    const key = this.#find(id);
    if (!key) return { kind: 'unknown-key', id };
    const opened = key.open(Buffer.from(sealed, 'base64url'), context);
    return opened === undefined ? { kind: 'altered', id } : { kind: 'opened', text: opened, id };
  }

  /**
   * Keys for another purpose, one of each: the first makes marks, all of them know theirs again. `again` where none of them
   * does: another process may have made one. The same list as before where there is no other.
   */
  derive(purpose: string, again = false): readonly KeyObject[] {
    if (again) this.#readAgain();
    const known = this.#derived.get(purpose);
    if (known?.of === this.#keys) return known.keys;
    const keys = this.#keys.map((key) => key.derive(purpose));
    this.#derived.set(purpose, { of: this.#keys, keys });
    return keys;
  }

  get #first(): SealKey {
    const [first] = this.#keys;
    if (!first) throw new Error('there is no key to seal with');
    return first;
  }

  #find(id: string): SealKey | undefined {
    const find = (): SealKey | undefined => this.#keys.find((key) => key.id === id);
    const known = find();
    return known || !this.#readAgain() ? known : find();
  }

  /** Whether there are other keys than before; not more often than every now and then. */
  #readAgain(): boolean {
    if (!this.#reread || performance.now() - this.#readAt < rereadEvery) return false;
    this.#readAt = performance.now();
    const keys = this.#reread();
    const ids = (ring: readonly SealKey[]): string => ring.map(({ id }) => id).join();
    if (ids(keys) === ids(this.#keys)) return false;
    this.#keys = keys;
    return true;
  }
}
