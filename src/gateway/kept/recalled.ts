/** A decision that has come again, for one request. */
import type { Forward, GatewayRequest } from '../../core/verdict.ts';
import type { LaneExchange } from '../../edge/lane/exchange.ts';
import type { RequestHead } from '../../proxy/lane/request-head.ts';
import type { LocationMatch } from '../../routing/locations.ts';
import type { ForwardedRequest } from '../../telemetry/forwarded-line.ts';
import type { Decided } from '../decided.ts';
import type { KeptIdentity } from './session-sights.ts';

interface RecalledParts {
  readonly plan: Pick<Forward, 'route' | 'client' | 'headers' | 'reply'> & {
    readonly lines: Pick<RequestHead, 'client' | 'hasHost'>;
    readonly address: string;
  };
  readonly place: Pick<Forward, 'target' | 'upstreamPath'> & {
    readonly match: LocationMatch | undefined;
    readonly text: string;
  };
  /** Of this target alone. */
  readonly query: string;
  /** Lines of this head alone. */
  readonly free: string;
  readonly identity: KeptIdentity;
  readonly id: string;
  readonly trace: string | undefined;
}

/** What the pipeline would decide for a request, without its having been asked. */
export class Recalled implements RequestHead {
  readonly forward: Forward;
  readonly id: string;
  readonly trace: string | undefined;
  readonly #parts: RecalledParts;

  constructor(parts: RecalledParts) {
    const { plan, place, query, identity } = parts;
    this.#parts = parts;
    this.id = parts.id;
    this.trace = parts.trace;
    const { principal, session } = identity;
    const { route, client, headers, reply } = plan;
    const target = query === '' ? place.target : { ...place.target, query };
    const upstreamPath = place.upstreamPath + query;
    this.forward =
      principal && session
        ? { route, client, target, upstreamPath, headers, reply, principal, session }
        : { route, client, target, upstreamPath, headers, reply };
  }

  get client(): string {
    return this.#parts.plan.lines.client + this.#parts.free;
  }

  get identity(): string {
    return this.#parts.identity.lines;
  }

  get hasHost(): boolean {
    return this.#parts.plan.lines.hasHost;
  }

  /** The record of its answer. */
  record(status: number, seconds: number): ForwardedRequest {
    const { plan, place, identity, id } = this.#parts;
    const { address, route } = plan;
    return { route: route.name, status, seconds, request: id, place: place.text, address, user: identity.user };
  }

  /** All that was found out on the way, for whoever has to answer or record it in another way. */
  decided(request: GatewayRequest, { cameAt }: Pick<LaneExchange, 'cameAt'>): Decided {
    const { forward } = this;
    const { match } = this.#parts.place;
    const { client, target, route, principal, session, reply } = forward;
    return {
      ...{ request, startedAt: cameAt, client, target, route, reply },
      ...(match && { match }),
      ...(principal && { principal }),
      ...(session && { session, decision: { kind: 'permit' } }),
      verdict: { kind: 'forward', forward },
    };
  }
}
