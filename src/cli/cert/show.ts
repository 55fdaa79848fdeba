/** `gatehouse cert show`: every certificate of a configuration, what it is good for, and what is pinned. */
import type { X509Certificate } from 'node:crypto';
import type { Document } from '../../gateway/document.ts';
import { routesOf } from '../../gateway/routes.ts';
import { rowsOf, servicesOf } from '../../peers/options.ts';
import { PeerTable } from '../../peers/table.ts';
import { keyWords } from '../../tls/chain-advice.ts';
import { namesOf, ownAmong } from '../../tls/chain-report.ts';
import { peerCertificate } from '../../tls/peer-certificate.ts';
import { spkiPin } from '../../tls/pins.ts';
import { useWords } from '../../tls/purpose.ts';
import { exitCodes, type Invocation, UsageError } from '../command.ts';
import { requireConfiguration } from '../configuration.ts';
import { certificatePlaces } from './places.ts';

const day = 86_400_000;
/** From here on a pin should have its next one beside it. */
const soon = 30 * day;

interface Shown {
  readonly where: string;
  readonly side: 'server' | 'client';
  readonly subject: string;
  readonly names: readonly string[];
  /** The name that it is asked for by, and whether it stands in it exactly. */
  readonly host: string | undefined;
  readonly exact: boolean | undefined;
  readonly use: string;
  readonly key: string;
  readonly sha1: string;
  readonly sha256: string;
  readonly pin: string;
  readonly expires: string;
  readonly days: number;
  /** Rows of `peers` that know it. */
  readonly peers: readonly string[];
}

/** What is pinned of one machine, and what is known here of it. */
interface Pinned {
  readonly where: string;
  readonly pins: number;
  /** How many are of a certificate that stands in this configuration, and is good in 30 days still. */
  readonly good: number;
}

/** Runs the command. */
export async function showCertificates(invocation: Invocation, words: readonly string[]): Promise<number> {
  if (words.length > 0)
    throw new UsageError('cert show takes no words', 'cert check HOST:PORT|FILE looks at one certificate');
  const { document } = requireConfiguration(invocation);
  const now = Date.now();
  const table = new PeerTable(rowsOf(document), servicesOf(document));
  const certificates: Shown[] = [];
  const known: X509Certificate[] = [];
  for (const { where, side, host, read } of certificatePlaces(document)) {
    const [own] = ownAmong(await read());
    if (!own) continue;
    known.push(own);
    certificates.push({ ...shown(own, now), where, side, ...named(own, host), peers: matching(table, own, now) });
  }
  const pins = pinnedIn(document, known, now);
  const { terminal } = invocation;
  if (invocation.values.json === true)
    terminal.stdout.write(`${JSON.stringify({ certificates, pins }, undefined, 2)}\n`);
  else terminal.stdout.write(printed(certificates, pins));
  return certificates.every(({ days }) => days > 0) ? exitCodes.good : exitCodes.failed;
}

function shown(own: X509Certificate, now: number) {
  const ends = Date.parse(own.validTo);
  return {
    subject: own.subject.split('\n').reverse().join(', '),
    names: namesOf(own),
    use: useWords(own),
    key: keyWords(own),
    sha1: plain(own.fingerprint),
    sha256: plain(own.fingerprint256),
    pin: spkiPin(own),
    expires: new Date(ends).toISOString().slice(0, 10),
    days: Math.floor((ends - now) / day),
  };
}

function named(own: X509Certificate, host: string | undefined): Pick<Shown, 'host' | 'exact'> {
  return { host, exact: host === undefined ? undefined : namesOf(own).some((name) => name.toLowerCase() === host) };
}

function matching(table: PeerTable, own: X509Certificate, now: number): readonly string[] {
  return table.findings(peerCertificate(own, { kind: 'held' }), now).map(({ row }) => row.name);
}

function pinnedIn(document: Document, known: readonly X509Certificate[], now: number): readonly Pinned[] {
  const lasting = known.filter(({ validTo }) => Date.parse(validTo) - now > soon);
  const marks = new Set(lasting.flatMap((one) => [plain(one.fingerprint), plain(one.fingerprint256), spkiPin(one)]));
  const count = (where: string, pins: readonly string[]): Pinned[] =>
    pins.length === 0 ? [] : [{ where, pins: pins.length, good: pins.filter((pin) => marks.has(pin)).length }];
  const upstreams = routesOf(document).flatMap(({ upstream }, index) =>
    (upstream?.servers ?? []).flatMap(({ origin, trust }) =>
      count(`routes[${index}].upstream ${origin}`, trust?.pins ?? []),
    ),
  );
  const streams = Object.entries(document.streams).flatMap(([name, { upstream }]) =>
    upstream.servers.flatMap(({ origin, trust }) => count(`streams.${name}.upstream ${origin}`, trust?.pins ?? [])),
  );
  const rows = rowsOf(document).flatMap(({ name, sha256, sha1, pins }) =>
    count(`peers.${name}`, [...sha256, ...sha1, ...pins]),
  );
  return [...upstreams, ...streams, ...rows];
}

function printed(certificates: readonly Shown[], pins: readonly Pinned[]): string {
  const lines = certificates.flatMap((one) => {
    const row = (name: string, value: string): string => `   ${name.padEnd(10)} ${value}`;
    const exact =
      one.exact === undefined
        ? ''
        : `${one.host}: ${one.exact ? 'stands in it exactly' : 'does not stand in it exactly'}`;
    return [
      `${one.where} (shown as a ${one.side})`,
      row('subject', one.subject),
      row('names', one.names.join(', ') || 'none'),
      ...(exact === '' ? [] : [row('host', exact)]),
      row('use', one.use),
      row('key', one.key),
      row('SHA-1', `${one.sha1}  (as Windows shows it)`),
      row('SHA-256', one.sha256),
      row('SPKI pin', one.pin),
      row('ends', one.days < 0 ? `${one.expires}: it has expired` : `${one.expires}, in ${one.days} days`),
      ...(one.peers.length > 0 ? [row('peers', one.peers.join(', '))] : []),
      '',
    ];
  });
  const told = pins.map(
    ({ where, pins: count, good }) =>
      `${where}: ${count} pinned, ${good} of a certificate that stands here and is good in 30 days still`,
  );
  return `${[...lines, ...(told.length > 0 ? ['pins', ...told.map((line) => `   ${line}`), ''] : [])].join('\n')}`;
}

function plain(digest: string): string {
  return digest.replaceAll(':', '').toLowerCase();
}
