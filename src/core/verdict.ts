/** What to do with a request, whatever carries it: the pipeline's one answer. */
import type { Answer } from './answer.ts';
import type { GatewayError } from './errors.ts';
import type { Offer } from './outcome.ts';
import type { Arrival, PeerCertificate } from './peer.ts';
import type { Principal } from './principal.ts';
import type { Level } from './proof.ts';
import type { Reason } from './reason.ts';
import type { HeaderLines } from './request-head.ts';
import type { ForwardingRoute, Route } from './route.ts';
import type { Session } from './session.ts';
import type { ShownCredential } from './shown-credential.ts';

/** A request as plain data: what the pipeline reads, and nothing else. */
export interface GatewayRequest {
  readonly id: string;
  readonly method: string;
  /** The request target as it stood in the request line. */
  readonly target: string;
  readonly headers: HeaderLines;
  /** The peer of the socket. */
  readonly peer: string;
  /** True when the socket to the peer is TLS. */
  readonly encrypted: boolean;
  readonly upgrade: boolean;
  /** By which listener it came; undefined inside an application. */
  readonly arrival?: Arrival;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  /** Present when a front proxy asks for the verdict and carries the request itself. */
  readonly asked?: Asked;
  /** Present when the application itself asks for more than the route does. */
  readonly demand?: AppDemand;
}

/** What an application asks for by itself. */
export interface AppDemand {
  /** Any of these. */
  readonly roles?: readonly string[];
  readonly level?: Level;
}

/** What a front proxy with forward auth does with the request. */
export interface Asked {
  /** True: it sends on the path as the client wrote it; false: the path that we name. */
  readonly sendsAsWritten: boolean;
  /** The name of the route that it has matched by itself: a verdict about another one would not be about this request. */
  readonly route?: string;
}

/** The browser or program at the other end, after the proxies that are trusted. */
export interface Client {
  readonly address: string;
  /** What the client spoke to the outermost trusted proxy. */
  readonly scheme: 'http' | 'https';
  readonly userAgent: string;
  /** Whoever has this address speaks for somebody, and is no trusted proxy: where the request comes from is not known. */
  readonly isRelayed?: true;
}

/** The request target after the one reading: what is matched and what is sent. */
export interface CanonicalTarget {
  /** Canonical path, always beginning with a slash; escapes only where needed. */
  readonly path: string;
  /** With its question mark, as the client wrote it; empty when there is none. */
  readonly query: string;
  /** Lower-cased, without port and trailing dot. */
  readonly host: string;
  /** As in Host, else the one of the client's scheme. */
  readonly port: string;
}

/** What the upstream is sent: decided once, carried out by HTTP and upgrade alike. */
export interface Forward {
  readonly route: ForwardingRoute;
  readonly client: Client;
  readonly target: CanonicalTarget;
  /** The path and query for the upstream, after `proxy_pass` and with the canonical path. */
  readonly upstreamPath: string;
  /** The client's headers without hop-by-hop ones and without any name of ours, then ours; names in lower case. */
  readonly headers: ReadonlyMap<string, string | readonly string[]>;
  /** How the client spelt names of its own, where not in lower case. */
  readonly spellings?: ReadonlyMap<string, string>;
  readonly principal?: Principal;
  readonly session?: Session;
  /** What it was let in by, where it was no session. */
  readonly credential?: ShownCredential;
  /** What its connection has shown. */
  readonly certificate?: PeerCertificate;
  /** `Set-Cookie` lines that go before the upstream's own: what takes away another user's, what leads to a server again. */
  readonly firstCookies?: readonly string[];
  /** Headers for the client's response: a new cookie, a mutual authentication. */
  readonly reply: Readonly<Record<string, string | readonly string[]>>;
}

/** What to do with a request. */
export type Verdict =
  | { readonly kind: 'forward'; readonly forward: Forward }
  /** The same address with the closing slash of its location, as nginx sends it (a permanent redirect). */
  | { readonly kind: 'redirect'; readonly location: string; readonly target: CanonicalTarget }
  /** What a route without an upstream answers, to whom its access has let through. A location may be a path. */
  | { readonly kind: 'answer'; readonly answer: Answer; readonly route: Route; readonly target: CanonicalTarget }
  /** One of the gateway's own addresses, under `/_gate/`. */
  | { readonly kind: 'portal'; readonly target: CanonicalTarget; readonly client: Client }
  | {
      readonly kind: 'authenticate';
      readonly route: Route;
      readonly target: CanonicalTarget;
      readonly offers: readonly Offer[];
      readonly reason: Reason;
      /** It has shown what only programs have: no page will help it. */
      readonly isProgram?: true;
    }
  /** Somebody has proved who they are by the request itself, and the page of their login's next step is elsewhere. */
  | {
      readonly kind: 'login-step';
      readonly route: Route;
      readonly target: CanonicalTarget;
      readonly location: string;
      readonly reason: Reason;
    }
  | {
      readonly kind: 'step-up';
      readonly route: Route;
      readonly target: CanonicalTarget;
      readonly session: Session;
      readonly reason: Reason;
      /** What the application itself asks for, beyond its location. */
      readonly level?: Level;
    }
  | {
      readonly kind: 'refuse';
      readonly error: GatewayError;
      readonly reason: Reason;
      readonly route?: Route;
      readonly principal?: Principal;
      /** Seconds, for `Retry-After`. */
      readonly retryAfter?: number;
      /** The methods for `Allow`. */
      readonly allow?: string;
    };

/** What policy says. */
export type Decision = { readonly kind: 'permit' } | { readonly kind: 'step-up' | 'deny'; readonly reason: Reason };
