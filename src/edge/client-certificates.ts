/** The certificates that clients show at a listener which asks for them: read once a handshake, judged by whoever decides. */
import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { Log } from '../core/log.ts';
import type { Arrival } from '../core/peer.ts';
import type { ClientCertificateOptions } from '../tls/options.ts';
import { readPeerCertificate } from '../tls/peer-certificate.ts';

interface ClientCertificateParts {
  readonly ask: ClientCertificateOptions['ask'];
  /** Who vouches for clients. */
  readonly authorities: readonly X509Certificate[];
  /** The listener's. */
  readonly name: string;
  readonly log: Log;
  /** Ends a connection that nobody vouches for any more; destroys it when absent. */
  readonly end?: (socket: TLSSocket) => void;
}

/** Those of one listener. */
export class ClientCertificates {
  readonly #parts: ClientCertificateParts;
  readonly #bare: Arrival;
  /** Connections that authorities have vouched for. */
  readonly #held = new Set<TLSSocket>();
  #authorities: readonly X509Certificate[];

  constructor(parts: ClientCertificateParts) {
    this.#parts = parts;
    this.#authorities = parts.authorities;
    this.#bare = { listener: parts.name, asks: true };
  }

  /** How a client comes whose handshake is done; undefined where it has not shown what is required. */
  arrivalOf(socket: TLSSocket): Arrival | undefined {
    const { ask, name, log } = this.#parts;
    const certificate = readPeerCertificate(socket);
    if (certificate) {
      if (certificate.chain.kind === 'held') {
        this.#held.add(socket);
        socket.once('close', () => this.#held.delete(socket));
      }
      return { listener: name, asks: true, certificate };
    }
    if (ask === 'optional') return this.#bare;
    const fields = { listener: name, address: socket.remoteAddress };
    log.info(fields, 'a client shows no certificate, and the listener requires one');
    return undefined;
  }

  /**
   * Others vouch for clients from here on. Where one of before is missing, the connections end that it may have vouched for:
   * all but those whose certificate one of the rest has issued itself. Their tickets have ended, too.
   */
  use(authorities: readonly X509Certificate[]): void {
    const { name, log, end = destroy } = this.#parts;
    const isLeft = ({ fingerprint256 }: X509Certificate): boolean =>
      authorities.some((one) => one.fingerprint256 === fingerprint256);
    const isComplete = this.#authorities.every(isLeft);
    this.#authorities = authorities;
    if (isComplete) return;
    const ended = [...this.#held].filter((socket) => !isIssuedBy(socket.getPeerX509Certificate(), authorities));
    for (const socket of ended) end(socket);
    if (ended.length > 0)
      log.warn({ listener: name, ended: ended.length }, 'connections were ended: an authority of the listener is gone');
  }
}

function destroy(socket: TLSSocket): void {
  socket.destroy();
}

function isIssuedBy(certificate: X509Certificate | undefined, authorities: readonly X509Certificate[]): boolean {
  return authorities.some((one) => certificate?.checkIssued(one) && certificate.verify(one.publicKey));
}
