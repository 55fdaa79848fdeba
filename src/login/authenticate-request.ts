/** Staying signed in: the principal behind a request, from its session or from a proof in its headers. */
import { holdsApiToken } from '../core/api-token.ts';
import { andThen, type MaybePromise } from '../core/maybe-promise.ts';
import type { Principal } from '../core/principal.ts';
import type { Attempt } from '../core/provider.ts';
import type { Reason } from '../core/reason.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Route } from '../core/route.ts';
import { ownerOf, type Session } from '../core/session.ts';
import type { CanonicalTarget, Client, GatewayRequest } from '../core/verdict.ts';
import type { ChainResult } from '../providers/chain.ts';
import { cookieName, readCookie, sessionCookie } from '../sessions/cookie.ts';
import type { LoadedSession, Sessions } from '../sessions/sessions.ts';
import type { Vouched } from '../sessions/stored-session.ts';
import { mayProveUnasked, withoutTicket, withoutTicketOffers } from './ambient-proof.ts';
import type { AmbientSessions } from './ambient-sessions.ts';
import type { Browsers } from './browser.ts';
import type { Identity, Somebody } from './identity.ts';
import { forgetAsking } from './negotiate-cookie.ts';
import type { ProgramAccess } from './program-access.ts';
import type { SessionRechecker } from './recheck.ts';
import type { Refreshed, SessionRefresher } from './refresh.ts';
import type { Authenticated, SignIn } from './sign-in.ts';

export type { Identity, Somebody } from './identity.ts';

/** Finds the principal behind a request. */
export class RequestAuthenticator {
  readonly programs: ProgramAccess;
  readonly #signIn: SignIn;
  readonly #sessions: Sessions;
  readonly #publicUrl: URL;
  readonly #cookie: string;
  readonly #refresher: SessionRefresher;
  readonly #rechecker: Pick<SessionRechecker, 'note'>;
  readonly #ambientSessions: AmbientSessions;
  readonly #browsers: Browsers;
  /** The names of the chain. */
  readonly #providers: ReadonlySet<string>;

  constructor(parts: {
    signIn: SignIn;
    sessions: Sessions;
    publicUrl: URL;
    refresher: SessionRefresher;
    rechecker: Pick<SessionRechecker, 'note'>;
    ambientSessions: AmbientSessions;
    browsers: Browsers;
    programs: ProgramAccess;
  }) {
    const { publicUrl } = parts;
    this.#signIn = parts.signIn;
    this.#sessions = parts.sessions;
    this.#publicUrl = publicUrl;
    this.#refresher = parts.refresher;
    this.#rechecker = parts.rechecker;
    this.#ambientSessions = parts.ambientSessions;
    this.#browsers = parts.browsers;
    this.programs = parts.programs;
    this.#cookie = cookieName(publicUrl);
    this.#providers = new Set(parts.signIn.chain.map(({ name }) => name));
  }

