/**
 * What every way of signing in shares: attempts for the chain, the admission of whom it authenticated, the session, the
 * audit. `authenticate-request.ts`, `password-login.ts` and `federated-routes.ts` are the ways.
 */
import type { Account } from '../core/account.ts';
import type { Log } from '../core/log.ts';
import type { Outcome } from '../core/outcome.ts';
import { type Assertion, canonicalUsername, isApiSubject, type Principal } from '../core/principal.ts';
import type { Attempt, Credentials } from '../core/provider.ts';
import type { Reason } from '../core/reason.ts';
import { accountOf, type OfflineStay, type Session } from '../core/session.ts';
import type { Client, GatewayRequest } from '../core/verdict.ts';
import type { TenantDecision } from '../policy/tenants.ts';
import { type ChainLink, type ChainResult, runChain } from '../providers/chain.ts';
import type { Admitted } from '../sessions/admitted.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Vouched } from '../sessions/stored-session.ts';
import type { AccountEvent, Recorder } from '../telemetry/recorder.ts';
import { askForNewPassword } from './new-password.ts';
import type { Principals } from './principals.ts';
import { proveSession } from './prove-session.ts';
import type { SessionBegun } from './session-begun.ts';
import { askAbout, type TypedName, type TypedNames } from './typed-names.ts';

/** What signing in works with; made by `build.ts`. */
interface SignInParts {
  readonly log: Log;
  readonly chain: readonly ChainLink[];
  readonly off: readonly string[];
  readonly names: TypedNames;
  readonly totalTimeout: number;
  readonly sessions: Sessions;
  readonly reservedUsers: readonly string[];
  readonly publicUrl: URL;
  readonly principals: Principals;
  /** The directory in which the users of a provider must exist, asked for one of them; undefined where none is named. */
  readonly directoryOf: (provider: string) => ((username: string, signal: AbortSignal) => Promise<Outcome>) | undefined;
  readonly recorder: Recorder;
}

/** A provider has authenticated somebody. */
export type Authenticated = Extract<Outcome, { kind: 'authenticated' }>;

/** Why somebody is not let in although a provider has authenticated them. */
type Refusal = Extract<Outcome, { kind: 'rejected' | 'unavailable' }>;

/** Where a login comes from, for the session's list and the audit. */
export interface LoginContext {
  readonly client: Client;
  readonly requestId: string;
}

/** What the ways of signing in share. */
export class SignIn {
  /** Providers that are configured in the chain and switched off. */
  readonly off: readonly string[];
  readonly #parts: SignInParts;
  readonly #reserved: ReadonlySet<string>;

  constructor(parts: SignInParts) {
    this.off = parts.off;
    this.#parts = parts;
    this.#reserved = new Set(parts.reservedUsers.map(canonicalUsername));
  }

  get chain(): readonly ChainLink[] {
    return this.#parts.chain;
  }

