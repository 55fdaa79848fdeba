/**
 * How the gateway connects to any server over TLS, upstreams included: which authorities vouch, which name the certificate
 * carries, which keys are pinned, what the gateway itself shows.
 */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  checkServerIdentity,
  createSecureContext,
  type DetailedPeerCertificate,
  type PeerCertificate,
  type SecureContext,
} from 'node:tls';
import { type Authorities, systemAuthorities } from './authorities.ts';
import { PinMismatchError, spkiPin } from './pins.ts';

/** What vouches for a server. */
export interface Trust {
  /** Instead of the machine's authorities. */
  readonly ca?: Pick<Authorities, 'pem' | 'trustsEach'> | undefined;
  /** One of these keys must be the server's own. Asked in addition to chain and name, never instead of them. */
  readonly pins?: readonly string[] | undefined;
  /** The name in the certificate, where it is not the host of the URL. */
  readonly servername?: string | undefined;
  /** Our own certificate and its key in PEM, for a server that asks for one. */
  readonly own?: { readonly certificate: string; readonly key: string } | undefined;
}

/** Options for `tls.connect` and whatever passes its options on, such as undici's `connect`. */
export interface TlsClientOptions {
  readonly secureContext: SecureContext;
  /** Set outright: an environment with NODE_TLS_REJECT_UNAUTHORIZED=0 does not weaken it. */
  readonly rejectUnauthorized: true;
  readonly minVersion: 'TLSv1.2';
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined;
  readonly servername?: string;
}

/** Makes the options once; they are for many connections, as reading the authorities takes some milliseconds. */
export function tlsClientOptions(trust: Trust = {}): TlsClientOptions {
  const { pins = [], servername } = trust;
  return {
    secureContext: contextOf(trust),
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    checkServerIdentity: (host, certificate) => {
      const expected = servername ?? host;
      return checkServerIdentity(expected, certificate as DetailedPeerCertificate) ?? checkPins(pins, certificate);
    },
    // RFC 6066 §3: an address is not a server name.
    ...(servername !== undefined && isIP(servername) === 0 && { servername }),
  };
}

let machines: SecureContext | undefined;

/** The one with the machine's authorities is shared: it takes some milliseconds and holds hundreds of them. */
function contextOf({ ca, own }: Trust): SecureContext {
  if (!ca && !own) {
    machines ??= createSecureContext({ ca: [...systemAuthorities()], minVersion: 'TLSv1.2' });
    return machines;
  }
  return createSecureContext({
    ca: [...(ca?.pem ?? systemAuthorities())],
    minVersion: 'TLSv1.2',
    allowPartialTrustChain: ca?.trustsEach === true,
    ...(own && { cert: own.certificate, key: own.key }),
  });
}

/** Only the server's own key counts: a chain may carry certificates that no signature leads to. */
function checkPins(pins: readonly string[], certificate: PeerCertificate): Error | undefined {
  if (pins.length === 0) return undefined;
  const shown = spkiPin(new X509Certificate(certificate.raw));
  return pins.includes(shown) ? undefined : new PinMismatchError(shown);
}
