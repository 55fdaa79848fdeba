/** Where certificates stand in a configuration, each with the side on which it is shown. */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { OperatorError } from '../../core/errors.ts';
import type { Document } from '../../gateway/document.ts';
import { routesOf } from '../../gateway/routes.ts';
import { readAuthorities } from '../../tls/authorities.ts';
import { orderChain, ownAmong } from '../../tls/chain-report.ts';
import type { CertificateSource } from '../../tls/options.ts';
import type { TlsSide } from '../../tls/purpose.ts';
import { readSource } from './material.ts';

/** One certificate with its chain. */
interface CertificatePlace {
  /** The key of the configuration, in words. */
  readonly where: string;
  readonly side: TlsSide;
  /** The name under which it is asked for, where that is known. */
  readonly host: string | undefined;
  /** In the order of the file. */
  read(): Promise<readonly X509Certificate[]>;
  /** Authorities besides the usual ones. */
  anchors(): readonly X509Certificate[];
}

/** A listener with its certificates. */
export interface ListenerCertificates {
  readonly name: string;
  /** Its key in the configuration. */
  readonly at: string;
  /** Under which it is asked for, the first of several first; none where that is not known. */
  readonly hosts: readonly string[];
  readonly sources: readonly CertificateSource[];
}

/** Every listener that has certificates. */
export function listenerCertificates({ server }: Document): readonly ListenerCertificates[] {
  return server.tls
    ? [{ name: 'public', at: 'server.tls', hosts: [server.publicUrl.hostname], sources: server.tls }]
    : [];
}

/** All of them. */
export function certificatePlaces(document: Document): readonly CertificatePlace[] {
  const served = listenerCertificates(document).flatMap(({ at, hosts, sources }) =>
    sources.map(
      (source, index): CertificatePlace => ({
        where: sources.length > 1 ? `${at}[${index}]` : at,
        side: 'server',
        host: sources.length === 1 ? hosts[0] : undefined,
        read: async () => (await readSource(source)).certificates,
        anchors: () => (source.ca === undefined ? [] : readAuthorities(source.ca).certificates),
      }),
    ),
  );
  const shown = routesOf(document).flatMap(({ upstream }, index): CertificatePlace[] => {
    const pem = upstream?.tls?.certificate;
    if (pem === undefined) return [];
    const chain = (pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []).map(
      (one) => new X509Certificate(one),
    );
    const where = `routes[${index}].upstream.certificate`;
    return [{ where, side: 'client', host: undefined, read: async () => chain, anchors: () => [] }];
  });
  return [...served, ...shown];
}

/** The certificate of a listener with its chain and its key, the first where it has several. */
export async function listenerChain(
  document: Document,
  name: string,
): Promise<{ readonly chain: readonly X509Certificate[]; readonly key: KeyObject | undefined }> {
  const all = listenerCertificates(document);
  const [source] = all.find((one) => one.name === name)?.sources ?? [];
  if (!source)
    throw new OperatorError(
      `there is no listener ${name} with a certificate`,
      all.length > 0 ? `there is ${all.map((one) => one.name).join(', ')}` : 'the configuration has no tls: at all',
    );
  const { certificates, keys } = await readSource(source);
  return chainWithKey(certificates, keys);
}

/** The certificate whose key is there, and after it its issuers; without a key the first that is no authority's. */
export function chainWithKey(
  certificates: readonly X509Certificate[],
  keys: readonly KeyObject[],
): { readonly chain: readonly X509Certificate[]; readonly key: KeyObject | undefined } {
  const own = ownAmong(certificates);
  for (const leaf of own)
    for (const key of keys) if (leaf.checkPrivateKey(key)) return { chain: chainFrom(leaf, certificates), key };
  const [leaf] = own;
  return { chain: leaf ? chainFrom(leaf, certificates) : [], key: undefined };
}

function chainFrom(leaf: X509Certificate, certificates: readonly X509Certificate[]): readonly X509Certificate[] {
  return orderChain([leaf, ...certificates.filter((certificate) => certificate !== leaf)]);
}
