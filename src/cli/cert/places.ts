/** Where certificates stand in a configuration, each with the side on which it is shown. */
import { type KeyObject, X509Certificate } from 'node:crypto';
import { OperatorError } from '../../core/errors.ts';
import { plansOf } from '../../edge/listener-plan.ts';
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
  /** Whether that name must stand in it exactly. */
  readonly isExact: boolean;
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

/** Every listener and stream that has certificates; a stream goes by `stream:` where a listener has its name. */
export function listenerCertificates(document: Document): readonly ListenerCertificates[] {
  const { publicUrl } = document.server;
  const listeners = plansOf(document).map(({ name, hosts, tls: sources = [] }) => {
    const at = document.listeners ? `listeners.${name}.tls` : 'server.tls';
    return { name, at, sources, hosts: hosts.length > 0 ? hosts : [publicUrl.hostname] };
  });
  const streams = Object.entries(document.streams).map(([name, { hosts, tls: sources = [] }]) => ({
    name: listeners.some((one) => one.name === name) ? `stream:${name}` : name,
    ...{ at: `streams.${name}.tls`, sources, hosts },
  }));
  return [...listeners, ...streams].filter(({ sources }) => sources.length > 0);
}

/** All of them. */
export function certificatePlaces(document: Document): readonly CertificatePlace[] {
  const served = listenerCertificates(document).flatMap(({ at, hosts, sources }) =>
    sources.map(
      (source, index): CertificatePlace => ({
        where: sources.length > 1 ? `${at}[${index}]` : at,
        side: 'server',
        host: source.name ?? (sources.length === 1 ? hosts[0] : undefined),
        isExact: source.name !== undefined,
        read: async () => (await readSource(source)).certificates,
        anchors: () => (source.ca === undefined ? [] : readAuthorities(source.ca).certificates),
      }),
    ),
  );
  const routes = routesOf(document).map(({ upstream }, index) => [`routes[${index}]`, upstream?.tls] as const);
  const streams = Object.entries(document.streams).map(([name, one]) => [`streams.${name}`, one.upstream] as const);
  const shown = [...routes, ...streams].flatMap(([at, tls]) =>
    tls?.certificate === undefined ? [] : [ownFace(`${at}.upstream.certificate`, tls.certificate)],
  );
  const peers = Object.entries(document.peers).flatMap(([name, { certificate }]) =>
    certificate ? [face(`peers.${name}.certificate`, [certificate])] : [],
  );
  return [...served, ...shown, ...peers];
}

function ownFace(where: string, pem: string): CertificatePlace {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return face(
    where,
    blocks.map((one) => new X509Certificate(one)),
  );
}

/** What is shown as a client; an imported one is its own anchor, and our own is for others to trust. */
function face(where: string, chain: readonly X509Certificate[]): CertificatePlace {
  return {
    where,
    side: 'client',
    host: undefined,
    isExact: false,
    read: async () => chain,
    anchors: () => chain.slice(-1),
  };
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