  /** Asks the providers in their order. */
  run(attempt: Attempt): Promise<ChainResult> {
    return runChain(this.#parts.chain, attempt, this.#parts);
  }

  /** What a typed name means; `isOurs` where it is a session's own. */
  readName(username: string, isOurs: boolean): TypedName {
    return this.#parts.names.read(username, isOurs);
  }

  /** Asks the providers whose a typed name may be about its password. */
  runFor(typed: TypedName, attempt: Attempt & { readonly credentials: Credentials }): Promise<ChainResult> {
    return askAbout(typed, this.#parts.chain, attempt, this.#parts);
  }

  /** Asks the provider of a session for a new password of its user, and nobody else. */
  changePassword(session: Session, attempt: Attempt & { readonly credentials: Credentials }): Promise<ChainResult> {
    return askForNewPassword(session, attempt, this.#parts);
  }

  /** An attempt as plain data; `path` is resolved against the public URL, never against the client's Host. */
  attempt(
    stage: Attempt['stage'],
    request: Pick<GatewayRequest, 'headers' | 'signal'>,
    client: Client,
    path: string,
  ): Attempt {
    return {
      stage,
      url: new URL(this.#parts.publicUrl.origin + path),
      headers: request.headers,
      address: client.address,
      ...(client.isRelayed && { isRelayed: true as const }),
      callbackUrl: new URL('/_gate/callback/', this.#parts.publicUrl),
      signal: request.signal,
    };
  }

  /** Whether a name may not sign in interactively, whoever authenticates it. */
  isReserved(username: string): boolean {
    return this.#reserved.has(canonicalUsername(username));
  }

  /**
   * Why somebody whom a provider has authenticated may not come in all the same; undefined when they may.
   *
   * A directory that cannot be asked is no leave: the answer is then `unavailable`.
   */
  async refuse({ assertion }: Authenticated, provider: string, signal: AbortSignal): Promise<Refusal | undefined> {
    const { subject } = assertion;
    if (this.isReserved(subject) || isApiSubject(subject)) return { kind: 'rejected', reason: 'user-reserved' };
    const found = await this.#parts.directoryOf(provider)?.(subject, signal);
    if (found !== undefined && found.kind !== 'authenticated')
      return found.kind === 'unavailable' ? found : { kind: 'rejected', reason: 'not-in-directory' };
    const tenant = this.tenantOf(assertion, provider);
    return tenant.kind === 'refused' ? { kind: 'rejected', reason: tenant.reason } : undefined;
  }

  /** An outcome as a session keeps it. Throws where the tenant cannot be told. */
  vouched(outcome: Authenticated, provider: string, offline?: OfflineStay): Vouched {
    return { ...this.#parts.principals.vouched(outcome, provider), ...(offline && { offline }) };
  }

  /** Of which tenant somebody is whom a provider knows, or why that cannot be told. */
  tenantOf(assertion: Assertion, provider: string): TenantDecision {
    return this.#parts.principals.tenantOf(assertion, provider);
  }

  /** The account under which failures of a name count that a chain has found. */
  accountIn(result: Pick<ChainResult, 'outcome' | 'provider' | 'rejection'>): Account | undefined {
    return this.#parts.principals.accountIn(result);
  }

  /** Whom a session or a proof speaks for, by the roles of this moment. */
  principal(vouched: Parameters<Principals['principal']>[0]): Principal {
    return this.#parts.principals.principal(vouched);
  }

  /**
   * Begins a session for somebody admitted, and ends the one the browser came with. `browser` is a handle by which a logout
   * finds what tabs have begun that signed in at the same moment: of their cookies only the last one stays.
   */
  async establish(
    admitted: Admitted,
    context: LoginContext & { chain?: ChainResult | undefined; replaces?: string; browser?: string },
  ): Promise<SessionBegun> {
    const { client, chain, replaces, browser } = context;
    const { provider, offline } = admitted.vouched;
    const created = await this.#parts.sessions.create({
      admitted,
      handles: browser === undefined ? [] : [browser],
      client: { address: client.address, userAgent: client.userAgent },
      ...(replaces && { replaces }),
    });
    const { session } = created;
    const mode = offline && { mode: 'offline' as const };
    this.record('succeeded', context, { chain, provider, account: accountOf(session), session: session.id, ...mode });
    return created;
  }

  /** A user who is signed in has proved it once more; undefined when it was somebody else, or the session has ended. */
  async confirm(
    session: string,
    outcome: Authenticated,
    provider: string,
    context: LoginContext & {
      chain?: ChainResult;
      event?: 'password-change';
      /** What the session lacks of what is asked for. */
      lackOf?: (session: Session) => Reason | undefined;
    },
  ): Promise<SessionBegun | undefined> {
    const proved = await proveSession(session, outcome, provider, this.#parts);
    if (proved === undefined) return undefined;
    const who = { ...subjectOf(proved.session, context), ...(context.chain && { steps: context.chain.steps }) };
    const reason = context.lackOf?.(proved.session);
    const came = reason === undefined ? { outcome: 'succeeded' as const } : { outcome: 'failed' as const, reason };
    this.#parts.recorder.account({ event: context.event ?? 'step-up', ...came, ...who });
    return proved;
  }

  /** Ends a session at its user's wish. */
  async signOut(session: Session, context: LoginContext): Promise<boolean> {
    const ended = await this.#parts.sessions.revoke(session.id, 'signed-out');
    const who = subjectOf(session, context);
    this.#parts.recorder.account({ event: 'logout', outcome: 'succeeded', reason: 'signed-out', ...who });
    return ended;
  }

  /** Writes that a session goes on at a further host too. */
  recordHandover(session: Session, host: string, context: LoginContext): void {
    this.#parts.recorder.account({ event: 'handover', outcome: 'succeeded', host, ...subjectOf(session, context) });
  }

  /** Writes how a login went. */
  record(
    outcome: AccountEvent['outcome'],
    context: LoginContext,
    more: Pick<AccountEvent, 'account' | 'user' | 'provider' | 'session' | 'reason' | 'mode'> & {
      event?: 'password-change';
      chain?: ChainResult | undefined;
    },
  ): void {
    const { chain, ...rest } = more;
    const { client, requestId } = context;
    const provider = rest.provider ?? chain?.provider;
    this.#parts.recorder.account({
      event: 'login',
      outcome,
      client,
      requestId,
      ...rest,
      ...(provider && { provider }),
      ...(chain && { steps: chain.steps }),
    });
  }
}

/** Whom a record is about, and where it comes from: no more of a context, in which an address with its query may stand. */
function subjectOf(session: Session, { client, requestId }: LoginContext) {
  return { account: accountOf(session), provider: session.provider, session: session.id, client, requestId };
}
