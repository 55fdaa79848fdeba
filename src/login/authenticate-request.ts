/**
 * Staying signed in: the principal behind a request, from its session or from a proof in its headers. What such a proof comes to
 * is `request-proofs.ts`'s.
 */
import { holdsApiToken } from '../core/api-token.ts';
import { andThen, type MaybePromise } from '../core/maybe-promise.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { HeaderLines } from '../core/request-head.ts';
import type { Route } from '../core/route.ts';
import type { Session } from '../core/session.ts';
import type { CanonicalTarget, Client, GatewayRequest } from '../core/verdict.ts';
import type { At, SiteOrigins } from '../routing/site-origins.ts';
import { sessionCookie } from '../sessions/cookie.ts';
import type { LoadedSession } from '../sessions/found-session.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { isProgram, mayProveUnasked, withoutBearer, withoutTicket, withoutTicketOffers } from './ambient-proof.ts';
import type { AmbientSessions } from './ambient-sessions.ts';
import type { Browsers } from './browser.ts';
import { CookieSessions } from './cookie-sessions.ts';
import type { Identity } from './identity.ts';
import type { LoginSteps } from './login-steps.ts';
import type { Principals } from './principals.ts';
import type { ProgramAccess } from './program-access.ts';
import type { SessionRechecker } from './recheck.ts';
import type { Refreshed, SessionRefresher } from './refresh.ts';
import { type Asking, RequestProofs } from './request-proofs.ts';
import type { SignIn } from './sign-in.ts';

export type { Identity, Somebody } from './identity.ts';

/** Finds the principal behind a request. */
export class RequestAuthenticator {
  readonly programs: ProgramAccess;
  readonly #signIn: SignIn;
  readonly #principals: Principals;
  readonly #sessions: Sessions;
  readonly #publicUrl: URL;
  readonly #origins: SiteOrigins;
  readonly #cookies: CookieSessions;
  readonly #refresher: SessionRefresher;
  readonly #rechecker: Pick<SessionRechecker, 'note'>;
  readonly #proofs: RequestProofs;
  /** The names of the chain. */
  readonly #providers: ReadonlySet<string>;

  constructor(parts: {
    signIn: SignIn;
    principals: Principals;
    sessions: Sessions;
    publicUrl: URL;
    origins: SiteOrigins;
    refresher: SessionRefresher;
    rechecker: Pick<SessionRechecker, 'note'>;
    ambientSessions: AmbientSessions;
    browsers: Browsers;
    programs: ProgramAccess;
    steps: Pick<LoginSteps, 'isEnough' | 'begin'>;
  }) {
    const { publicUrl } = parts;
    this.#signIn = parts.signIn;
    this.#principals = parts.principals;
    this.#sessions = parts.sessions;
    this.#publicUrl = publicUrl;
    this.#origins = parts.origins;
    this.#refresher = parts.refresher;
    this.#rechecker = parts.rechecker;
    this.programs = parts.programs;
    this.#cookies = new CookieSessions(parts);
    this.#proofs = new RequestProofs({ ...parts, cookies: this.#cookies });
    this.#providers = new Set(parts.signIn.chain.map(({ name }) => name));
  }

