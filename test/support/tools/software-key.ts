/** A security key made of software: it answers as a browser posts it, and lies where a test says so. */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** How an answer departs from an honest one. */
export interface Lies {
  readonly origin?: string;
  readonly rpId?: string;
  readonly type?: string;
  readonly challenge?: string;
  /** The user was there and has touched; true unless said. */
  readonly isPresent?: boolean;
  /** The key knows its user by a PIN or a finger. */
  readonly isVerified?: boolean;
  readonly isSynced?: boolean;
  readonly counter?: number;
  readonly userHandle?: string | null;
  readonly breakSignature?: boolean;
  /** Signs with this key instead of its own. */
  readonly privateKey?: KeyObject;
}

interface CreationOptions {
  readonly challenge: string;
  readonly rp: { readonly id: string };
  readonly user: { readonly id: string };
}

interface RequestOptions {
  readonly challenge: string;
  readonly rpId: string;
}

const flags = { present: 0x01, verified: 0x04, backupEligible: 0x08, backedUp: 0x10, attested: 0x40 } as const;

/** One credential on one key, ES256. */
export class SoftwareKey {
  readonly id = randomBytes(32);
  readonly privateKey: KeyObject;
  readonly origin: string;
  readonly isSynced: boolean;
  counter: number;
  #userHandle: string | undefined;
  readonly #publicKey: KeyObject;

  constructor(origin: string, { isSynced = false, counter = 1 }: { isSynced?: boolean; counter?: number } = {}) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.privateKey = privateKey;
    this.#publicKey = publicKey;
    this.origin = origin;
    this.isSynced = isSynced;
    this.counter = isSynced ? 0 : counter;
  }

  /** The JSON of `navigator.credentials.create`. */
  register(options: CreationOptions, lies: Lies = {}): string {
    this.#userHandle = options.user.id;
    const authData = Buffer.concat([
      this.#authenticatorData(options.rp.id, flags.attested, lies),
      Buffer.alloc(16),
      uint16(this.id.length),
      this.id,
      this.#coseKey(),
    ]);
    const attestationObject = Buffer.concat([
      Buffer.from([0xa3]),
      ...[cborText('fmt'), cborText('none')],
      ...[cborText('attStmt'), Buffer.from([0xa0])],
      ...[cborText('authData'), cborBytes(authData)],
    ]);
    return this.#answer({
      clientDataJSON: this.#clientData(lies.type ?? 'webauthn.create', options.challenge, lies).toString('base64url'),
      attestationObject: attestationObject.toString('base64url'),
      transports: ['usb'],
    });
  }

  /** The JSON of `navigator.credentials.get`. */
  answer(options: RequestOptions, lies: Lies = {}): string {
    if (!this.isSynced) this.counter += 1;
    const authenticatorData = this.#authenticatorData(options.rpId, 0, lies);
    const clientData = this.#clientData(lies.type ?? 'webauthn.get', options.challenge, lies);
    const signed = Buffer.concat([authenticatorData, createHash('sha256').update(clientData).digest()]);
    const signature = sign('sha256', signed, lies.privateKey ?? this.privateKey);
    if (lies.breakSignature) signature.writeUInt8(signature.readUInt8(signature.length - 1) ^ 1, signature.length - 1);
    const handle = lies.userHandle === undefined ? this.#userHandle : lies.userHandle;
    return this.#answer({
      clientDataJSON: clientData.toString('base64url'),
      authenticatorData: authenticatorData.toString('base64url'),
      signature: signature.toString('base64url'),
      userHandle: handle ?? null,
    });
  }

  #answer(response: object): string {
    const id = this.id.toString('base64url');
    return JSON.stringify({ id, rawId: id, type: 'public-key', response, clientExtensionResults: {} });
  }

  #clientData(type: string, challenge: string, lies: Lies): Buffer {
    const origin = lies.origin ?? this.origin;
    return Buffer.from(JSON.stringify({ type, challenge: lies.challenge ?? challenge, origin, crossOrigin: false }));
  }

  #authenticatorData(rpId: string, more: number, lies: Lies): Buffer {
    const isSynced = lies.isSynced ?? this.isSynced;
    const bits =
      more |
      (lies.isPresent === false ? 0 : flags.present) |
      (lies.isVerified ? flags.verified : 0) |
      (isSynced ? flags.backupEligible | flags.backedUp : 0);
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(lies.counter ?? this.counter);
    return Buffer.concat([
      createHash('sha256')
        .update(lies.rpId ?? rpId)
        .digest(),
      Buffer.from([bits]),
      counter,
    ]);
  }

  /** RFC 9053 §7.1.1: EC2, ES256, P-256. */
  #coseKey(): Buffer {
    const { x = '', y = '' } = this.#publicKey.export({ format: 'jwk' });
    const part = (value: string) => cborBytes(Buffer.from(value, 'base64url'));
    return Buffer.concat([
      Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21]),
      part(x),
      Buffer.from([0x22]),
      part(y),
    ]);
  }
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function cborText(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x60 | text.length]), Buffer.from(text)]);
}

function cborBytes(bytes: Buffer): Buffer {
  const head =
    bytes.length < 256 ? Buffer.from([0x58, bytes.length]) : Buffer.concat([Buffer.from([0x59]), uint16(bytes.length)]);
  return Buffer.concat([head, bytes]);
}
