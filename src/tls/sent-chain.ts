/** The certificates that a server sends, in its own order and with what does not belong there. For reports only. */
import type { X509Certificate } from 'node:crypto';
import { insecureConnectTls } from './client.ts';

/** The chain of a server. */
interface SentChain {
  readonly certificates: readonly X509Certificate[];
  /** The version of TLS that was spoken, such as `TLSv1.3`. */
  readonly protocol: string;
}

/** What a connection for a report is made with. */
interface AskedServer {
  readonly host: string;
  readonly port: number;
  /** The server name to ask for, where it is not the host. */
  readonly servername?: string;
  readonly signal: AbortSignal;
}

const maxChain = 32;

/** Shakes hands without trusting anybody, keeps the chain and hangs up; sends nothing. Rejects with the handshake's error. */
export function insecureReadSentChain({ host, port, servername, signal }: AskedServer): Promise<SentChain> {
  return new Promise((resolve, reject) => {
    const socket = insecureConnectTls(
      { host, port, ...(servername !== undefined && { servername }) },
      // No CA at all: what is shown comes from the server and not from this machine. And an old server must be able to
      // answer, or nothing could be said about its certificate.
      { ca: [], minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' },
    );
    const abort = (): void => void socket.destroy(new Error('the server did not answer in time'));
    signal.addEventListener('abort', abort, { once: true });
    socket
      .once('secureConnect', () => {
        resolve({ protocol: socket.getProtocol() ?? '', certificates: sentWith(socket.getPeerX509Certificate()) });
        socket.destroy();
      })
      .on('error', reject)
      .once('close', () => {
        signal.removeEventListener('abort', abort);
        reject(new Error('the server hung up during the TLS handshake'));
      });
  });
}

/** Node strings a peer's certificates together as they were sent, whether or not each has issued the one before. */
function sentWith(leaf: X509Certificate | undefined): X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let next = leaf; next && chain.length < maxChain; next = next.issuerCertificate) chain.push(next);
  return chain;
}
