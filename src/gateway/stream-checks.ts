/** What the streams of a configuration may not say, alone or together, each at its key. */
import type { RefinementCtx } from 'zod';
import type { AdminOptions } from '../admin/options.ts';
import { addressesOf, type ListenersDocument } from '../edge/listener-plan.ts';
import { type PeersDocument, rowsOf } from '../peers/options.ts';
import type { StreamAddress, StreamOptions } from '../streams/options.ts';
import { unknownName } from './unknown-name.ts';

interface CheckedStreams extends ListenersDocument, PeersDocument {
  readonly streams: Readonly<Record<string, StreamOptions>>;
  readonly admin: Pick<AdminOptions, 'listen'>;
}

type Path = (string | number)[];
type Report = (path: Path, message: string, hint?: string, other?: Path) => void;

/** Reports what is contradictory. */
export function checkStreams(document: CheckedStreams, context: RefinementCtx): void {
  const report: Report = (path, message, hint, other) =>
    context.addIssue({ code: 'custom', path: ['streams', ...path], message, input: document, params: { hint, other } });
  const entries = Object.entries(document.streams);
  for (const [name, options] of entries) {
    checkTls(options, (path, ...words) => report([name, ...path], ...words));
    checkUpstream(options, (path, ...words) => report([name, ...path], ...words));
  }
  checkServices(document, report);
  checkShared(entries, report);
  checkPorts(document, entries, report);
}

function checkTls(options: StreamOptions, report: Report): void {
  const { listen, hosts, passthrough, tls, clientCertificates, networks } = options;
  const plain = listen.find(({ isSecure }) => !isSecure);
  const hasTls = listen.some(({ isSecure }) => isSecure);
  if (plain && hasTls)
    report(
      ['listen'],
      'mixes tls:// and tcp://',
      'make two streams of it: what comes over TLS is judged in other ways',
    );
  if (passthrough && plain) report(['passthrough'], 'passes TLS through, and listen is tcp://', 'write tls://');
  if (passthrough && tls)
    report(['tls'], 'ends TLS here, and passthrough lets it through as it is', 'keep one of the two');
  if (passthrough && clientCertificates.ask !== 'never')
    report(
      ['clientCertificates'],
      'are judged where TLS ends, and passthrough lets it through',
      'take one of the two out',
    );
  if (hasTls && !tls && !passthrough)
    report(['listen'], 'is tls://, which needs tls: { certificate: FILE, key: FILE }', 'or passthrough: true');
  if (plain && !hasTls && tls) report(['tls'], 'is for a tls:// address, and listen has none');
  if (plain && !hasTls && clientCertificates.ask !== 'never')
    report(['clientCertificates'], 'are shown over TLS, and listen is tcp://');
  if (plain && hosts.length > 0) report(['hosts'], 'are told by TLS, and listen is tcp://');
  if (plain && !networks && !isLoopback(plain))
    report(
      ['listen'],
      `lets in whoever reaches ${plain.origin}, without TLS`,
      'listen on 127.0.0.1, or say under networks who may connect',
    );
  if (tls && new Set(tls.map(({ minVersion }) => minVersion)).size > 1)
    report(['tls'], 'must have the same minVersion at each certificate', 'or give the host a stream of its own');
}

function checkServices(document: CheckedStreams, report: Report): void {
  const names = Object.keys(document.services);
  const hasOwnAnchors = rowsOf(document).some(({ ownAnchors }) => ownAnchors.length > 0);
  for (const [name, { service, clientCertificates }] of Object.entries(document.streams)) {
    const isAsked = clientCertificates.ask !== 'never';
    if (isAsked && !clientCertificates.authorities && !hasOwnAnchors)
      report(
        [name, 'clientCertificates', 'authorities'],
        'must name who vouches for the clients',
        'the certificate of the CA that has issued theirs; or peers with certificate: FILE, which need none',
      );
    if (service === undefined) continue;
    if (!names.includes(service)) report([name, 'service'], ...unknownName(names, service, 'service'));
    else if (!isAsked)
      report(
        [name, 'service'],
        'is for machines that show certificates, and the stream asks for none',
        'write clientCertificates: { ask: required, authorities: FILE }',
      );
  }
}

function checkUpstream({ passthrough, upstream }: StreamOptions, report: Report): void {
  const { servers, certificate, key, ca } = upstream;
  const secure = servers.some(({ isSecure }) => isSecure);
  if (passthrough && secure)
    report(['upstream'], 'would put TLS into TLS: passthrough lets it through as it is', 'write tcp://');
  if ((certificate === undefined) !== (key === undefined))
    report(
      ['upstream', certificate === undefined ? 'certificate' : 'key'],
      'is missing beside the other',
      'name both files',
    );
  if (!secure && (ca !== undefined || certificate !== undefined))
    report(['upstream', ca === undefined ? 'certificate' : 'ca'], 'is for TLS, and no server is tls://');
}

/** Which streams stand at one address, and whether they can be told apart there. */
function checkShared(entries: readonly (readonly [string, StreamOptions])[], report: Report): void {
  const taken = new Map<string, string>();
  for (const [name, { listen, hosts }] of entries)
    for (const origin of new Set(listen.map((one) => one.origin)))
      for (const host of hosts.length > 0 ? hosts : [undefined]) {
        const key = `${origin} ${host ?? ''}`;
        const other = taken.get(key);
        if (other === undefined) taken.set(key, name);
        else
          report(
            [name, host === undefined ? 'listen' : 'hosts'],
            host === undefined
              ? `takes ${origin} without hosts, as ${other} does: nothing tells them apart`
              : `has ${host} at ${origin}, as ${other} does`,
            host === undefined ? 'name the hosts of one of them, over tls://' : undefined,
            ['streams', other],
          );
      }
}

/** A port is a listener's, the operator's or a stream's. */
function checkPorts(
  document: CheckedStreams,
  entries: readonly (readonly [string, StreamOptions])[],
  report: Report,
): void {
  const own = new Map<string, string>();
  for (const { protocol, hostname, port } of addressesOf(document))
    own.set(`${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`, 'a listener');
  const { hostname, port } = document.admin.listen;
  own.set(`${hostname}:${port || 80}`, 'the operator');
  const schemes = new Map<string, string>();
  for (const [name, { listen }] of entries)
    for (const [index, { origin, port: number }] of listen.entries()) {
      if (number === 0) continue;
      const [scheme = '', place = ''] = origin.split('://');
      const other = schemes.get(place) ?? scheme;
      schemes.set(place, other);
      const owner = own.get(place) ?? (other === scheme ? undefined : `a stream with ${other}://`);
      if (owner) report([name, 'listen', index], `is the address of ${owner}, too`, 'choose another port');
    }
}

function isLoopback({ host }: StreamAddress): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
