/**
 * What every way of signing in shares: attempts for the chain, the admission of whom it vouched for, the session, the
 * audit. `identify.ts`, `password-login.ts` and `federated-login.ts` are the ways.
 */
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Outcome } from '../core/outcome.ts';
import { type Assertion, canonicalUsername, type Principal } from '../core/principal.ts';
import type { Attempt } from '../core/provider.ts';
import type { Reason } from '../core/reason.ts';
import type { Session } from '../core/session.ts';
import type { Client, GatewayRequest } from '../core/verdict.ts';
import { type ChainLink, type ChainResult, runChain } from '../providers/chain.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Recorder } from './record.ts';

/** What signing in works with; made by `build.ts`. */
export interface SignInParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly chain: readonly ChainLink[];
  readonly totalTimeout: number;
  readonly sessions: Sessions;
  readonly reservedUsers: readonly string[];
  readonly publicUrl: URL;
  readonly roles: (assertion: Assertion, provider: string) => ReadonlySet<string>;
  readonly recorder: Recorder;
}

/** A provider vouched for somebody. */
export type Authenticated = Extract<Outcome, { kind: 'authenticated' }>;

/** Where a login comes from, for the session's list and the audit. */
export interface LoginContext {
  readonly client: Client;
  readonly requestId: string;
}

/** What the ways of signing in share. */
export class SignIn {
  readonly #parts: SignInParts;
  readonly #reserved: ReadonlySet<string>;

  constructor(parts: SignInParts) {
    this.#parts = parts;
    this.#reserved = new Set(parts.reservedUsers.map(canonicalUsername));
  }

  get chain(): readonly ChainLink[] {
    return this.#parts.chain;
  }

  /** Asks the providers in their order. */
  run(attempt: Attempt): Promise<ChainResult> {
    return runChain(this.#parts.chain, attempt, { totalTimeout: this.#parts.totalTimeout });
  }

  /** An attempt as plain data; `path` is resolved against the public URL, never against the client's Host. */
  attempt(
    stage: Attempt['stage'],
    request: Pick<GatewayRequest, 'method' | 'rawHeaders' | 'signal'>,
    client: Client,
    path: string,
  ): Attempt {
    return {
      stage,
      url: new URL(this.#parts.publicUrl.origin + path),
      method: request.method,
      headers: headersOf(request.rawHeaders),
      address: client.address,
      callbackUrl: new URL('/_gate/callback/', this.#parts.publicUrl),
      signal: request.signal,
    };
  }

  /** Whether a name may not sign in interactively, whoever vouches for it. */
  isReserved(username: string): boolean {
    return this.#reserved.has(canonicalUsername(username));
  }

  /** Adds what policy knows to what a provider vouched for. */
  principal(assertion: Assertion, provider: string): Principal {
    return { ...assertion, provider, tenant: 'default', roles: this.#parts.roles(assertion, provider) };
  }

  /** Begins a session for somebody admitted, and ends the one the browser came with. */
  async establish(
    outcome: Authenticated,
    provider: string,
    context: LoginContext & { chain?: ChainResult; replaces?: string },
  ): Promise<{ session: Session; token: string }> {
    const { assertion, grant } = outcome;
    const { client, chain, replaces } = context;
    const created = await this.#parts.sessions.create({
      assertion,
      provider,
      client: { address: client.address, userAgent: client.userAgent },
      ...(grant && { grant }),
      ...(replaces && { replaces }),
    });
    this.record('succeeded', context, { chain, provider, user: assertion.subject, session: created.session.id });
    return created;
  }

  /** Ends a session at its user's wish. */
  async signOut(session: Session, context: LoginContext): Promise<boolean> {
    const ended = await this.#parts.sessions.revoke(session.id, 'signed-out');
    const { assertion, provider, id } = session;
    const who = { user: assertion.subject, provider, session: id, ...context };
    this.#parts.recorder.account({ event: 'logout', outcome: 'succeeded', reason: 'signed-out', ...who });
    return ended;
  }

  /** Writes how a login went. */
  record(
    outcome: 'succeeded' | 'failed',
    context: LoginContext,
    more: { chain?: ChainResult | undefined; provider?: string; user?: string; session?: string; reason?: Reason },
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

function headersOf(rawHeaders: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    const value = rawHeaders[index + 1] ?? '';
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return headers;
}
