/** What is open towards a client, as the registry of live connections (`connections.ts`) knows it. */
import type { PeerCertificate } from '../core/peer.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { ShownCredential } from '../core/shown-credential.ts';
import type { AppDemand, CanonicalTarget, Client, Forward } from '../core/verdict.ts';

/** What a live connection is; a request is any that is no event stream, such as a download. */
export type ConnectionKind = 'websocket' | 'stream' | 'request';

/** What a connection was opened for: by it is judged whether it may stay open. */
export interface Opened {
  readonly target: Pick<CanonicalTarget, 'host' | 'port' | 'path'>;
  /** Whence it came. */
  readonly client: Client;
  /** Of a connection that its session does not speak for: who its request proved to be; absent where nobody had to. */
  readonly principal?: Principal;
  /** What that proof was, where it can be asked whether it still holds. */
  readonly credential?: ShownCredential;
  /** What the connection has shown that it came on. */
  readonly certificate?: PeerCertificate;
  /** What the application itself asked for; it may come while it is open. */
  readonly demands?: readonly AppDemand[];
}

/** What a request was forwarded for. */
export function openedBy(
  { client, target, principal, session, credential, certificate }: Forward,
  demands?: readonly AppDemand[],
): Opened {
  const proved = principal && !session && { principal, ...(credential && { credential }) };
  return { client, target, ...proved, ...(certificate && { certificate }), ...(demands && { demands }) };
}

/** A live connection as the registry holds it. */
export interface LiveConnection {
  readonly kind: ConnectionKind;
  readonly opened: Opened;
  /** Ends it now; called once. */
  end(reason: Reason): void;
  /** Told under which id its session goes on. */
  moved?(sessionId: string): void;
}
