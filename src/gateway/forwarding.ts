/**
 * What an admitted request becomes: the upstream's path, the signed identity, and the headers that the upstream gets; or the
 * answer of a location that has none.
 */
import { andThen, type MaybePromise } from '../core/maybe-promise.ts';
import { type ForwardingRoute, isForwarding, type Route } from '../core/route.ts';
import type { CanonicalTarget, Client, Forward, GatewayRequest, Verdict } from '../core/verdict.ts';
import type { Somebody } from '../login/authenticate-request.ts';
import { type AssertionSigner, audienceOf } from '../proxy/assertion.ts';
import type { HeaderComposer } from '../proxy/headers.ts';
import { upstreamTarget } from '../routing/upstream-target.ts';
import { begun, type Trace } from './decided.ts';
import { fixedVerdict } from './fixed-answer.ts';
import { refuse } from './refuse.ts';

/** A request that a location takes. */
export interface Located<Taken extends Route = Route> {
  readonly request: GatewayRequest;
  readonly client: Client;
  readonly target: CanonicalTarget;
  readonly route: Taken;
  /** True: none of the headers that the route sets goes upstream, a secret least of all. */
  readonly isBare?: true;
}

const none: Forward['reply'] = {};

/** What composes the request that goes upstream. */
export interface ForwardingParts {
  readonly headers: HeaderComposer;
  readonly signer: AssertionSigner;
}

/** Makes the verdict of requests that nothing can refuse any more. */
export class Forwarding {
  readonly #parts: ForwardingParts;

  constructor(parts: ForwardingParts) {
    this.#parts = parts;
  }

  /** Begins the sender's session where an ambient proof has admitted it, signs who it is, and composes what goes upstream. */
  forward(trace: Trace, located: Located, who?: Somebody): MaybePromise<Verdict> {
    const { target, route } = located;
    if (!isForwarding(route)) return andThen(begun(trace, who), () => fixedVerdict(route, target));
    const upstream = upstreamTarget(route, target);
    if (upstream.kind === 'refused') return refuse('BAD_REQUEST', 'ambiguous-target', upstream.detail, { route });
    const forwardable = { ...located, route };
    return andThen(begun(trace, who), (known) =>
      known ? this.#sign(trace, forwardable, upstream.path, known) : this.#compose(trace, forwardable, upstream.path),
    );
  }

  #sign(trace: Trace, located: Located<ForwardingRoute>, upstreamPath: string, who: Somebody): MaybePromise<Verdict> {
    const assertion = this.#parts.signer.sign(who.principal, who.session, audienceOf(located.route));
    return andThen(assertion, (token) => this.#compose(trace, located, upstreamPath, who, token));
  }

  #compose(
    trace: Trace,
    { request, client, target, route, isBare }: Located<ForwardingRoute>,
    upstreamPath: string,
    who?: Somebody,
    assertion?: string,
  ): Verdict {
    const known = who && {
      principal: who.principal,
      ...(who.session && { session: who.session }),
      ...(who.credential && { credential: who.credential }),
    };
    const { headers, spellings } = this.#parts.headers.compose(isBare ? { ...route, headers: [] } : route, {
      headers: request.headers,
      client,
      peer: request.peer,
      requestId: request.id,
      upgrade: request.upgrade,
      ...known,
      ...(assertion && { assertion }),
    });
    return {
      kind: 'forward',
      forward: { route, client, target, upstreamPath, headers, spellings, reply: trace.reply ?? none, ...known },
    };
  }
}
