/** What services and the table of machines may not say together with routes and listeners, each at its key. */
import type { RefinementCtx } from 'zod';
import { type ListenersDocument, plansOf } from '../edge/listener-plan.ts';
import { type PeersDocument, rowsOf } from '../peers/options.ts';
import type { RoutesDocument } from './routes.ts';
import { unknownName } from './unknown-name.ts';

interface CheckedPeers extends PeersDocument, ListenersDocument, Pick<RoutesDocument, 'routes'> {
  readonly sharedSecrets: Readonly<Record<string, unknown>>;
  readonly streams: Readonly<Record<string, { readonly service?: string | undefined }>>;
}

type Report = (path: (string | number)[], message: string, hint?: string) => void;

/** Reports contradictions about machines. */
export function checkPeers(document: CheckedPeers, context: RefinementCtx): void {
  const report: Report = (path, message, hint) =>
    context.addIssue({ code: 'custom', path, message, input: document, params: { hint } });
  const { services, peers, routes, listeners = {} } = document;
  const names = Object.keys(services);
  checkSecrets(document, report);
  for (const [name, { services: wanted }] of Object.entries(peers))
    for (const [index, service] of wanted.entries())
      if (!Object.hasOwn(services, service))
        report(['peers', name, 'services', index], ...unknownName(names, service, 'service'));
  const isAsked = plansOf(document).some(({ clients }) => clients);
  for (const [index, { service, access }] of routes.entries()) {
    const at = (key: string) => ['routes', index, key];
    if (access === 'peers' && service === undefined)
      report(at('access'), 'is peers, and the route names no service', 'write service: NAME, one of services');
    if (service === undefined) continue;
    if (!Object.hasOwn(services, service)) report(at('service'), ...unknownName(names, service, 'service'));
    else if (!isAsked)
      report(
        at('service'),
        'is for machines that show certificates, and no listener asks for any',
        'write listeners.NAME.clientCertificates: { ask: required, authorities: FILE }',
      );
  }
  const hasOwnAnchors = rowsOf(document).some(({ ownAnchors }) => ownAnchors.length > 0);
  for (const [name, { clientCertificates }] of Object.entries(listeners))
    if (clientCertificates.ask !== 'never' && !clientCertificates.authorities && !hasOwnAnchors)
      report(
        ['listeners', name, 'clientCertificates', 'authorities'],
        'must name who vouches for the clients',
        'the certificate of the CA that has issued theirs; or peers with certificate: FILE, which need none',
      );
}

function checkSecrets({ services, sharedSecrets, streams, routes }: CheckedPeers, report: Report): void {
  const names = Object.keys(sharedSecrets);
  for (const [name, { secret }] of Object.entries(services))
    if (secret !== undefined && !Object.hasOwn(sharedSecrets, secret))
      report(['services', name, 'secret'], ...unknownName(names, secret, 'shared secret'));
  const asks = (service: string | undefined): boolean =>
    service !== undefined && services[service]?.secret !== undefined;
  for (const [name, { service }] of Object.entries(streams))
    if (asks(service))
      report(
        ['streams', name, 'service'],
        'asks for a shared secret, which a stream has no place for',
        'name a service without secret',
      );
  for (const [index, { service, access }] of routes.entries()) {
    if (!asks(service) || typeof access !== 'object') continue;
    const other = (['bearer', 'apiTokens', 'basic'] as const).find((key) => Reflect.get(access, key));
    if (other)
      report(
        ['routes', index, 'access', other],
        'reads the Authorization line, in which machines show the shared secret of the service',
        'take it out, or the secret of the service',
      );
  }
}
