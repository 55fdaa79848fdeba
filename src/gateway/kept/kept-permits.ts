/** Permissions for front proxies that come again: kept like what is forwarded, by the same rules (`kept-forwards.ts`). */
import type { Arrival } from '../../core/peer.ts';
import type { ForwardingRoute } from '../../core/route.ts';
import type { Forward } from '../../core/verdict.ts';
import { arrivalOf } from '../../edge/arrival.ts';
import type { LaneExchange } from '../../edge/lane/exchange.ts';
import type { RequestAuthenticator } from '../../login/authenticate-request.ts';
import type { BoundCookies } from '../../proxy/bound-cookies.ts';
import { mayHoldMarks } from '../../proxy/cookie-marks.ts';
import { assertionHeader } from '../../proxy/templates.ts';
import { addressText, type ForwardedRequest, placeText } from '../../telemetry/forwarded-line.ts';
import { continueTrace, createRequestId, formatTraceparent } from '../../telemetry/trace.ts';
import type { Decided } from '../decided.ts';
import type { FreeLines } from './free-lines.ts';
import { KeptPlans } from './kept-plans.ts';
import { isOwnSession } from './own-session.ts';
import type { SessionSights } from './session-sights.ts';

/** What of a permission is kept: header lines of the answer, each with its end. */
export interface PermitLines {
  /** What follows from the call. */
  readonly call: string;
  /** What follows from the session and the route. */
  readonly identity: string;
  /** True: the client's own trace goes on, and stands among those of the call. */
  readonly hasTrace: boolean;
}

interface Plan extends Omit<PermitLines, 'identity'> {
  readonly method: string;
  readonly target: string;
  readonly peer: string;
  readonly encrypted: boolean;
  readonly arrival: Arrival | undefined;
  readonly route: ForwardingRoute;
  readonly session: string;
  readonly place: string;
  readonly address: string;
  readonly version: number;
}

/** A permission for one call. */
interface Permit {
  readonly lines: string;
  record(seconds: number): ForwardedRequest;
}

interface PermitParts {
  readonly sights: SessionSights;
  readonly cookies: Pick<BoundCookies, 'version'>;
  readonly authenticator: Pick<RequestAuthenticator, 'tokenIn'>;
  readonly freeLines: FreeLines;
}

/** The kept permissions of one configuration. */
export class KeptPermits {
  readonly #parts: PermitParts;
  readonly #plans: KeptPlans<Plan>;

  constructor(parts: PermitParts) {
    this.#parts = parts;
    this.#plans = new KeptPlans(parts.freeLines, { takesTrace: false });
  }

  /** What was permitted to such a call, if that holds. */
  find({ head, peer, encrypted, socket }: LaneExchange): Permit | undefined {
    const { sights, cookies } = this.#parts;
    const arrival = arrivalOf(socket);
    const plan = this.#plans.find(head.lines)?.plans.find((one) => {
      const isCall = one.method === head.method && one.target === head.target;
      return isCall && one.peer === peer && one.encrypted === encrypted && one.arrival === arrival;
    });
    if (!plan || plan.version !== cookies.version) return undefined;
    try {
      const identity = sights.use(plan.session, plan.route);
      return identity && permitOf(plan, identity.lines, identity.user);
    } catch {
      // The store is out of reach: what that means is the pipeline's to say.
      return undefined;
    }
  }

  /** Keeps a permission that has just been given, where it may come again. */
  keep(exchange: LaneExchange, { request, client, target }: Decided, forward: Forward, lines: PermitLines): void {
    const { sights, cookies, authenticator } = this.#parts;
    const { route, session, principal } = forward;
    const { head, peer, encrypted } = exchange;
    const token = forward.headers.get(assertionHeader);
    if (!session || !principal || !client || !target || typeof token !== 'string') return;
    const arrival = arrivalOf(exchange.socket);
    if (arrival?.certificate) return;
    const isMarked = head.headers.all('cookie').some(mayHoldMarks);
    const isPlain = !forward.firstCookies && Object.keys(forward.reply).length === 0;
    if (!isPlain || isMarked || !isOwnSession(head.headers, forward, authenticator)) return;
    // What an answer says follows from lines of no free name: the front proxy sends those on by itself.
    const shelf = this.#plans.shelfFor(exchange, true);
    if (!shelf) return;
    sights.keep({ session, principal }, route, { lines: lines.identity, token });
    const plan: Plan = {
      ...{ method: head.method, target: head.target, peer, encrypted, arrival, route, session: session.id },
      ...{ call: lines.call, hasTrace: lines.hasTrace, version: cookies.version },
      place: placeText({ method: request.method, route: route.name, path: target.path }),
      address: addressText(client.address),
    };
    shelf.put(plan, (one) => one.target === plan.target);
  }
}

function permitOf({ call, hasTrace, place, address, route }: Plan, identity: string, user: string): Permit {
  const id = createRequestId();
  const trace = hasTrace ? '' : `traceparent: ${formatTraceparent(continueTrace(undefined))}\r\n`;
  return {
    lines: `${call}${identity}x-request-id: ${id}\r\n${trace}`,
    record: (seconds) => ({ route: route.name, status: 200, seconds, request: id, place, address, user }),
  };
}
