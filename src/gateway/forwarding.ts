/**
 * What an admitted request becomes: the upstream's path, the signed identity, and the headers that the upstream gets; or the
 * answer of a location that has none.
 */
import { accountNamed } from '../core/account.ts';
import { andThen, type MaybePromise } from '../core/maybe-promise.ts';
import type { PeerCertificate } from '../core/peer.ts';
import { type ForwardingRoute, isForwarding, type Route } from '../core/route.ts';
import { accountOf, type Session } from '../core/session.ts';
import type { CanonicalTarget, Client, Forward, GatewayRequest, Verdict } from '../core/verdict.ts';
import type { RequestAuthenticator, Somebody } from '../login/authenticate-request.ts';
import type { AssertionSigner } from '../proxy/assertion.ts';
import { type AssertionTerms, assertionTerms } from '../proxy/assertion-claims.ts';
import type { BoundCookies } from '../proxy/bound-cookies.ts';
import { mayHoldMarks } from '../proxy/cookie-marks.ts';
import type { HeaderComposer } from '../proxy/headers.ts';
import { upstreamTarget } from '../routing/upstream-target.ts';
import { begun, type Trace } from './decided.ts';
import { fixedVerdict } from './fixed-answer.ts';
import type { Machine } from './peer-access.ts';
import { refuse } from './refuse.ts';

/** A request that a location takes. */
export interface Located<Taken extends Route = Route> {
  readonly request: GatewayRequest;
  readonly client: Client;
  readonly target: CanonicalTarget;
  readonly route: Taken;
  /** The machine that the location's service has admitted. */
  readonly machine?: Machine;
  /** True: none of the headers that the route sets goes upstream, a secret least of all. */
  readonly isBare?: true;
}

const none: Forward['reply'] = {};

/** What composes the request that goes upstream. */
export interface ForwardingParts {
  readonly headers: HeaderComposer;
  readonly signer: AssertionSigner;
  readonly cookies: BoundCookies;
  readonly authenticator: Pick<RequestAuthenticator, 'visitor'>;
}

/** What is known of a request when its head is composed. */
interface Composing {
  readonly who?: Somebody;
  readonly assertion?: string;
  /** Of the browser, where the upstream is not told who it is. */
  readonly visitor?: Session | undefined;
}

/** Makes the verdict of requests that nothing can refuse any more. */
export class Forwarding {
  readonly #parts: ForwardingParts;
  readonly #terms = new WeakMap<ForwardingRoute, AssertionTerms>();

  constructor(parts: ForwardingParts) {
    this.#parts = parts;
  }

  /** Begins the sender's session where an ambient proof has admitted it, signs who it is, and composes what goes upstream. */
  forward(trace: Trace, located: Located, who?: Somebody): MaybePromise<Verdict> {
    const { request, target, route } = located;
    if (!isForwarding(route)) return andThen(begun(trace, who), () => fixedVerdict(route, target));
    const upstream = upstreamTarget(route, target);
    if (upstream.kind === 'refused') return refuse('BAD_REQUEST', 'ambiguous-target', upstream.detail, { route });
    const forwardable = { ...located, route };
    return andThen(begun(trace, who), (known) =>
      known
        ? this.#sign(trace, forwardable, upstream.path, known)
        : andThen(this.#visitorOf(request, target), (visitor) =>
            this.#compose(trace, forwardable, upstream.path, { visitor }),
          ),
    );
  }

  /** Whose marked cookies a request may bring that nobody was asked about; whose cannot be told is nobody's. */
  #visitorOf({ headers }: GatewayRequest, target: CanonicalTarget): MaybePromise<Session | undefined> {
    if (!headers.all('cookie').some(mayHoldMarks)) return undefined;
    return this.#parts.authenticator.visitor(headers, target).catch(() => undefined);
  }

  #sign(trace: Trace, located: Located<ForwardingRoute>, upstreamPath: string, who: Somebody): MaybePromise<Verdict> {
    const assertion = this.#parts.signer.sign(who.principal, who.session, this.#termsOf(located.route));
    return andThen(assertion, (token) => this.#compose(trace, located, upstreamPath, { who, assertion: token }));
  }

  #termsOf(route: ForwardingRoute): AssertionTerms {
    const terms = this.#terms.get(route) ?? assertionTerms(route);
    this.#terms.set(route, terms);
    return terms;
  }

  #compose(trace: Trace, located: Located<ForwardingRoute>, upstreamPath: string, composing: Composing): Verdict {
    const { request, client, target, route, isBare, machine } = located;
    const { who, assertion } = composing;
    const certificate = request.asked ? undefined : request.arrival?.certificate;
    const known = who && {
      principal: who.principal,
      ...(who.session && { session: who.session }),
      ...(who.credential && { credential: who.credential }),
    };
    const cookies = this.#cookiesOf(located, composing);
    const { headers, spellings } = this.#parts.headers.compose(isBare ? { ...route, headers: [] } : route, {
      headers: request.headers,
      client,
      peer: request.peer,
      requestId: request.id,
      upgrade: request.upgrade,
      admitCookies: cookies.admit,
      ...(machine?.name !== undefined && { machine: machine.name }),
      ...(request.arrival?.asks && !request.asked && { shown: shownAt(route, certificate) }),
      ...known,
      ...(assertion && { assertion }),
    });
    const sent = { route, client, target, upstreamPath, headers, spellings, ...(certificate && { certificate }) };
    // A front proxy would send what expires behind the cookie that the upstream sets in its place.
    const first = request.asked || cookies.expires.size === 0 ? {} : { firstCookies: [...cookies.expires] };
    return { kind: 'forward', forward: { ...sent, ...first, reply: trace.reply ?? none, ...known } };
  }

  /** What goes on of a browser's cookies, and what takes from it those of somebody else. */
  #cookiesOf({ request, route, target: { host } }: Located, { who, visitor }: Composing) {
    const { cookies } = this.#parts;
    const { principal, session } = who ?? {};
    const visiting = {
      ...{ route, host },
      account: principal ? accountNamed(principal.subject, principal.tenant) : visitor && accountOf(visitor),
      isIdentified: principal !== undefined,
      // An answer that a front proxy carries by itself brings unmarked cookies.
      takesUnmarked: request.asked !== undefined || (session !== undefined && !session.bindsCookies),
    };
    const expires = new Set(who?.replacesAnother ? cookies.expirations(host) : []);
    const admit = (value: string): string | undefined => {
      const admitted = cookies.admit(value, visiting);
      // What a program's token speaks for may come from a browser in which somebody is signed in.
      if (session) for (const line of admitted.expires) expires.add(line);
      return admitted.cookies;
    };
    return { expires, admit };
  }
}

/** What an application is told of a certificate beside the name of its row: nothing, unless its route says so. */
function shownAt({ forwardsCertificate }: Route, certificate: PeerCertificate | undefined) {
  return { ...(forwardsCertificate && certificate && { certificate: certificate.der }) };
}
