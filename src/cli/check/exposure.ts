/** What `gatehouse check` says of settings that work and leave a door open: clear text, trust in everybody, no lock-out. */

import { isLoopback } from '../../admin/options.ts';
import type { ConfigIssue, KeyPath } from '../../config/load.ts';
import type { Network } from '../../core/address.ts';
import { addressesOf } from '../../edge/listener-plan.ts';
import type { Document } from '../../gateway/document.ts';
import { clearAddress } from '../../providers/oidc/back-channel.ts';
import type { Reading } from '../../runtime/reading.ts';
import { optionsOf } from './provider-options.ts';

interface Exposure {
  readonly path: KeyPath;
  readonly message: string;
  readonly hint: string;
}

/** Warnings about the whole configuration, each at its key. */
export function exposureWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  const found = [
    ...serverExposures(document),
    ...lockoutExposures(document),
    ...providerExposures(document),
    ...routeExposures(document),
  ];
  return found.map(({ path, message, hint }) => ({ ...locate(path), message, hint }));
}

function serverExposures(document: Document): Exposure[] {
  const { server } = document;
  const everybody = (key: KeyPath, networks: readonly Network[], by: string, named: string): Exposure[] =>
    networks.flatMap(({ prefix }, index) =>
      prefix > 0
        ? []
        : {
            path: [...key, index],
            message: `believes everybody: any client can say by ${by} that it is somebody else`,
            hint: `name the addresses of the ${named} in front, such as 10.0.0.5`,
          },
    );
  const found = [
    ...everybody(['server', 'trustedProxies'], server.trustedProxies, 'X-Forwarded-For', 'proxies'),
    ...everybody(['server', 'proxyProtocol'], server.proxyProtocol, 'a PROXY header', 'balancers'),
    ...Object.entries(document.listeners ?? {}).flatMap(([name, { proxyProtocol = [] }]) =>
      everybody(['listeners', name, 'proxyProtocol'], proxyProtocol, 'a PROXY header', 'balancers'),
    ),
  ];
  const isOpen = addressesOf(document).some(({ hostname }) => hostname === '0.0.0.0' || hostname === '[::]');
  if (server.publicUrl.protocol === 'http:' && isOpen)
    found.push({
      path: ['server', 'publicUrl'],
      message:
        'is plain http and the gateway listens on all addresses: passwords and cookies cross the network in clear',
      hint: 'listen on https (docs/tls.md), or on 127.0.0.1 behind a proxy that ends TLS, with an https:// publicUrl',
    });
  return found;
}

function lockoutExposures({ login }: Document): Exposure[] {
  return (['user', 'address'] as const).flatMap((of) =>
    login.lockout[of] > 0
      ? []
      : {
          path: ['login', 'lockout', of],
          message: `0 switches the lock-out off: ${of === 'user' ? 'the password of an account' : 'passwords from one address'} may be guessed without end`,
          hint: 'leave it out for the usual number',
        },
  );
}

/** A browser that sees https is told so; a site of plain http takes passwords of scripts from this machine alone. */
function routeExposures({ server, routes }: Document): Exposure[] {
  const { protocol, hostname } = server.publicUrl;
  if (protocol === 'https:' || isLoopback(hostname)) return [];
  return routes.flatMap(({ access }, index) =>
    typeof access === 'object' && access.basic
      ? {
          path: ['routes', index, 'access', 'basic'],
          message: 'takes passwords over https or from this machine only, and publicUrl is plain http',
          hint: 'end TLS here or at a proxy in server.trustedProxies, with an https:// publicUrl',
        }
      : [],
  );
}

function providerExposures({ providers }: Document): Exposure[] {
  return Object.entries(providers).flatMap(([name, options]): Exposure[] => {
    const path = ['providers', name, 'url'];
    const ldap = optionsOf('ldap', options);
    const clear = ldap?.url.find(({ secure, host }) => !secure && !ldap.startTls && !isLoopback(host));
    if (clear)
      return [{ path, message: `sends passwords to ${clear.host} in clear`, hint: 'use ldaps://, or startTls: true' }];
    const oidc = optionsOf('oidc', options);
    const clearKey = oidc && clearAddress(oidc);
    if (clearKey)
      return [
        {
          path: ['providers', name, clearKey],
          message: 'is plain http: whoever is on the way can read the secret and the tokens, and sign in as anybody',
          hint: 'use https://, unless this network is your own from end to end',
        },
      ];
    const cas = optionsOf('cas', options);
    if (cas?.url.protocol !== 'http:' || isLoopback(cas.url.hostname)) return [];
    const message = 'is plain http: whoever is on the way can read and change what CAS says of users';
    return [{ path, message, hint: 'use the https:// address of the CAS server' }];
  });
}
