/**
 * Decisions that come again. What the pipeline has decided for a head, and the head that it has composed, are kept as long as they
 * are a function of what is compared here: the bytes, the connection, the configuration, and the session as it stands. What depends
 * on time is looked at each time. Whatever else a decision hangs on, it is made by the pipeline.
 */
import { KeptMap } from '../../core/kept-map.ts';
import type { Arrival } from '../../core/peer.ts';
import type { ForwardingRoute } from '../../core/route.ts';
import type { CanonicalTarget, Client, Forward } from '../../core/verdict.ts';
import { arrivalOf } from '../../edge/arrival.ts';
import type { LaneExchange } from '../../edge/lane/exchange.ts';
import type { RequestAuthenticator } from '../../login/authenticate-request.ts';
import type { BoundCookies } from '../../proxy/bound-cookies.ts';
import { mayHoldMarks } from '../../proxy/cookie-marks.ts';
import { type RequestLines, requestLines } from '../../proxy/lane/request-lines.ts';
import { assertionHeader } from '../../proxy/templates.ts';
import type { LocationMatch } from '../../routing/locations.ts';
import { addressText, placeText, userText } from '../../telemetry/forwarded-line.ts';
import { continueTrace, createRequestId, formatTraceparent } from '../../telemetry/trace.ts';
import type { Decided } from '../decided.ts';
import type { FreeLines } from './free-lines.ts';
import { KeptPlans } from './kept-plans.ts';
import { isOwnSession } from './own-session.ts';
import { Recalled } from './recalled.ts';
import type { KeptIdentity, SessionSights } from './session-sights.ts';

/** Bytes of the addresses that are kept: those that sessions have asked for, and all others. */
const [maxPlaces, maxOpenPlaces] = [16 * 1024 * 1024, 1024 * 1024];
const placeOverhead = 512;
/** For how long marked cookies are taken as they were judged, in milliseconds: another process may make a key. */
const marksHold = 1000;

/** Where an address leads, whatever its query: a function of the configuration. */
interface Place {
  readonly route: ForwardingRoute;
  /** Without a query. */
  readonly target: CanonicalTarget;
  readonly match: LocationMatch | undefined;
  readonly upstreamPath: string;
  /** What the audit says of it. */
  readonly text: string;
}

/** What was decided for lines on one connection. */
interface Plan {
  readonly method: string;
  readonly peer: string;
  readonly encrypted: boolean;
  /** The listener: of hosts that are another's it decides otherwise. */
  readonly arrival: Arrival | undefined;
  /** Scheme, host and port. */
  readonly site: string;
  readonly route: ForwardingRoute;
  readonly client: Client;
  readonly lines: RequestLines;
  /** Of what goes upstream, what answers are judged by. */
  readonly headers: Forward['headers'];
  readonly reply: Forward['reply'];
  readonly address: string;
  /** Whose cookie stands in the lines; else what is sent for nobody. */
  readonly session: string | undefined;
  readonly nobody: KeptIdentity;
  /** Of what is known of cookies. */
  readonly version: number;
  readonly until: number;
  /** The path that was asked for last, as it was written: a browser that polls asks for it again. */
  last: { readonly path: string; readonly place: Place };
}

/** What may be an API token, however it is escaped: a request that shows one in its address is refused. */
const tokenLike = /gha(?:_|%5f)/i;

interface KeptParts {
  readonly sights: SessionSights;
  readonly authenticator: Pick<RequestAuthenticator, 'tokenIn'>;
  readonly cookies: Pick<BoundCookies, 'version'>;
  readonly freeLines: FreeLines;
}

/** The kept decisions of one configuration. */
export class KeptForwards {
  readonly #parts: KeptParts;
  readonly #plans: KeptPlans<Plan>;
  readonly #places = new KeptMap<Place>(maxPlaces);
  readonly #openPlaces = new KeptMap<Place>(maxOpenPlaces);

  constructor(parts: KeptParts) {
    this.#parts = parts;
    this.#plans = new KeptPlans(parts.freeLines, { takesTrace: true });
  }

  /** What was decided for such a request, if that holds. */
  find({ head, peer, encrypted, cameAt, socket }: LaneExchange): Recalled | undefined {
    const known = this.#plans.find(head.lines);
    const { path, query } = parted(head.target);
    if (!known || tokenLike.test(query)) return undefined;
    const arrival = arrivalOf(socket);
    for (const plan of known.plans) {
      if (plan.method !== head.method || plan.peer !== peer || plan.encrypted !== encrypted) continue;
      if (plan.arrival !== arrival) continue;
      const place = this.#placeOf(plan, path);
      if (place?.route === plan.route)
        return cameAt < plan.until ? this.#recall({ plan, place, query, free: known.free }) : undefined;
    }
    return undefined;
  }

