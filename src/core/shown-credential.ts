/** What a request without a session was let in by, so that it can be asked later whether that still holds. */
import type { Account } from './account.ts';

/** An API token by its id, or a password that was sent with the request. Plain data, without a secret. */
export type ShownCredential =
  | {
      readonly kind: 'api-token';
      readonly id: string;
      /** What operators call it. */
      readonly name: string;
    }
  | {
      readonly kind: 'basic';
      readonly account: Account;
      /** When the password was proved, in milliseconds since the epoch. */
      readonly at: number;
    };

/** The same text for the same credential, for use as a key. */
export function credentialKey(credential: ShownCredential): string {
  return credential.kind === 'api-token'
    ? `api-token ${credential.id}`
    : JSON.stringify(['basic', credential.account.tenant, credential.account.subject, credential.at]);
}
