/** What is kept of a key: its public half, its counter, and what it has said of itself. No secret is among it. */
import * as z from 'zod';

/** The stored JSON of an enrolment. Binary values are base64url. */
export const credentialSchema = z.object({
  /** The credential's id, by which the browser and the key know it. */
  id: z.string().min(1),
  publicKey: z.string().min(1),
  /** The last counter seen; zero for ever with synced passkeys. */
  counter: z.int().min(0),
  transports: z.array(z.string()).default([]),
  /** Whether it may be copied to a cloud. A credential never changes that (WebAuthn Level 3, §6.1.3). */
  isSynced: z.boolean(),
  /** The user handle that the key keeps, where it was made for another account. */
  handle: z.string().optional(),
  /** For whom it was made: an answer for another relying party is none. */
  rpId: z.string(),
});

/** A key of an account. */
export type Credential = z.output<typeof credentialSchema>;

/** What takes part in each ceremony: who we are to browsers, and what is asked of keys. */
export interface RelyingParty {
  readonly rpId: string;
  /** The one origin from which answers are taken, with scheme and port. */
  readonly origin: string;
  readonly siteName: string;
  /** Milliseconds that the browser waits for a touch. */
  readonly timeout: number;
  readonly attachment: 'any' | 'cross-platform' | 'platform';
  readonly userVerification: 'discouraged' | 'preferred' | 'required';
  /** False: a passkey that is copied to a cloud is not taken. */
  readonly takesSynced: boolean;
  /** True where keys are asked to be found without a name, for a login that begins with one. */
  readonly wantsDiscoverable: boolean;
}

/** EdDSA, ES256, RS256, in the order of preference. */
export const algorithms = [-8, -7, -257];