  /**
   * The principal behind a request: of an API token, else of its session, else of a proof in its headers. Tokens count only
   * where the location takes them. A live session needs no promise where the store needs none.
   */
  identify(
    request: Pick<GatewayRequest, 'id' | 'method' | 'headers' | 'signal' | 'arrival' | 'asked'>,
    client: Client,
    target: CanonicalTarget,
    route: Pick<Route, 'name' | 'access' | 'apiTokenHeader' | 'allowedOrigins'>,
  ): MaybePromise<Identity> {
    const bearer = typeof route.access === 'object' && route.access.bearer === true;
    const program = this.programs.byToken(request, client, route);
    if (program) return program;
    const found = andThen(this.#load(request.headers, target), (loaded) => this.#fresh(loaded, request.signal, target));
    return andThen(found, (known) => {
      if (known.kind === 'live') return this.#somebody(known);
      const reason = known.kind === 'ended' ? known.reason : 'login-required';
      // What a front proxy asks about came to it, and not to us.
      const shown = request.asked ? undefined : request.arrival?.certificate;
      const whole = {
        ...this.#signIn.attempt('ambient', request, client, target.path + target.query),
        ...(shown && { certificate: Buffer.from(shown.thumbprint, 'hex').toString('base64url') }),
      };
      const attempt =
        bearer && !holdsApiToken(request.headers.single('authorization') ?? '') ? whole : withoutBearer(whole);
      // A further name of the site is an origin of its own, and its pages are ours as well.
      const own = [this.#publicUrl.origin, `${client.scheme}://${request.headers.single('host') ?? ''}`];
      const asking = { request, client, target, reason };
      if (mayProveUnasked(request, { own, allowed: route.allowedOrigins })) {
        // A browser that knows a password sends it as unasked as a ticket.
        const byPassword = this.programs.byPassword(request, client, route);
        if (byPassword) return byPassword;
        if (this.#takesTickets(asking)) return this.#proofs.identify(attempt, asking);
      }
      return this.#proofs
        .identify(withoutTicket(attempt), asking)
        .then((identity) =>
          identity.kind === 'nobody' ? { ...identity, offers: withoutTicketOffers(identity.offers) } : identity,
        );
    });
  }

  /** Who a request's session speaks for; proofs of the request itself are not looked at. */
  bySession({ headers, signal }: Pick<GatewayRequest, 'headers' | 'signal'>, at: At): MaybePromise<Identity> {
    const found = andThen(this.#load(headers, at), (loaded) => this.#fresh(loaded, signal, at));
    return andThen(found, (known) => {
      if (known.kind === 'live') return this.#somebody(known);
      return { kind: 'nobody', offers: [], reason: known.kind === 'ended' ? known.reason : 'login-required' };
    });
  }

  /** Whoever has signed out, at whichever host, is not signed in again by the next page that they load. */
  #takesTickets({ request, target, reason }: Asking): boolean {
    return reason !== 'signed-out' && (this.#origins.furtherAt(target) === undefined || isProgram(request));
  }

  #somebody({ session, token }: Extract<Refreshed, { kind: 'live' }>): Identity {
    return {
      kind: 'somebody',
      session,
      principal: this.#signIn.principal(session),
      reply: token === undefined ? {} : { 'set-cookie': sessionCookie(this.#publicUrl, token) },
    };
  }

  /** The session behind the cookie of a host; one that the configuration has no place for any more ends here. */
  #load(headers: HeaderLines, at: At): MaybePromise<LoadedSession> {
    return andThen(this.#cookies.load(headers, at), (found) => this.#standing(found));
  }

  #standing(found: LoadedSession): MaybePromise<LoadedSession> {
    const reason = found.kind === 'live' ? this.reasonToEnd(found.session) : undefined;
    if (found.kind !== 'live' || !reason) return found;
    return this.#sessions.revoke(found.session.id, reason).then(() => ({ kind: 'ended', reason }));
  }

  /** Why a session must end by the configuration of this moment: its provider is gone, or its user is of another tenant. */
  reasonToEnd(session: Pick<Session, 'assertion' | 'provider' | 'tenant'>): Reason | undefined {
    if (!this.#providers.has(session.provider))
      return this.#signIn.off.includes(session.provider) ? 'external-off' : 'provider-gone';
    return this.#principals.isOfTenant(session) ? undefined : 'tenant-changed';
  }

  /** The token in a request's cookies; undefined when there is none, or two that differ. */
  tokenIn(headers: HeaderLines): string | undefined {
    return this.#cookies.tokenIn(headers);
  }

  /** The live session that a request's cookies name at the host that it was sent to. */
  async visitor(headers: HeaderLines, at: At): Promise<Session | undefined> {
    const found = await this.#load(headers, at);
    return found.kind === 'live' ? found.session : undefined;
  }

  /** Who a request with a live session comes from, told without ending one that the configuration has no place for. */
  identityOf(session: Session): Identity {
    const reason = this.reasonToEnd(session);
    return reason ? { kind: 'nobody', offers: [], reason } : this.#somebody({ kind: 'live', session });
  }

  /** Whom a session or a proof speaks for, by the roles of this moment. */
  principal(vouched: Parameters<Principals['principal']>[0]): Principal {
    return this.#signIn.principal(vouched);
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

  #fresh(found: LoadedSession, signal: AbortSignal, at: At): MaybePromise<Refreshed> {
    if (found.kind !== 'live') return found;
    this.#rechecker.note(found.session);
    return this.#refresher.refresh(found.session, signal, { isBehind: !this.#cookies.takesOwnToken(at) });
  }
}
