/** `gatehouse explain --peer`: what a machine's certificate, or a row of the table, comes to at a service, row by row. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { OperatorError } from '../core/errors.ts';
import type { PeerCertificate, PeerRow } from '../core/peer.ts';
import { type ListenersDocument, plansOf } from '../edge/listener-plan.ts';
import { type PeersDocument, rowsOf } from '../peers/options.ts';
import { tableOf } from '../peers/table.ts';
import { readClientAuthorities } from '../tls/client-authorities.ts';
import { peerCertificate } from '../tls/peer-certificate.ts';
import { isForUse } from '../tls/purpose.ts';
import { UsageError } from './command.ts';

/** What it says, and whether the machine would get through. */
interface PeerExplanation {
  readonly lines: readonly string[];
  readonly isAdmitted: boolean;
}

/** Explains a certificate in a file, or a row by its name. */
export function explainPeer(
  document: PeersDocument & ListenersDocument,
  { peer, service, usage }: { readonly peer: string; readonly service: string; readonly usage: string },
  now: number,
): PeerExplanation {
  if (!Object.hasOwn(document.services, service))
    throw new UsageError(
      `there is no service ${service}; there are ${Object.keys(document.services).join(', ') || 'none'}`,
      usage,
    );
  const row = rowsOf(document).find(({ name }) => name === peer);
  if (row && !existsSync(peer)) return explainRow(row, service, now);
  const certificate = certificateIn(peer, document);
  const table = tableOf(document);
  const verdict = table.judge(certificate, service, now);
  const rows = table.findings(certificate, now).map(({ row: { name, services, contact }, match, fault }) => {
    const names = services.includes(service) ? `names ${service}` : `does not name ${service}`;
    const more = [...(fault ? [`${fault.reason}: ${fault.detail}`] : []), ...(contact ? [`tell ${contact}`] : [])];
    return ['', `${name}  ${match}  ${[names, ...more].join('; ')}`] as const;
  });
  return {
    isAdmitted: verdict.kind === 'admitted',
    lines: laid([
      ['certificate', certificate.subject],
      ['thumbprint', certificate.thumbprint],
      ['pin', certificate.pin],
      ['names', [...certificate.names, ...certificate.uris].join(', ') || 'none (a Common Name does not count)'],
      ['use', certificate.use],
      ['valid', `${day(certificate.validFrom)} to ${day(certificate.validTo)}`],
      ['chain', chainWords(certificate)],
      ...(rows.length > 0 ? [['rows', ''] as const, ...rows] : [['rows', 'none knows it'] as const]),
      [
        'verdict',
        verdict.kind === 'admitted'
          ? `admitted as ${verdict.peer ?? 'a machine without a row'}`
          : `refused, ${verdict.reason}: ${verdict.detail}`,
      ],
    ]),
  };
}

/** A row without its certificate: what it would admit, by what is known of it. */
function explainRow(row: PeerRow, service: string, now: number): PeerExplanation {
  const isNamed = row.services.includes(service);
  const isOver = row.until !== undefined && row.until <= now;
  const reason = isOver ? 'peer-expired' : isNamed ? undefined : 'peer-not-admitted';
  return {
    isAdmitted: reason === undefined,
    lines: laid([
      ['row', row.name],
      ['known by', [...row.sha256, ...row.sha1, ...row.pins, ...row.names, ...row.uris].join(', ')],
      ['services', row.services.join(', ') || 'none'],
      ...(row.until === undefined ? [] : [['until', new Date(row.until).toISOString()] as const]),
      ...(row.contact === undefined ? [] : [['contact', row.contact] as const]),
      ['verdict', reason === undefined ? `admitted to ${service}, with a certificate that does` : `refused, ${reason}`],
    ]),
  };
}

/** As it would come to the first listener whose authorities vouch for it; intermediates are not looked for. */
function certificateIn(file: string, document: ListenersDocument): PeerCertificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(readFileSync(file));
  } catch (error) {
    throw new OperatorError(
      `${file} is neither a row of peers nor a certificate that can be read`,
      'name a row, or a file in PEM or DER',
      error,
    );
  }
  const vouching = plansOf(document).flatMap(({ clients }) =>
    clients?.authorities ? readClientAuthorities(clients.authorities).certificates : [],
  );
  const isHeld = vouching.some((one) => certificate.checkIssued(one) && certificate.verify(one.publicKey));
  if (isHeld && !isForUse(certificate, 'client'))
    return peerCertificate(certificate, { kind: 'broken', code: 'INVALID_PURPOSE' });
  return peerCertificate(
    certificate,
    isHeld ? { kind: 'held' } : { kind: 'broken', code: 'UNABLE_TO_GET_ISSUER_CERT' },
  );
}

function chainWords({ chain }: PeerCertificate): string {
  if (chain.kind === 'held') return 'an authority of a listener has issued it';
  return chain.code === 'INVALID_PURPOSE'
    ? 'an authority of a listener has issued it, for other uses'
    : 'no authority of a listener has issued it; with intermediates the machine shows them';
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

function laid(rows: readonly (readonly [string, string])[]): string[] {
  return rows.map(([name, text]) => `${name.padEnd(12)} ${text}`.trimEnd());
}
