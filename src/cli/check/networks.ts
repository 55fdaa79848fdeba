/** What `gatehouse check` says of networks that decide about access: proxies within them, and what they free from. */
import type { ConfigIssue, KeyPath } from '../../config/load.ts';
import { overlap } from '../../config/values.ts';
import { type Network, networkText } from '../../core/address.ts';
import { accessOf, networksOf } from '../../routing/access-options.ts';
import type { Reading } from '../../runtime/reading.ts';
import { optionsOf } from './provider-options.ts';

interface NetworkWarning {
  readonly path: KeyPath;
  readonly message: string;
  readonly hint: string;
}

/** Warnings about the networks of each route, and about those of clients that sign in by a ticket, or while a directory is away. */
export function networkWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  const { login, providers, routes, server } = document;
  const { trustedProxies } = server;
  return [
    ...shared(trustedProxies, login.offline?.networks ?? [], ['login', 'offline', 'networks']),
    ...Object.entries(providers).flatMap(([name, options]) =>
      shared(trustedProxies, optionsOf('kerberos', options)?.networks ?? [], ['providers', name, 'networks']),
    ),
    ...routes.flatMap(({ access }, index) => {
      const path = ['routes', index, 'access'];
      const rule = networksOf(access);
      return [
        ...shared(trustedProxies, rule?.networks ?? [], [...path, 'networks']),
        ...(rule?.satisfy === 'any' ? freed(access, rule.networks, path) : []),
      ];
    }),
  ].map(({ path, message, hint }) => ({ ...locate(path), message, hint }));
}

/** Networks that would hold every client whose proxy says nothing of it. */
function shared(proxies: readonly Network[], networks: readonly Network[], path: KeyPath): NetworkWarning[] {
  return networks.flatMap((network, index) => {
    const proxy = proxies.find((one) => overlap(one, network));
    return proxy === undefined
      ? []
      : {
          path: [...path, index],
          message: `overlaps with ${networkText(proxy)} of server.trustedProxies: whoever is behind a proxy there that says nothing of its client counts as within the network`,
          hint: 'leave the addresses of the proxies out, and let each proxy set X-Forwarded-For',
        };
  });
}

/** What nobody is asked for any more who comes from such a network. */
function freed(
  options: Parameters<typeof accessOf>[0],
  networks: readonly { readonly prefix: number }[],
  path: KeyPath,
): NetworkWarning[] {
  const access = accessOf(options);
  const everybody = networks.findIndex(({ prefix }) => prefix === 0);
  const found: NetworkWarning[] = [];
  if (everybody >= 0)
    found.push({
      path: [...path, 'networks', everybody],
      message: 'holds every address, so that nobody has to sign in here',
      hint: 'name the networks that are meant, or write access: public',
    });
  if (typeof access === 'string') return found;
  const asked = [
    ...(access.roles.length > 0 ? ['roles'] : []),
    ...(access.providers.length > 0 ? ['providers'] : []),
    ...((access.tenants ?? []).length > 0 ? ['tenants'] : []),
    ...((access.privileges ?? []).length > 0 ? ['privileges'] : []),
    ...(access.maxAge === undefined ? [] : ['maxAge']),
  ];
  if (asked.length > 0)
    found.push({
      path: [...path, 'satisfy'],
      message: `is any, so that from these networks ${asked.join(' and ')} count${asked.length > 1 ? '' : 's'} for nobody`,
      hint: 'write satisfy: all where both are meant',
    });
  return found;
}
