/**
 * The one decision point: a request as plain data goes in, a verdict comes out. Whatever carries requests (HTTP, upgrades,
 * forward-auth, middleware) only carries verdicts out, and hands the result back to be recorded here. This file reads a request;
 * `admission.ts` says whether a location lets it in, `forwarding.ts` what the upstream gets.
 */
import { holdsApiToken } from '../core/api-token.ts';
import { breakdownOf } from '../core/failure.ts';
import type { Log } from '../core/log.ts';
import type { MaybePromise } from '../core/maybe-promise.ts';
import type { Arrival } from '../core/peer.ts';
import type { CanonicalTarget, Client, GatewayRequest, Verdict } from '../core/verdict.ts';
import type { Identity } from '../login/authenticate-request.ts';
import { readClient } from '../routing/client-address.ts';
import type { Locations } from '../routing/locations.ts';
import { admits, canonicalTarget } from '../routing/target.ts';
import type { Recorder, RequestResult } from '../telemetry/recorder.ts';
import { Admission, type AdmissionParts } from './admission.ts';
import {
  conclude,
  type Decided,
  endRecordOf,
  noteRoute,
  recordOf,
  secondsSince,
  type Trace,
  type WebSocketEnd,
} from './decided.ts';
import { Forwarding, type ForwardingParts } from './forwarding.ts';
import { isNeverForwarded, refuse, refuseMethod, refuseTarget } from './refuse.ts';
import { askingFor } from './routes.ts';

/** Whether a target is one of the gateway's own addresses; no route can take them. */
function isPortal({ path }: Pick<CanonicalTarget, 'path'>): boolean {
  return path === '/_gate' || path.startsWith('/_gate/');
}

interface PipelineParts extends Omit<AdmissionParts, 'forwarding'>, Omit<ForwardingParts, 'authenticator'> {
  readonly log: Log;
  readonly isTrusted: (address: string) => boolean;
  readonly isKnownHost: (target: CanonicalTarget) => boolean;
  /** Whether a host is that of a listener which asks for certificates, and the connection came by another. */
  readonly isMisdirected?: ((arrival: Arrival | undefined, host: string) => boolean) | undefined;
  readonly locations: Locations;
  readonly recorder: Recorder;
}

/** Stands where no verdict has been reached: whatever breaks off, nothing is forwarded. */
const undecided = refuse('UNAVAILABLE', 'internal-error', 'no verdict was reached');

/** Turns requests into verdicts. It holds no state of its own and never throws. */
export class Pipeline {
  readonly #parts: PipelineParts;
  readonly #admission: Admission;

  constructor(parts: PipelineParts) {
    this.#parts = parts;
    this.#admission = new Admission({ ...parts, forwarding: new Forwarding(parts) });
  }

  /**
   * The verdict, with the steps that led to it; a promise only where somebody has to be waited for. An identity that is given
   * is taken for whoever sends the request, and nobody is asked.
   */
  decide(request: GatewayRequest, given?: Identity): MaybePromise<Decided> {
    const trace: Trace = { request, startedAt: performance.now(), verdict: undecided };
    try {
      const verdict = this.#read(trace, given);
      if (verdict instanceof Promise)
        return verdict.then(
          (reached) => conclude(trace, reached),
          (error: unknown) => this.#broke(trace, error),
        );
      return conclude(trace, verdict);
    } catch (error) {
      return this.#broke(trace, error);
    }
  }

  /** Writes the audit record and the metric of a request that has been answered, or given up. Call it once a request. */
  finish(decided: Decided, result: RequestResult): void {
    this.#parts.recorder.request(recordOf(decided, result, secondsSince(decided)));
  }

  /** Writes how a WebSocket ended that such a request has opened. */
  ended(decided: Decided, end: WebSocketEnd): void {
    this.#parts.recorder.webSocketEnd(endRecordOf(decided, end, secondsSince(decided)));
  }

  #broke(trace: Trace, error: unknown): Decided {
    const reason = breakdownOf(error);
    // A store that is away says so once; each request has its record in the audit.
    const level = reason === 'store-away' ? 'debug' : 'error';
    this.#parts.log[level]({ request: trace.request.id, error }, 'a request could not be decided');
    return conclude(trace, refuse('UNAVAILABLE', reason, 'the decision broke', { cause: error }));
  }

  /** Reads a request from the outside in: who sends it, what it is for, which location takes it, whether that admits it. */
  #read(trace: Trace, given: Identity | undefined): MaybePromise<Verdict> {
    const { request } = trace;
    const { isTrusted, isKnownHost, locations } = this.#parts;
    const reading = readClient(request, isTrusted);
    if (reading.kind === 'refused') return refuse('BAD_REQUEST', 'ambiguous-header', reading.detail);
    const { client, headers } = reading;
    trace.client = client;
    // Before the target is read, which is no path here.
    if (request.method === 'CONNECT') return refuseMethod(request.method);
    const canonical = canonicalTarget({ target: request.target, headers, scheme: client.scheme });
    if (canonical.kind === 'refused') return refuse('BAD_REQUEST', canonical.reason, canonical.detail);
    const { target } = canonical;
    trace.target = target;
    if (holdsApiToken(request.target.replace(/%5f/gi, '_')))
      return refuse(
        'BAD_REQUEST',
        'token-in-address',
        'an API token stands in the address, where logs and proxies keep it',
      );
    if (!isKnownHost(target)) return refuse('MISDIRECTED', 'host-unknown', 'the Host is no name of this site');
    const turnedAway = this.#judgeArrival(request, target);
    if (turnedAway) return turnedAway;
    if (isNeverForwarded(request.method)) return refuseMethod(request.method, target.path);
    const answered = this.#answerWithoutRoute(request, client, canonical);
    if (answered) return answered;

    const match = locations.match(target);
    if (!match) return refuse('NOT_FOUND', 'no-route', 'no location matches');
    const route = askingFor(request.demand, match.route);
    trace.match = match;
    trace.route = route;
    noteRoute(trace, route);
    const refused = refuseTarget(request, target, route);
    if (refused) return refused;
    const read = headers === request.headers ? request : { ...request, headers };
    return this.#admission.admit(trace, { request: read, client, target, route }, given);
  }

  /** What a connection has shown counts at the listener that asked for it, and while it is good. */
  #judgeArrival(request: GatewayRequest, { host }: CanonicalTarget): Verdict | undefined {
    const { isMisdirected, peers } = this.#parts;
    if (isMisdirected?.(request.arrival, host))
      return refuse(
        'MISDIRECTED',
        'misdirected',
        'the host is of a listener that asks for certificates, and this connection was not asked by it',
      );
    return peers.refuseArrival(request);
  }

  /** The verdict where no location has a say: two readings of one path, our own addresses, a location without its slash. */
  #answerWithoutRoute(
    request: GatewayRequest,
    client: Client,
    { target, rebuilt }: { readonly target: CanonicalTarget; readonly rebuilt: boolean },
  ): Verdict | undefined {
    if (rebuilt && request.asked?.sendsAsWritten)
      return refuse(
        'BAD_REQUEST',
        'ambiguous-target',
        'the proxy in front would send the path with its dot segments or doubled slashes',
      );
    if (isPortal(target)) {
      const odd = admits({ encodedSlashes: false, pathParameters: false }, target);
      return odd ? refuse('BAD_REQUEST', odd.reason, odd.detail) : { kind: 'portal', target, client };
    }
    const slash = this.#parts.locations.closingSlash(target);
    return slash === undefined ? undefined : { kind: 'redirect', target, location: `${target.path}/${target.query}` };
  }
}
