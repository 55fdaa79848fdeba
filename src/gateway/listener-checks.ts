/** What the listeners of a configuration may not say together, each at its key. */
import type { RefinementCtx } from 'zod';
import type { AdminOptions } from '../admin/options.ts';
import { type ListenersDocument, placeOf } from '../edge/listener-plan.ts';
import { defaultListen, type ListenerOptions } from '../edge/options.ts';
import type { CertificateSource } from '../tls/options.ts';

interface CheckedListeners extends ListenersDocument {
  readonly server: ListenersDocument['server'] & { readonly publicUrl: URL };
  readonly admin: Pick<AdminOptions, 'listen'>;
}

type Path = (string | number)[];
type Report = (path: Path, message: string, hint?: string, other?: Path) => void;

/** Reports contradictions between listeners, in either form. */
export function checkListeners(document: CheckedListeners, context: RefinementCtx): void {
  const report: Report = (path, message, hint, other) =>
    context.addIssue({ code: 'custom', path, message, input: document, params: { hint, other } });
  if (document.listeners) checkForms(document, report);
  else checkShortForm(document, report);
}

function checkShortForm({ server, admin }: CheckedListeners, report: Report): void {
  const { listen, tls, redirectHttp, publicUrl } = server;
  for (const [index, { protocol, host, port }] of listen.entries()) {
    if (protocol === 'https:' && !tls)
      report(['server', 'listen', index], 'is https, which needs server.tls: { certificate: FILE, key: FILE }');
    if (host === admin.listen.host && port !== '0')
      report(['admin', 'listen'], 'is the public address; the operator needs one of its own');
  }
  const hasHttps = listen.some(({ protocol }) => protocol === 'https:');
  if (tls && !hasHttps) report(['server', 'tls'], 'is for an https:// address, and server.listen has none');
  checkVersions(tls, ['server', 'tls'], report);
  if (!redirectHttp) return;
  if (publicUrl.protocol !== 'https:') report(['server', 'redirectHttp'], 'needs a publicUrl that is https://');
  else if (!hasHttps || listen.every(({ protocol }) => protocol === 'https:'))
    report(['server', 'redirectHttp'], 'needs both an http:// and an https:// address in server.listen');
}

function checkForms({ server, listeners = {}, admin }: CheckedListeners, report: Report): void {
  const short = { listen: server.listen[0] !== defaultListen, tls: server.tls, redirectHttp: server.redirectHttp };
  for (const [key, said] of Object.entries(short))
    if (said)
      report(
        ['server', key],
        'is the short form for one listener, and listeners are written one by one',
        `move it to listeners.NAME.${key}, and take it out here`,
        ['listeners'],
      );
  const entries = Object.entries(listeners);
  if (entries.length === 0) report(['listeners'], 'must name one at least', 'or leave it out, for server.listen');
  for (const [name, one] of entries) checkListener(name, one, { server, admin }, report);
  checkAddresses(entries, report);
}

function checkListener(
  name: string,
  { listen, tls, hosts, clientCertificates, redirectHttp }: ListenerOptions,
  { server, admin }: Pick<CheckedListeners, 'server' | 'admin'>,
  report: Report,
): void {
  const at = (...path: Path): Path => ['listeners', name, ...path];
  const hasHttps = listen.some(({ protocol }) => protocol === 'https:');
  const hasHttp = listen.some(({ protocol }) => protocol === 'http:');
  if (hasHttps && !tls)
    report(at('listen'), `is https, which needs listeners.${name}.tls: { certificate: FILE, key: FILE }`);
  if (tls && !hasHttps) report(at('tls'), 'is for an https:// address, and listen has none');
  checkVersions(tls, at('tls'), report);
  if (hosts.length > 0 && hasHttp)
    report(
      at('hosts'),
      'are told by TLS, and listen has an http:// address',
      'give that address a listener of its own',
    );
  if (clientCertificates.ask !== 'never' && hasHttp)
    report(at('clientCertificates'), 'are shown over TLS, and listen has an http:// address');
  if (redirectHttp && !hasHttp) report(at('redirectHttp'), 'is for an http:// address, and listen has none');
  if (redirectHttp && server.publicUrl.protocol !== 'https:')
    report(at('redirectHttp'), 'needs a server.publicUrl that is https://');
  if (listen.some(({ host, port }) => host === admin.listen.host && port !== '0'))
    report(
      ['admin', 'listen'],
      'is the address of a listener; the operator needs one of its own',
      undefined,
      at('listen'),
    );
}

/** OpenSSL chooses the version before it knows which certificate is asked for. */
function checkVersions(tls: readonly CertificateSource[] | undefined, path: Path, report: Report): void {
  if (tls && new Set(tls.map(({ minVersion }) => minVersion)).size > 1)
    report(path, 'must have the same minVersion at each certificate', 'or give the host a listener of its own');
}

/** Which listeners stand at one address, and whether they can be told apart there. */
function checkAddresses(entries: readonly (readonly [string, ListenerOptions])[], report: Report): void {
  const taken = new Map<string, string>();
  const schemes = new Map<string, string>();
  const networksAt = new Map<string, readonly [name: string, networks: string]>();
  for (const [name, { listen, hosts, proxyProtocol }] of entries) {
    const balancers = JSON.stringify(proxyProtocol ?? 'server');
    for (const address of new Map(listen.map((one) => [placeOf(one), one])).values()) {
      const place = placeOf(address);
      const socket = `${address.hostname}:${address.port || (address.protocol === 'https:' ? 443 : 80)}`;
      const scheme = schemes.get(socket);
      if (scheme !== undefined && scheme !== address.protocol && address.port !== '0')
        report(
          ['listeners', name, 'listen'],
          `takes ${socket} for ${address.protocol}//, and another listener for ${scheme}//`,
        );
      schemes.set(socket, address.protocol);
      const before = networksAt.get(place) ?? [name, balancers];
      networksAt.set(place, before);
      if (before[1] !== balancers)
        report(
          ['listeners', name, 'proxyProtocol'],
          `differs from that of ${before[0]} at the same address`,
          'a PROXY header comes before the host is known: say the same at both',
          ['listeners', before[0], 'proxyProtocol'],
        );
      for (const host of hosts.length > 0 ? hosts : [undefined]) {
        const key = `${place} ${host ?? ''}`;
        const other = taken.get(key);
        if (other === undefined) taken.set(key, name);
        else
          report(
            ['listeners', name, host === undefined ? 'listen' : 'hosts'],
            host === undefined
              ? `takes ${place} without hosts, as ${other} does: nothing tells them apart`
              : `has ${host} at ${place}, as ${other} does`,
            host === undefined ? 'name the hosts of one of them, over https' : undefined,
            ['listeners', other],
          );
      }
    }
  }
}
