/** The certificates of a listener, read from their files before they are put in place, with who vouches for its clients. */
import type { Authorities } from './authorities.ts';
import { readClientAuthorities } from './client-authorities.ts';
import type { AuthoritiesSource, CertificateSource, ClientCertificateOptions } from './options.ts';
import { prepareRevocation } from './revocation.ts';
import type { PreparedRevocation } from './revocation-notices.ts';
import { filesOf, readServerCertificate, type ServerCertificate } from './server-certificate.ts';

/** Certificates that have been read and await `use`. */
export interface PreparedCertificates {
  readonly served: readonly ServerCertificate[];
  /** Where clients are asked for theirs: who vouches for them. */
  readonly asked:
    | {
        readonly source: AuthoritiesSource | undefined;
        readonly authorities: Authorities;
        /** Where lists are configured. */
        readonly revocation: PreparedRevocation | undefined;
      }
    | undefined;
}

/** What is configured of the clients that are asked. */
type AskedClients = Pick<ClientCertificateOptions, 'authorities' | 'crl' | 'crlStale' | 'crlMaxAge'>;

/** Vouches for no client: each is known by its own certificate. */
const nobody: Authorities = { source: 'nobody', pem: [], certificates: [] };

/**
 * Reads certificates without putting them in place, and who vouches for clients where they are asked for theirs; throws an
 * OperatorError for the first that cannot serve. A revocation list that cannot be read is that of `before`, where it has one.
 */
export async function prepareCertificates(
  sources: readonly CertificateSource[],
  clients?: AskedClients,
  before?: PreparedRevocation,
): Promise<PreparedCertificates> {
  const asked = clients && (await prepareAsked(clients, before));
  const read = await Promise.all(sources.map((source) => readServerCertificate(source, asked?.authorities.pem)));
  // Files of one name in several folders are told apart by their whole path.
  const isAlone = (label: string): boolean => read.filter((other) => other.label === label).length === 1;
  const served = read.map((one) => (isAlone(one.label) ? one : { ...one, label: filesOf(one.source)[0] ?? one.label }));
  return { served, asked };
}

async function prepareAsked(
  { authorities: source, crl, crlStale, crlMaxAge }: AskedClients,
  before: PreparedRevocation | undefined,
): Promise<NonNullable<PreparedCertificates['asked']>> {
  const authorities = source ? readClientAuthorities(source) : nobody;
  const options = crl && { files: crl, stale: crlStale, maxAge: crlMaxAge };
  const revocation = options && (await prepareRevocation(options, authorities.certificates, before));
  return { source, authorities, revocation };
}
