/** The contract of a first factor: what it is given, what it may be asked. */
import type { Outcome } from './outcome.ts';
import type { Assertion } from './principal.ts';
import type { Level } from './proof.ts';
import type { Reason } from './reason.ts';
import type { HeaderLines } from './request-head.ts';
import type { Secret } from './secret.ts';

/** What a user typed. The user name is as typed: a provider canonicalises it where its directory does. */
export interface Credentials {
  readonly username: string;
  /** Never empty: the gateway refuses empty passwords before it asks anybody (RFC 4513 §5.1.2). */
  readonly password: Secret;
  /** Takes the place of a password that must change. */
  readonly newPassword?: Secret;
  /** True: at its user's wish the new password takes the place of one that need not change, too. */
  readonly isWish?: true;
}

/**
 * Where in a login an attempt stands.
 *
 * `ambient`: a request without a session, with whatever its headers carry. `credentials`: the form was sent. `start`:
 * the user chose this provider. `callback`: the browser is back from it, and `state` is what `start` gave.
 */
type Stage = 'ambient' | 'credentials' | 'start' | 'callback';

/** One try, as plain data: a provider can neither see nor write the response. */
export interface Attempt {
  readonly stage: Stage;
  /** The request's address under the configured public URL, never under the client's Host. */
  readonly url: URL;
  readonly headers: HeaderLines;
  /** The client's address, after trusted proxies. */
  readonly address: string;
  /** Somebody who is not trusted speaks for the client: the address is in no list of networks. */
  readonly isRelayed?: true;
  /** SHA-256 of the certificate that the client's own connection has shown, in base64url. */
  readonly certificate?: string;
  readonly credentials?: Credentials;
  /** A provider before this one could not be asked: whoever is not authenticated is told of an outage, whatever this one finds. */
  readonly isMoot?: boolean;
  /**
   * At `start`: a random id that must come back with the browser, as the query's `state` or `flow`; by it the gateway
   * finds the login that this browser began. One-time.
   */
  readonly flow?: string;
  /** At `start`: a login that the identity provider remembers will not do, the user must prove who they are now. */
  readonly fresh?: boolean;
  /** At `start`: the level that the identity provider's word is to be worth; one of those that the provider asks for. */
  readonly level?: Level;
  /** At `start`, beside `level`: how long ago the user may have proved who they are, in milliseconds. */
  readonly maxAge?: number;
  /** At `start`: the user picked this provider on the login page; otherwise it is followed unasked. */
  readonly chosen?: boolean;
  /** What this provider's `continue` kept for this browser, or a session where its user wishes for a new password. Untrusted shape: parse it with a schema. */
  readonly state?: unknown;
  /** The fields of a form post to the callback; absent for GET. */
  readonly form?: URLSearchParams;
  /** Where a federated provider is told to send the browser back: `/_gate/callback/<provider>` under the public URL. */
  readonly callbackUrl: URL;
  /** Aborts at the provider's deadline or when the client has gone; the work must end with it. */
  readonly signal: AbortSignal;
}

/** A provider's own word that sessions are over: CAS single logout, OIDC back-channel or front-channel logout. */
export type LogoutNotice =
  | { readonly kind: 'end'; readonly handles: readonly string[]; readonly reason: Reason }
  | { readonly kind: 'rejected'; readonly reason: Reason; readonly detail: string }
  | { readonly kind: 'not-a-notice' };

/** Where a logout notice arrived. */
export interface LogoutRequest {
  readonly channel: 'callback' | 'back-channel' | 'front-channel';
  readonly url: URL;
  readonly form?: URLSearchParams;
  readonly signal: AbortSignal;
}

/** One step of `gatehouse check --connect`: what was tried, how it went, how long it took. */
export interface ProbeStep {
  /** Such as `resolve`, `connect`, `tls`, `bind`, `search`, `keytab`, `discovery`. */
  readonly step: string;
  readonly result: 'ok' | 'warning' | 'failed';
  /** What was seen, in an operator's words; without secrets. */
  readonly detail: string;
  /** What to do about it, where something is wrong. */
  readonly hint?: string;
  readonly milliseconds: number;
}

/** What proves who you are. */
export interface Provider {
  /** True where users can set their passwords here: an attempt whose credentials are a wish for a new one is heeded. */
  readonly changesPasswords?: true;
  /** The levels that its identity provider can be asked for, by `Attempt.level`; none when absent. */
  readonly asksFor?: readonly Level[];
  /** Never throws for bad credentials; a throw is a bug and becomes `unavailable`. */
  attempt(attempt: Attempt): Promise<Outcome>;
  /** The directory entry of a user whom somebody else authenticated; `authenticated`, `unknown-user` or `unavailable`. */
  lookUp?(username: string, signal: AbortSignal): Promise<Outcome>;
  /**
   * How an account stands that has signed in before, told without its password: `authenticated`, with what it has now, also
   * where wrong passwords have locked it; `rejected` where it is disabled, has expired or was locked by somebody;
   * `unknown-user` where it is gone. `state` is what a session keeps.
   */
  standing?(subject: string, state: unknown, signal: AbortSignal): Promise<Outcome>;
  /**
   * The account of somebody who signs in here without a password: as `standing`, and `rejected` also where wrong passwords have
   * locked it, or the password has to change; no bind says so here.
   */
  admit?(subject: string, signal: AbortSignal): Promise<Outcome>;
  /** Changes with the password of an account, and with whether it may come in, where that can be told without asking anybody. */
  passwordMark?(subject: string): string | undefined;
  /** A fresh assertion for a session whose `grant.refreshAt` has come; `rejected` ends the session. */
  refresh?(assertion: Assertion, state: unknown, signal: AbortSignal): Promise<Outcome>;
  /** Where to send the browser so that the identity provider signs out too; undefined when nowhere. */
  logout?(assertion: Assertion, state: unknown, returnTo: URL): Promise<URL | undefined>;
  /** Reads a logout notice that reached one of the provider's addresses. */
  readLogout?(request: LogoutRequest): Promise<LogoutNotice>;
  /** Asks its server what costs nobody anything; rejects where it cannot be asked. */
  ping?(signal: AbortSignal): Promise<void>;
  /** Tries the real thing step by step; ends after the first failed step. */
  probe?(signal: AbortSignal): AsyncIterable<ProbeStep>;
  /** Ends sockets and timers. */
  close?(): Promise<void>;
}
