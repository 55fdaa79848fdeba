/**
 * A touch of a key: the options for `navigator.credentials.get`, and the judgement of what comes back. The library checks
 * signature, challenge, origin and flags; that the answer is of this account's key is checked here.
 */
import type { AuthenticationResponseJSON } from '@simplewebauthn/server';
import * as z from 'zod';
import type { Reason } from '../../core/reason.ts';
import type { Credential, RelyingParty } from './credential.ts';
import { library } from './library.ts';
import { bytes, parsed } from './registration.ts';

const answerSchema = z.object({
  id: z.base64url().min(1).max(1400),
  rawId: z.base64url().min(1).max(1400),
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: z.base64url().min(1),
    authenticatorData: z.base64url().min(1),
    signature: z.base64url().min(1),
    userHandle: z.base64url().max(128).nullish(),
  }),
  clientExtensionResults: z.object({}).default({}),
  authenticatorAttachment: z.enum(['platform', 'cross-platform']).optional().catch(undefined),
});

/** The options, as JSON for the page. Without `keys` the browser asks which passkey it is to be. */
export async function authenticationOptions(
  party: RelyingParty,
  challenge: Buffer,
  keys: readonly Credential[] | undefined,
): Promise<object> {
  const { generateAuthenticationOptions } = await library();
  return generateAuthenticationOptions({
    rpID: party.rpId,
    challenge: bytes(challenge),
    timeout: party.timeout,
    userVerification: keys === undefined ? 'required' : party.userVerification,
    ...(keys && { allowCredentials: keys.map(({ id, transports }) => ({ id, transports })) }),
  });
}

/** The id of the key that an answer is of, so that its account can be found; undefined where it is no answer. */
export function credentialIdIn(text: string): string | undefined {
  return parsed(text, answerSchema)?.id;
}

/** What an answer came to. */
type Authentication =
  | { readonly kind: 'verified'; readonly credential: Credential; readonly isVerified: boolean }
  | { readonly kind: 'rejected'; readonly reason: Reason };

/** What an answer is judged by. */
interface AuthenticationTerms {
  readonly challenge: Buffer;
  /** The keys of the account that is asked, and no others. */
  readonly keys: readonly Credential[];
  /** The account's user handle: an answer that names another is none. */
  readonly handle: Buffer;
  readonly requireUserVerification: boolean;
  /** True where nobody has given a name: the answer has to bring the handle of its account. */
  readonly requireHandle: boolean;
}

/** Judges an answer; `text` is the JSON that the page has posted. Never throws for a bad one. */
export async function judgeAuthentication(
  party: RelyingParty,
  text: string,
  { challenge, keys, handle, requireUserVerification, requireHandle }: AuthenticationTerms,
): Promise<Authentication> {
  const answer = parsed(text, answerSchema);
  const key = answer && keys.find(({ id, rpId }) => id === answer.id && rpId === party.rpId);
  if (!answer || !key || answer.rawId !== answer.id) return { kind: 'rejected', reason: 'key-foreign' };
  const { userHandle } = answer.response;
  // Security keys that keep nothing give none.
  if (requireHandle && !userHandle) return { kind: 'rejected', reason: 'key-foreign' };
  const own = key.handle === undefined ? handle : Buffer.from(key.handle, 'base64url');
  if (userHandle && !Buffer.from(userHandle, 'base64url').equals(own))
    return { kind: 'rejected', reason: 'key-foreign' };
  const { verifyAuthenticationResponse } = await library();
  const found = await verifyAuthenticationResponse({
    response: answer as AuthenticationResponseJSON,
    expectedChallenge: challenge.toString('base64url'),
    expectedOrigin: party.origin,
    expectedRPID: party.rpId,
    // The library throws for a counter that has not risen; that is told apart below.
    credential: { id: key.id, publicKey: bytes(Buffer.from(key.publicKey, 'base64url')), counter: 0 },
    requireUserVerification: false,
  }).catch(() => undefined);
  if (!found?.verified) return { kind: 'rejected', reason: 'key-foreign' };
  const { userVerified, newCounter, credentialDeviceType } = found.authenticationInfo;
  if (requireUserVerification && !userVerified) return { kind: 'rejected', reason: 'user-not-verified' };
  // A key that was made for one device and says it is synced is another one.
  if ((credentialDeviceType === 'multiDevice') !== key.isSynced) return { kind: 'rejected', reason: 'key-foreign' };
  // WebAuthn Level 3, §7.2, step 22: one that counts must have counted on, or it was copied.
  if ((newCounter > 0 || key.counter > 0) && newCounter <= key.counter)
    return { kind: 'rejected', reason: 'key-counter' };
  return { kind: 'verified', credential: { ...key, counter: newCounter }, isVerified: userVerified };
}
