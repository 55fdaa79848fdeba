/** What `gatehouse check` says of a recheck that asks nobody, and of offline logins that do not outlive the process. */
import type { ConfigIssue } from '../../config/load.ts';
import { providerKind } from '../../login/options.ts';
import type { Reading } from '../../runtime/reading.ts';
import { optionsOf } from './provider-options.ts';

/** Warnings about sessions that were to follow a directory, or to do without it. */
export function recheckWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  const { session, login, providers } = document;
  const canTell = login.chain.some((name) => {
    const provider = providers[name];
    if (!provider) return false;
    if (provider.mustExistIn !== undefined) return true;
    return providerKind(provider.type)?.isDirectory === true || optionsOf('kerberos', provider)?.lookup !== undefined;
  });
  const asksNobody = session.recheck > 0 && !canTell;
  const isForgotten = login.offline !== undefined && session.store.type === 'memory';
  return [
    ...(asksNobody
      ? [
          {
            ...locate(['session', 'recheck']),
            message: 'asks nobody: no provider of login.chain can say how an account stands',
            hint: 'those of type ldap and local can, kerberos with lookup, and any with mustExistIn',
          },
        ]
      : []),
    ...(isForgotten
      ? [
          {
            ...locate(['login', 'offline']),
            message: 'ends with the process: a store in memory keeps no password beyond a restart',
            hint: 'set session.store to { type: embedded, path: … }',
          },
        ]
      : []),
  ];
}
