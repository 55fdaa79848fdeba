/** The certificates that clients show at a listener which asks for them: read once a handshake, judged by whoever decides. */
import type { X509Certificate } from 'node:crypto';
import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Log } from '../core/log.ts';
import type { Arrival } from '../core/peer.ts';
import type { Certificates } from '../tls/certificates.ts';
import type { ClientCertificateOptions } from '../tls/options.ts';
import { readPeerCertificate } from '../tls/peer-certificate.ts';

/** Why a certificate that was good is so no more. */
export type GoneReason = 'peer-unknown' | 'peer-revoked' | 'peer-list-stale';

interface ClientCertificateParts {
  readonly ask: ClientCertificateOptions['ask'];
  /** Who vouches for clients, and what they have revoked. */
  readonly certificates: Pick<Certificates, 'authorities' | 'revocation'>;
  /** The listener's. */
  readonly name: string;
  readonly log: Log;
  /** Ends a connection that nobody vouches for any more; destroys it when absent. */
  readonly end?: (socket: TLSSocket, reason: GoneReason) => void;
}

/** Those of one listener. */
export class ClientCertificates {
  readonly #parts: ClientCertificateParts;
  readonly #bare: Arrival;
  /** Connections that have shown a certificate; true: authorities have vouched for it. */
  readonly #shown = new Map<TLSSocket, boolean>();
  /** Who vouched for clients when each handshake began. */
  readonly #begun = new WeakMap<Socket, readonly X509Certificate[]>();
  #authorities: readonly X509Certificate[];

  constructor(parts: ClientCertificateParts) {
    this.#parts = parts;
    this.#authorities = parts.certificates.authorities;
    this.#bare = { listener: parts.name, asks: true };
  }

  /** A handshake begins on a connection: call it before TLS is given the connection. */
  begin(transport: Socket): void {
    this.#begun.set(transport, this.#parts.certificates.authorities);
  }

  /** How a client comes whose handshake is done; undefined where it has not shown what is required. */
  arrivalOf(socket: TLSSocket): Arrival | undefined {
    const { ask, name, log, certificates } = this.#parts;
    const certificate = readPeerCertificate(socket, certificates.revocation);
    if (certificate) {
      if (certificate.chain.kind === 'held' && this.#isOutrun(socket)) {
        const fields = { listener: name, address: socket.remoteAddress };
        log.info(fields, 'a client shook hands while an authority of the listener was taken away');
        return undefined;
      }
      this.#shown.set(socket, certificate.chain.kind === 'held');
      socket.once('close', () => this.#shown.delete(socket));
      return { listener: name, asks: true, certificate };
    }
    if (ask === 'optional') return this.#bare;
    const fields = { listener: name, address: socket.remoteAddress };
    log.info(fields, 'a client shows no certificate, and the listener requires one');
    return undefined;
  }

  /** Nobody can say by which of them a certificate was checked where one has been taken away meanwhile. */
  #isOutrun(socket: TLSSocket): boolean {
    const transport = beneath(socket);
    const begun = transport && this.#begun.get(transport);
    const now = this.#parts.certificates.authorities;
    const isThere = ({ fingerprint256 }: X509Certificate): boolean =>
      now.some((one) => one.fingerprint256 === fingerprint256);
    return begun !== undefined && begun !== now && !begun.every(isThere);
  }

  /**
   * Others vouch for clients from here on, or other lists say who is revoked. The connections end of those that are, and where an
   * authority of before is missing, of those that it may have vouched for: all but whose certificate one of the rest has issued
   * itself. Their tickets have ended, too.
   */
  update(): void {
    const { name, log, certificates, end = destroy } = this.#parts;
    const { authorities, revocation } = certificates;
    const isLeft = ({ fingerprint256 }: X509Certificate): boolean =>
      authorities.some((one) => one.fingerprint256 === fingerprint256);
    const isComplete = this.#authorities.every(isLeft);
    this.#authorities = authorities;
    const ended = { 'peer-unknown': 0, 'peer-revoked': 0, 'peer-list-stale': 0 };
    for (const [socket, isHeld] of [...this.#shown]) {
      const certificate = socket.getPeerX509Certificate();
      const isUnknown = isHeld && !isComplete && !isIssuedBy(certificate, authorities);
      const reason = listReason(certificate && revocation?.judge(certificate).kind) ?? (isUnknown && 'peer-unknown');
      if (!reason || socket.destroyed) continue;
      ended[reason] += 1;
      end(socket, reason);
    }
    const told = Object.fromEntries(Object.entries(ended).filter(([, count]) => count > 0));
    if (Object.keys(told).length > 0)
      log.warn({ listener: name, ended: told }, 'connections were ended: their certificates are good no more');
  }
}

/** The connection under TLS: Node keeps it there, and shows it nowhere else once its client has gone. */
export function beneath(socket: Socket): Socket | undefined {
  const parent: unknown = Reflect.get(socket, '_parent');
  return parent instanceof Socket ? parent : undefined;
}

function destroy(socket: TLSSocket): void {
  socket.destroy();
}

function isIssuedBy(certificate: X509Certificate | undefined, authorities: readonly X509Certificate[]): boolean {
  return authorities.some((one) => certificate?.checkIssued(one) && certificate.verify(one.publicKey));
}

function listReason(judged: 'good' | 'revoked' | 'stale' | undefined): GoneReason | undefined {
  return judged === 'revoked' ? 'peer-revoked' : judged === 'stale' ? 'peer-list-stale' : undefined;
}
