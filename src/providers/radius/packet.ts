/**
 * RADIUS packets (RFC 2865, RFC 3579 §3.2): requests written, and answers read only where they are authentic. When which packet is
 * sent is `client.ts`'s.
 */
import { createHmac, hash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../../core/secret.ts';

/** The codes of the packets that are sent or taken here. */
export const codes = {
  accessRequest: 1,
  accessAccept: 2,
  accessReject: 3,
  accessChallenge: 11,
  statusServer: 12,
} as const;

/** Attribute types that have a meaning here. */
export const types = {
  userName: 1,
  userPassword: 2,
  replyMessage: 18,
  state: 24,
  vendorSpecific: 26,
  callingStationId: 31,
  nasIdentifier: 32,
  nasPortType: 61,
  messageAuthenticator: 80,
} as const;

/** One attribute. Of a vendor's own the value begins with the vendor's number. */
export interface RadiusAttribute {
  readonly type: number;
  readonly value: Buffer;
}

/** A request as it is sent, each time with the same bytes. */
export interface RadiusRequest {
  readonly id: number;
  readonly authenticator: Buffer;
  readonly bytes: Buffer;
}

/** What is asked. */
export interface Question {
  readonly code: typeof codes.accessRequest | typeof codes.statusServer;
  readonly attributes: readonly RadiusAttribute[];
  /** For PAP; up to `maxPassword` bytes. */
  readonly password?: Secret;
}

/** An authentic answer. */
export interface RadiusAnswer {
  readonly code: typeof codes.accessAccept | typeof codes.accessReject | typeof codes.accessChallenge;
  readonly attributes: readonly RadiusAttribute[];
  readonly hasMessageAuthenticator: boolean;
}

/** Why what has come counts as if it had not: it is no answer to this request, or nobody knows whose it is. */
export type Flaw = 'malformed' | 'other-request' | 'wrong-authenticator' | 'no-message-authenticator';

/** RFC 2865 §5.2. */
export const maxPassword = 128;
const maxPacket = 4096;
const header = 20;
const digestLength = 16;

/** Writes a request under a random id and authenticator; the Message-Authenticator comes first, so that nothing can be put before it. */
export function writeRequest({ code, attributes, password }: Question, secret: Secret): RadiusRequest {
  const id = randomInt(256);
  const authenticator = randomBytes(digestLength);
  const hidden = password && {
    type: types.userPassword,
    value: hidePassword(Buffer.from(password.reveal()), authenticator, secret),
  };
  const mark = { type: types.messageAuthenticator, value: Buffer.alloc(digestLength) };
  const body = Buffer.concat([mark, ...attributes, ...(hidden ? [hidden] : [])].map(writeAttribute));
  const head = Buffer.from([code, id, 0, 0]);
  head.writeUInt16BE(header + body.length, 2);
  const bytes = Buffer.concat([head, authenticator, body]);
  if (bytes.length > maxPacket) throw new RangeError('the request is longer than a RADIUS packet may be');
  messageDigest(bytes, secret).copy(bytes, header + 2);
  return { id, authenticator, bytes };
}

/** Reads an answer to a request; whatever is wrong with it, it is as if nothing had come. */
export function readAnswer(
  datagram: Buffer,
  request: RadiusRequest,
  { secret, requireMessageAuthenticator }: { readonly secret: Secret; readonly requireMessageAuthenticator: boolean },
): RadiusAnswer | Flaw {
  const length = datagram.length < header ? 0 : datagram.readUInt16BE(2);
  if (length < header || length > Math.min(maxPacket, datagram.length)) return 'malformed';
  // Octets beyond the length are padding (RFC 2865 §3).
  const bytes = Buffer.from(datagram.subarray(0, length));
  const [code, id] = bytes;
  if (id !== request.id) return 'other-request';
  if (code !== codes.accessAccept && code !== codes.accessReject && code !== codes.accessChallenge) return 'malformed';
  const attributes = readAttributes(bytes);
  if (!attributes || countOf(attributes, types.state) > 1) return 'malformed';
  // Both digests are made over the authenticator of the request, in the place where the answer has its own.
  const shown = Buffer.from(bytes.subarray(4, header));
  request.authenticator.copy(bytes, 4);
  const expected = hash('md5', Buffer.concat([bytes, Buffer.from(secret.reveal())]), 'buffer');
  if (!timingSafeEqual(expected, shown)) return 'wrong-authenticator';
  const marks = attributes.filter(({ type }) => type === types.messageAuthenticator);
  const [mark] = marks;
  if (!mark)
    return requireMessageAuthenticator
      ? 'no-message-authenticator'
      : { code, attributes, hasMessageAuthenticator: false };
  if (marks.length > 1 || mark.value.length !== digestLength) return 'malformed';
  const sent = Buffer.from(mark.value);
  mark.value.fill(0);
  if (!timingSafeEqual(messageDigest(bytes, secret), sent)) return 'wrong-authenticator';
  return { code, attributes, hasMessageAuthenticator: true };
}

function countOf(attributes: readonly RadiusAttribute[], wanted: number): number {
  return attributes.filter(({ type }) => type === wanted).length;
}

function writeAttribute({ type, value }: RadiusAttribute): Buffer {
  return Buffer.concat([Buffer.from([type, value.length + 2]), value]);
}

/** The attributes, whose values are views of the packet; undefined where they do not fill it exactly. */
function readAttributes(bytes: Buffer): RadiusAttribute[] | undefined {
  const attributes: RadiusAttribute[] = [];
  for (let at = header; at < bytes.length; ) {
    const [type = 0, length = 0] = bytes.subarray(at, at + 2);
    if (length < 2 || at + length > bytes.length) return undefined;
    attributes.push({ type, value: bytes.subarray(at + 2, at + length) });
    at += length;
  }
  return attributes;
}

function messageDigest(bytes: Buffer, secret: Secret): Buffer {
  return createHmac('md5', secret.reveal()).update(bytes).digest();
}

/** RFC 2865 §5.2: each block is hidden by a digest of the one before it. */
function hidePassword(password: Buffer, authenticator: Buffer, secret: Secret): Buffer {
  const padded = Buffer.alloc(Math.max(1, Math.ceil(password.length / digestLength)) * digestLength);
  password.copy(padded);
  const key = Buffer.from(secret.reveal());
  let before = authenticator;
  for (let at = 0; at < padded.length; at += digestLength) {
    const pad = hash('md5', Buffer.concat([key, before]), 'buffer');
    for (let index = 0; index < digestLength; index++)
      padded.writeUInt8((padded[at + index] ?? 0) ^ (pad[index] ?? 0), at + index);
    before = padded.subarray(at, at + digestLength);
  }
  return padded;
}
