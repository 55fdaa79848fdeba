/** Setting up a key: the options for `navigator.credentials.create`, and the judgement of what comes back. */
import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import * as z from 'zod';
import type { Reason } from '../../core/reason.ts';
import { algorithms, type Credential, type RelyingParty } from './credential.ts';
import { library } from './library.ts';

/** Whose key it is to be. */
interface KeyOwner {
  /** 32 bytes that say nothing of the user: the key keeps them, and gives them back with an answer. */
  readonly handle: Buffer;
  /** For the browser's own list of passkeys. */
  readonly name: string;
  readonly displayName: string;
}

const answerSchema = z.object({
  id: z.base64url().min(1).max(1400),
  rawId: z.base64url().min(1).max(1400),
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: z.base64url().min(1),
    attestationObject: z.base64url().min(1),
    transports: z.array(z.string().max(32)).max(8).optional(),
  }),
  clientExtensionResults: z.object({}).default({}),
  authenticatorAttachment: z.enum(['platform', 'cross-platform']).optional().catch(undefined),
});

/** The options, as JSON for the page. Keys in `known` are refused by the browser, so that none is set up twice. */
export async function registrationOptions(
  party: RelyingParty,
  owner: KeyOwner,
  challenge: Buffer,
  known: readonly Credential[],
): Promise<object> {
  const { attachment, wantsDiscoverable, userVerification } = party;
  const { generateRegistrationOptions } = await library();
  return generateRegistrationOptions({
    rpName: party.siteName,
    rpID: party.rpId,
    userName: owner.name,
    userDisplayName: owner.displayName,
    userID: bytes(owner.handle),
    challenge: bytes(challenge),
    timeout: party.timeout,
    attestationType: 'none',
    excludeCredentials: known.map(({ id, transports }) => ({ id, transports })),
    authenticatorSelection: {
      ...(attachment !== 'any' && { authenticatorAttachment: attachment }),
      // A key of the floor keeps nothing where nobody begins with it: its memory holds some tens of accounts.
      residentKey: wantsDiscoverable ? 'required' : 'discouraged',
      requireResidentKey: wantsDiscoverable,
      userVerification: wantsDiscoverable ? 'required' : userVerification,
    },
    supportedAlgorithmIDs: [...algorithms],
  });
}

/** What came of it. */
type Registration =
  | { readonly kind: 'registered'; readonly credential: Credential; readonly isVerified: boolean }
  | { readonly kind: 'rejected'; readonly reason: Reason };

/** Judges an answer to `registrationOptions`; `text` is the JSON that the page has posted. Never throws for a bad one. */
export async function judgeRegistration(party: RelyingParty, challenge: Buffer, text: string): Promise<Registration> {
  const answer = parsed(text, answerSchema);
  if (!answer) return { kind: 'rejected', reason: 'key-foreign' };
  const requireUserVerification = party.wantsDiscoverable || party.userVerification === 'required';
  const { verifyRegistrationResponse } = await library();
  const { verified, registrationInfo: info } = await verifyRegistrationResponse({
    response: answer as RegistrationResponseJSON,
    expectedChallenge: challenge.toString('base64url'),
    expectedOrigin: party.origin,
    expectedRPID: party.rpId,
    requireUserPresence: true,
    requireUserVerification,
    supportedAlgorithmIDs: [...algorithms],
  }).catch(() => ({ verified: false as const, registrationInfo: undefined }));
  if (!verified || !info) return { kind: 'rejected', reason: 'key-foreign' };
  const isSynced = info.credentialDeviceType === 'multiDevice';
  if (isSynced && !party.takesSynced) return { kind: 'rejected', reason: 'key-foreign' };
  const { id, publicKey, counter } = info.credential;
  return {
    kind: 'registered',
    isVerified: info.userVerified,
    credential: {
      id,
      publicKey: Buffer.from(publicKey).toString('base64url'),
      counter,
      transports: answer.response.transports ?? [],
      isSynced,
      rpId: party.rpId,
    },
  };
}

/** A copy on memory of its own, as the library's types ask. */
export function bytes(buffer: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer);
}

/** JSON of a form, by its schema; undefined for anything else. */
export function parsed<Schema extends z.ZodType>(text: string, schema: Schema): z.output<Schema> | undefined {
  try {
    const read = schema.safeParse(JSON.parse(text));
    return read.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}