  #placeOf(plan: Plan, path: string): Place | undefined {
    if (plan.last.path === path) return plan.last.place;
    const place = this.#placesOf(plan.session).get(keyOf(plan, path));
    if (place?.route === plan.route) plan.last = { path, place };
    return place;
  }

  #recall(known: { plan: Plan; place: Place; query: string; free: string }): Recalled | undefined {
    const { sights, cookies } = this.#parts;
    const { plan } = known;
    if (plan.version !== cookies.version) return undefined;
    try {
      const identity = plan.session === undefined ? plan.nobody : sights.use(plan.session, plan.route);
      if (!identity) return undefined;
      const trace = plan.lines.hasTrace ? undefined : formatTraceparent(continueTrace(undefined));
      return new Recalled({ ...known, identity, id: createRequestId(), trace });
    } catch {
      // The store is out of reach: what that means is the pipeline's to say.
      return undefined;
    }
  }

  /** Keeps a decision that has just been made, where it may come again. */
  keep(exchange: LaneExchange, { client, target, match, ofRoute }: Decided, forward: Forward): void {
    const { route, session, principal, reply } = forward;
    const { head, peer, encrypted } = exchange;
    const isOfRoute = Object.keys(reply).length === Object.keys(ofRoute ?? {}).length;
    if (!client || !target || forward.firstCookies || !isOfRoute) return;
    const arrival = arrivalOf(exchange.socket);
    // What a certificate admits is judged each time.
    if (arrival?.certificate) return;
    if (!session && (principal || route.access !== 'public')) return;
    const { path } = parted(head.target);
    const { query } = target;
    if (!forward.upstreamPath.endsWith(query)) return;
    const shelf = this.#plans.shelfFor(exchange, session !== undefined);
    if (!shelf) return;
    if (session && !isOwnSession(head.headers, forward, this.#parts.authenticator)) return;
    const lines = requestLines(forward, shelf.isFree);
    if (shelf.hasTrace && !lines.hasTrace) return;
    const host = forward.headers.get('host');
    const site = `${client.scheme}://${target.host}:${target.port}`;
    const isMarked = head.headers.all('cookie').some(mayHoldMarks);
    if (isMarked && !session) return;
    const text = placeText({ method: head.method, route: route.name, path: target.path });
    const upstreamPath = forward.upstreamPath.slice(0, forward.upstreamPath.length - query.length);
    const place = { route, target: { ...target, query: '' }, match, upstreamPath, text };
    const plan: Plan = {
      ...{
        method: head.method,
        peer,
        encrypted,
        arrival,
        site,
        route,
        client,
        lines: { ...lines, identity: '' },
        reply,
      },
      headers: new Map(host === undefined ? [] : [['host', host]]),
      address: addressText(client.address),
      session: session?.id,
      nobody: { lines: session ? '' : lines.identity, user: userText({}) },
      version: this.#parts.cookies.version,
      until: isMarked ? exchange.cameAt + marksHold : Number.POSITIVE_INFINITY,
      last: { path, place },
    };
    const token = forward.headers.get(assertionHeader);
    if (session && principal && typeof token === 'string')
      this.#parts.sights.keep({ session, principal }, route, { lines: lines.identity, token });
    shelf.put(plan, (one) => isSame(one, plan));
    const key = keyOf(plan, path);
    this.#placesOf(session?.id).set(key, place, key.length * 4 + text.length + placeOverhead);
  }

  #placesOf(session: string | undefined): KeptMap<Place> {
    return session === undefined ? this.#openPlaces : this.#places;
  }
}

function keyOf({ method, site }: Pick<Plan, 'method' | 'site'>, path: string): string {
  return `${method} ${site}${path}`;
}

/** A target as it was written. No rule but one looks at a query, which goes on as it came. */
function parted(target: string): { readonly path: string; readonly query: string } {
  const mark = target.indexOf('?');
  return mark === -1 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark) };
}

function isSame(one: Plan, other: Plan): boolean {
  return (
    one.method === other.method &&
    one.route === other.route &&
    one.peer === other.peer &&
    one.arrival === other.arrival &&
    one.encrypted === other.encrypted
  );
}
