/** What a provider may answer to an attempt. Plain data: a provider never sees a response. */
import type { Amr, Assertion } from './principal.ts';
import type { Reason } from './reason.ts';

/** A way to present credentials. */
export type Offer =
  /** A `WWW-Authenticate` challenge. */
  | { readonly via: 'header'; readonly value: string }
  /** A trip to an identity provider. */
  | { readonly via: 'redirect'; readonly url: URL }
  /** Our own page; `new-password` when a password must change first. */
  | { readonly via: 'form'; readonly form: 'password' | 'new-password' }
  /** The same, for one more answer than a password; `prompt` is the server's text, empty where it has none. */
  | { readonly via: 'form'; readonly form: 'code'; readonly prompt: string };

/** What a provider wants kept beside the session that it has begun. */
export interface SessionGrant {
  /**
   * Names under which the provider can find this session again, such as a CAS ticket or an OIDC `sid`. Unique to the
   * provider: the gateway prefixes them with its configured name.
   */
  readonly handles?: readonly string[];
  /** JSON that `Provider.refresh` and `Provider.logout` get back. Stored; never shown, never sent upstream. */
  readonly state?: unknown;
  /** When `Provider.refresh` is due, in milliseconds since the epoch. */
  readonly refreshAt?: number;
}

/** Why a new password was not taken, as far as its owner can do better; `refused` where the provider does not say. */
export type PasswordRefusal =
  | 'too-short'
  | 'too-long'
  | 'too-simple'
  | 'too-young'
  | 'used-before'
  /** Many people use it; it is little more than what anybody knows of its owner; it has leaked. */
  | 'common'
  | 'personal'
  | 'leaked'
  | 'refused';

/** All that a provider may answer. */
export type Outcome =
  | {
      readonly kind: 'authenticated';
      readonly assertion: Assertion<Amr>;
      /** Headers for the client's response, such as the token of a mutual authentication. */
      readonly headers?: Readonly<Record<string, string>>;
      readonly grant?: SessionGrant;
      /** When its password was set, in milliseconds since the epoch, where an account is asked about; infinite where another must be set. */
      readonly passwordSetAt?: number;
      /** True where the password is the new one from here on that came with the old. */
      readonly passwordChanged?: true;
      /** True when each request carries its own proof (a bearer token): no session is made. */
      readonly sessionless?: boolean;
    }
  | { readonly kind: 'unknown-user' }
  | {
      readonly kind: 'rejected';
      readonly reason: Reason;
      /** Whose password it was to be, where the provider has found the user: failures count for that account too. */
      readonly subject?: string;
      /** What is known of that account without asking more; of its groups nothing. */
      readonly known?: Assertion;
      /** Present where the password was right and has to change: who it is, so that more can be asked for before it does. */
      readonly assertion?: Assertion<Amr>;
      /** True where a password is too old or must change, and the user cannot give a new one here. */
      readonly isStuck?: true;
      /** Present where a new password came with the right one, and was not taken. */
      readonly refusal?: PasswordRefusal;
    }
  | {
      readonly kind: 'unavailable';
      readonly reason: Reason;
      readonly cause?: unknown;
      /**
       * Present where the other side did answer, though not to what was asked: no circuit breaker counts it. `of-the-user` is about this
       * one user's token, which may be dead; `of-the-gateway` about how the gateway is known there.
       */
      readonly answered?: 'of-the-user' | 'of-the-gateway';
    }
  | { readonly kind: 'challenge'; readonly offers: readonly Offer[] }
  | { readonly kind: 'continue'; readonly offer: Offer; readonly state: unknown };

/** The name of an outcome, as metrics and the audit write it. */
export type OutcomeKind = Outcome['kind'];

/** What one provider said, for `explain`, the audit and the metrics. */
export interface ProviderStep {
  readonly provider: string;
  readonly outcome: OutcomeKind;
  readonly reason?: Reason;
  readonly milliseconds: number;
}
