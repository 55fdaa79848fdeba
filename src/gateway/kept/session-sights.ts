/**
 * What upstreams are told of those who are signed in, kept by session and route: for as long as nothing about the session is announced,
 * its token is given out again, and time has brought nothing about. All of that is looked at anew each time.
 */
import type { Clock } from '../../core/clock.ts';
import { KeptMap } from '../../core/kept-map.ts';
import type { Principal } from '../../core/principal.ts';
import type { ForwardingRoute } from '../../core/route.ts';
import type { Session } from '../../core/session.ts';
import type { RequestAuthenticator } from '../../login/authenticate-request.ts';
import { decide, isTimeless } from '../../policy/decide.ts';
import type { Worth } from '../../policy/levels.ts';
import type { AssertionSigner } from '../../proxy/assertion.ts';
import type { Sessions } from '../../sessions/sessions.ts';
import { userText } from '../../telemetry/forwarded-line.ts';

/** Bytes of all that is kept. */
const maxBytes = 16 * 1024 * 1024;
/** What a session takes beside the texts: its record is kept elsewhere. */
const overhead = 512;
/** Routes of one session whose texts are kept. */
const maxRoutes = 8;

/** What is sent for a session on one route, and what its audit says. */
export interface KeptIdentity {
  readonly principal?: Principal;
  readonly session?: Session;
  /** Header lines. */
  readonly lines: string;
  readonly user: string;
}

interface RouteIdentity extends KeptIdentity {
  readonly route: ForwardingRoute;
  readonly principal: Principal;
  /** When its token is given out no more. */
  readonly tokenUntil: number;
  /** True: what lets it in does not depend on time, and has been looked at. */
  readonly isAlways: boolean;
}

/** A session as it was looked at. */
interface Sight {
  /** What stood behind it. */
  readonly stored: object;
  readonly session: Session;
  /** When its provider has to be asked anew. */
  readonly refreshAt: number;
  /** When its account has to be looked after. */
  noteAt: number;
  readonly routes: RouteIdentity[];
}

interface SightParts {
  readonly clock: Clock;
  readonly sessions: Pick<Sessions, 'glance'>;
  readonly authenticator: Pick<RequestAuthenticator, 'touch' | 'recheckBehind'>;
  readonly signer: Pick<AssertionSigner, 'givenUntil'>;
  readonly worth: Worth;
  /** Of what is recorded: in what other way than to an upstream it is told. */
  readonly via?: 'forward-auth';
}

/** Kept identities. A configuration has its own. */
export class SessionSights {
  readonly #parts: SightParts;
  readonly #sights = new KeptMap<Sight>(maxBytes);

  constructor(parts: SightParts) {
    this.#parts = parts;
  }

  /** What is sent for a session, which counts as activity; undefined where that has to be decided on. Throws as the store does. */
  use(id: string, route: ForwardingRoute): KeptIdentity | undefined {
    const { clock, sessions, authenticator, worth } = this.#parts;
    const sight = this.#sights.get(id);
    if (!sight || sessions.glance(id) !== sight.stored) return undefined;
    const now = clock.now();
    const identity = identityFor(route, sight.routes);
    if (!identity || now >= sight.refreshAt || now >= identity.tokenUntil) return undefined;
    const { isAlways, principal } = identity;
    if (!isAlways && decide(principal, route, sight.session, now, worth).kind !== 'permit') return undefined;
    if (now >= sight.noteAt) sight.noteAt = authenticator.recheckBehind(sight.session);
    if (route.idleActivity) authenticator.touch(sight.session);
    return identity;
  }

  /** Keeps what was decided a moment ago, where it follows from what stands behind the session now. */
  keep({ principal, session }: Whose, route: ForwardingRoute, sent: { lines: string; token: string }): void {
    const { clock, sessions, authenticator, signer, worth, via } = this.#parts;
    const stored = sessions.glance(session.id);
    const { record } = stored ?? {};
    // The decision may have waited while the session changed.
    if (!stored || record?.kind !== 'live' || record.assertion !== session.assertion) return;
    const known = this.#sights.get(session.id);
    const sight = known?.stored === stored ? known : this.#look(stored, session, authenticator.recheckBehind(session));
    const { subject: user, tenant, provider } = principal;
    const identity = {
      ...{ route, principal, session, lines: sent.lines },
      user: userText({ user, tenant, provider, session: session.id, ...(via && { via }) }),
      tokenUntil: signer.givenUntil(principal, sent.token),
      isAlways: isTimeless(route) && decide(principal, route, session, clock.now(), worth).kind === 'permit',
    };
    const others = sight.routes.filter((one) => one.route !== route).slice(0, maxRoutes - 1);
    sight.routes.splice(0, sight.routes.length, identity, ...others);
    const bytes = sight.routes.reduce((sum, { lines }) => sum + lines.length, overhead);
    this.#sights.set(session.id, sight, bytes);
  }

  #look(stored: object, session: Session, noteAt: number): Sight {
    return { stored, session, refreshAt: session.grant?.refreshAt ?? Number.POSITIVE_INFINITY, noteAt, routes: [] };
  }
}

/** The first is nearly always the one. */
function identityFor(route: ForwardingRoute, routes: readonly RouteIdentity[]): RouteIdentity | undefined {
  const [first] = routes;
  return first?.route === route ? first : routes.find((one) => one.route === route);
}

interface Whose {
  readonly principal: Principal;
  readonly session: Session;
}
