/** The inbound table, compiled: which machines a certificate is, and what they may reach. Asked at each request and stream. */
import type { PeerCertificate, PeerRow, Service } from '../core/peer.ts';
import type { Reason } from '../core/reason.ts';
import { matchOf, type PeerFault, type PeerMatch, peerFault, rowFault } from '../tls/peer-match.ts';
import { type PeersDocument, rowsOf, servicesOf } from './options.ts';

/** What becomes of a machine that wants a service. */
export type PeerVerdict =
  /** `peer` is its row; absent where the listener's word alone lets it in. */
  | { readonly kind: 'admitted'; readonly peer?: string }
  | { readonly kind: 'refused'; readonly reason: Reason; readonly detail: string; readonly peer?: string };

/** What one row says of a certificate. */
interface RowFinding {
  readonly row: PeerRow;
  readonly match: PeerMatch;
  readonly fault: PeerFault | undefined;
}

/** The rows of one configuration. */
export class PeerTable {
  readonly #rows: readonly PeerRow[];
  readonly #services: ReadonlyMap<string, Service>;
  /** By digest, pin and name, so that a request costs the same however many rows there are. */
  readonly #byKey = new Map<string, PeerRow[]>();
  /** Whose URIs are patterns: these are looked at one by one. */
  readonly #patterns: readonly PeerRow[];

  constructor(rows: readonly PeerRow[], services: ReadonlyMap<string, Service>) {
    this.#rows = rows;
    this.#services = services;
    this.#patterns = rows.filter(({ uris }) => uris.some((uri) => uri.endsWith('/*')));
    for (const row of rows)
      for (const key of [...row.sha256, ...row.sha1, ...row.pins, ...row.names, ...row.uris]) {
        const known = this.#byKey.get(key);
        if (known) known.push(row);
        else this.#byKey.set(key, [row]);
      }
  }

  /** Whether a row needs no authority of the listener. */
  get hasOwnAnchors(): boolean {
    return this.#rows.some(({ ownAnchors }) => ownAnchors.length > 0);
  }

  /** What each row that knows a certificate says of it at this moment. */
  findings(certificate: PeerCertificate, now: number): readonly RowFinding[] {
    const { thumbprint, sha1, pin, names, uris } = certificate;
    const wild = names.map((name) => name.replace(/^[^.]+/, '*'));
    const found = new Set(this.#patterns);
    for (const key of [thumbprint, sha1, pin, ...names, ...wild, ...uris])
      for (const row of this.#byKey.get(key) ?? []) found.add(row);
    return [...found].flatMap((row) => {
      const match = matchOf(row, certificate);
      return match === undefined ? [] : [{ row, match, fault: rowFault(row, match, certificate, now) }];
    });
  }

  /** What speaks against a certificate whatever is asked for; undefined where its authorities or a row vouch for it. */
  fault(certificate: PeerCertificate, now: number): PeerFault | undefined {
    const fault = peerFault(certificate, now);
    if (!fault) return undefined;
    const findings = this.findings(certificate, now);
    return findings.some((finding) => !finding.fault) ? undefined : (findings[0]?.fault ?? fault);
  }

  /** Whether a machine may reach a service; of several rows that are its, any one will do. */
  judge(certificate: PeerCertificate | undefined, service: string, now: number): PeerVerdict {
    const known = this.#services.get(service);
    if (!known) return { kind: 'refused', reason: 'internal-error', detail: `there is no service ${service}` };
    if (!certificate)
      return {
        kind: 'refused',
        reason: 'peer-certificate-missing',
        detail: `the service ${service} is for machines that show a certificate`,
      };
    const findings = this.findings(certificate, now);
    const good = findings.filter(({ fault }) => !fault);
    const listed = good.find(({ row }) => row.services.includes(service));
    if (listed) return { kind: 'admitted', peer: listed.row.name };
    const peer = (good[0] ?? findings[0])?.row;
    const fault = good.length > 0 ? undefined : (findings[0]?.fault ?? peerFault(certificate, now));
    if (known.admit === 'any' && !fault) return { kind: 'admitted', ...(peer && { peer: peer.name }) };
    const named = peer && { peer: peer.name };
    const contact = peer?.contact === undefined ? '' : `; tell ${peer.contact}`;
    if (fault) return { kind: 'refused', reason: fault.reason, detail: fault.detail + contact, ...named };
    if (peer)
      return {
        ...({ kind: 'refused', reason: 'peer-not-admitted', ...named } as const),
        detail: `peers.${peer.name} does not name the service ${service}${contact}`,
      };
    return {
      kind: 'refused',
      reason: 'peer-unknown',
      detail: `no row of peers knows the certificate ${certificate.thumbprint} of ${certificate.subject}`,
    };
  }
}

/** The table of a configuration. */
export function tableOf(document: PeersDocument): PeerTable {
  return new PeerTable(rowsOf(document), servicesOf(document));
}
