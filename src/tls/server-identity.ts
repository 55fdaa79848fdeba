/** Whether the server at the other end is the one that is meant: by the names of its certificate, by what is pinned, by both. */
import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { PinMismatchError, showsPin } from './pins.ts';

/** What is known of a server beforehand. */
interface ExpectedServer {
  /** The name that its certificate must carry; absent where the certificate itself is known and no name was asked for. */
  readonly name: string | undefined;
  /** Pins of its key or thumbprints of its certificate, any of which must be its own. */
  readonly pins: readonly string[];
  /** Its certificate itself, imported from a file. */
  readonly imported: X509Certificate | undefined;
}

/**
 * What is wrong with the certificate that a server shows, whose chain was checked before. The Common Name never counts (RFC 9525
 * §2): a certificate without subjectAltName passes only where it is known itself, by its SHA-256 thumbprint or as a file.
 */
export function serverFault({ name, pins, imported }: ExpectedServer, shown: PeerCertificate): Error | undefined {
  const certificate = new X509Certificate(shown.raw);
  if (imported && !certificate.raw.equals(imported.raw)) return new PinMismatchError(certificate);
  const isKnown = imported !== undefined || showsPin(pins.filter(isWholeCertificate), certificate);
  const needsName = !(isKnown && certificate.subjectAltName === undefined);
  const fault = name !== undefined && needsName ? nameFault(name, shown, certificate) : undefined;
  if (fault) return fault;
  return pins.length === 0 || showsPin(pins, certificate) ? undefined : new PinMismatchError(certificate);
}

/** A SHA-256 thumbprint names one certificate; a pin of a key names many, a SHA-1 thumbprint may. */
function isWholeCertificate(pin: string): boolean {
  return /^[0-9a-f]{64}$/.test(pin);
}

function nameFault(name: string, shown: PeerCertificate, certificate: X509Certificate): Error | undefined {
  // Without its subject there is no Common Name that Node could fall back to.
  const fault = checkServerIdentity(name, { ...shown, subject: {} as PeerCertificate['subject'] });
  if (!fault) return undefined;
  return standsAsCommonNameOnly(certificate, name) ? new CommonNameError(name) : fault;
}

/** The name stands in the certificate, at a place that does not count. */
class CommonNameError extends Error {
  readonly code = 'GATEHOUSE_COMMON_NAME';
  constructor(name: string) {
    super(name);
    this.name = 'CommonNameError';
  }
}

/** Whether a name counts only as the Common Name of a certificate, as Node and older clients take it. */
function standsAsCommonNameOnly(certificate: X509Certificate, host: string): boolean {
  if (isIP(host) !== 0) return false;
  return certificate.checkHost(host, { subject: 'never' }) === undefined && certificate.checkHost(host) !== undefined;
}