  /**
   * The principal behind a request: of an API token, else of its session, else of a proof in its headers. Tokens count only
   * where the location takes them. A live session needs no promise where the store needs none.
   */
  identify(
    request: GatewayRequest,
    client: Client,
    target: CanonicalTarget,
    route: Pick<Route, 'name' | 'access' | 'apiTokenHeader' | 'allowedOrigins'>,
  ): MaybePromise<Identity> {
    const bearer = typeof route.access === 'object' && route.access.bearer === true;
    const program = this.programs.byToken(request, client, route);
    if (program) return program;
    const found = andThen(this.session(this.tokenIn(request.headers)), (loaded) => this.#fresh(loaded, request.signal));
    return andThen(found, (known) => {
      if (known.kind === 'live') {
        this.#rechecker.note(known.session);
        return this.#somebody(known);
      }
      const reason = known.kind === 'ended' ? known.reason : 'login-required';
      const whole = this.#signIn.attempt('ambient', request, client, target.path + target.query);
      const attempt =
        bearer && !holdsApiToken(request.headers.single('authorization') ?? '') ? whole : withoutBearer(whole);
      // A further name of the site is an origin of its own, and its pages are ours as well.
      const own = [this.#publicUrl.origin, `${client.scheme}://${request.headers.single('host') ?? ''}`];
      if (mayProveUnasked(request, { own, allowed: route.allowedOrigins })) {
        // A browser that knows a password sends it as unasked as a ticket.
        const byPassword = this.programs.byPassword(request, client, route);
        return byPassword ?? this.#identifyByProof(attempt, request, client, reason);
      }
      return this.#identifyByProof(withoutTicket(attempt), request, client, reason).then((identity) =>
        identity.kind === 'nobody' ? { ...identity, offers: withoutTicketOffers(identity.offers) } : identity,
      );
    });
  }

  /** Who a request's session speaks for; proofs of the request itself are not looked at. */
  bySession({ headers, signal }: Pick<GatewayRequest, 'headers' | 'signal'>): MaybePromise<Identity> {
    const found = andThen(this.session(this.tokenIn(headers)), (loaded) => this.#fresh(loaded, signal));
    return andThen(found, (known) => {
      if (known.kind === 'live') return this.#somebody(known);
      return { kind: 'nobody', offers: [], reason: known.kind === 'ended' ? known.reason : 'login-required' };
    });
  }

  #somebody({ session, token }: Extract<Refreshed, { kind: 'live' }>): Identity {
    return {
      kind: 'somebody',
      session,
      principal: this.#signIn.principal(session),
      reply: token === undefined ? {} : { 'set-cookie': sessionCookie(this.#publicUrl, token) },
    };
  }

  /** Asks the chain about what the request itself proves; `reason` is why no session speaks for it. */
  async #identifyByProof(attempt: Attempt, request: GatewayRequest, client: Client, reason: Reason): Promise<Identity> {
    const result = await this.#signIn.run(attempt);
    const { outcome, provider, offers } = result;
    switch (outcome.kind) {
      case 'authenticated':
        if (!provider) return { kind: 'unavailable', reason: 'provider-broke' };
        return this.#accept(outcome, provider, result, request, client);
      case 'continue':
        return { kind: 'nobody', offers: [outcome.offer, ...offers], reason };
      case 'rejected':
        this.#signIn.record('failed', { client, requestId: request.id }, { chain: result, reason: outcome.reason });
        return { kind: 'nobody', offers, reason: outcome.reason };
      case 'unavailable':
        return offers.length > 0 ? { kind: 'nobody', offers, reason } : { kind: 'unavailable', reason: outcome.reason };
      case 'unknown-user':
      case 'challenge':
        return { kind: 'nobody', offers, reason };
      default:
        return outcome satisfies never;
    }
  }

  /** The live session behind a cookie; one whose provider has left the configuration ends here. */
  session(token: string | undefined): MaybePromise<LoadedSession> {
    if (token === undefined) return { kind: 'none' };
    return andThen(this.#sessions.load(token), (found) => this.#ofChain(found));
  }

  #ofChain(found: LoadedSession): MaybePromise<LoadedSession> {
    if (found.kind !== 'live' || this.#providers.has(found.session.provider)) return found;
    const ended: LoadedSession = { kind: 'ended', reason: 'provider-gone' };
    return this.#sessions.revoke(found.session.id, ended.reason).then(() => ended);
  }

  /** The token in a request's cookies; undefined when there is none, or two that differ. */
  tokenIn(headers: HeaderLines): string | undefined {
    return readCookie(headers.all('cookie'), this.#cookie);
  }

  /** The live session that a request's cookies name. */
  async visitor(headers: HeaderLines): Promise<Session | undefined> {
    const found = await this.session(this.tokenIn(headers));
    return found.kind === 'live' ? found.session : undefined;
  }

  /** Who a request with a live session comes from, told without ending one whose provider has left the configuration. */
  identityOf(session: Session): Identity {
    return this.#providers.has(session.provider)
      ? this.#somebody({ kind: 'live', session })
      : { kind: 'nobody', offers: [], reason: 'provider-gone' };
  }

  /** Whom a session or a proof speaks for, by the roles of this moment. */
  principal(vouched: Pick<Vouched, 'tenant' | 'assertion' | 'provider'>): Principal {
    return this.#signIn.principal(vouched);
  }

  /** Whether a provider is in the chain. */
  hasProvider(name: string): boolean {
    return this.#providers.has(name);
  }

  /** Asks a session's provider anew where that is due, while no request of it is there to carry a new cookie. */
  async refreshBehind(session: Session): Promise<void> {
    await this.#refresher.refresh(session, new AbortController().signal, { isBehind: true });
  }

  /** Has the account of a session with something open asked about where that is due; gives when to call again. */
  recheckBehind(session: Session): number {
    return this.#rechecker.note(session);
  }

  /** Counts as activity: the idle time begins anew. */
  touch(session: Session): void {
    this.#sessions.touch(session);
  }

  /** Counts a frame as activity of the session on which its connection was opened, wherever a step-up has taken that. */
  async touchLive(id: string): Promise<void> {
    const found = await this.#sessions.alive(id);
    if (found.kind === 'live') this.touch(found.session);
    else if (found.kind === 'ended' && found.next !== undefined) await this.touchLive(found.next);
  }

  #fresh(found: LoadedSession, signal: AbortSignal): MaybePromise<Refreshed> {
    return found.kind === 'live' ? this.#refresher.refresh(found.session, signal) : found;
  }

  async #accept(
    outcome: Authenticated,
    provider: string,
    chain: ChainResult,
    request: GatewayRequest,
    client: Client,
  ): Promise<Identity> {
    const { assertion, headers = {}, sessionless } = outcome;
    const context = { client, requestId: request.id };
    const refused = await this.#signIn.refuse(outcome, provider, request.signal);
    if (refused) {
      const { reason } = refused;
      this.#signIn.record('failed', context, { chain, user: assertion.subject, reason });
      // While the directory is away another way in may work; a program's token has none, and is not wrong.
      const isStuck = sessionless === true || this.#signIn.chain.length === 1;
      if (refused.kind === 'unavailable' && isStuck) return { kind: 'unavailable', reason };
      return { kind: 'nobody', offers: chain.offers, reason };
    }
    const principal = this.#signIn.principal(this.#signIn.vouched(outcome, provider));
    if (sessionless) return { kind: 'somebody', principal, reply: headers };
    const begin = async (): Promise<Somebody> => {
      const { session, token } = await this.#ambientSessions.begin(outcome, provider, { ...context, chain });
      const forgotten = forgetAsking(request.headers, this.#publicUrl);
      const cookies = [sessionCookie(this.#publicUrl, token), this.#browsers.ownerCookie(ownerOf(session))];
      const reply = { ...headers, 'set-cookie': [...cookies, ...forgotten] };
      return { kind: 'somebody', principal, session, reply };
    };
    return { kind: 'somebody', principal, reply: headers, begin };
  }
}

function withoutBearer(attempt: Attempt): Attempt {
  const { headers } = attempt;
  if (!/^bearer\b/i.test(headers.single('authorization') ?? '')) return attempt;
  return { ...attempt, headers: headers.without((name) => name === 'authorization') };
}
