/** What `gatehouse check` says of keys and users that others on the machine can get at, and of accounts of the demo. */
import path from 'node:path';
import type { ConfigIssue, KeyPath } from '../../config/load.ts';
import { exposedMode } from '../../config/suspicions.ts';
import { OperatorError } from '../../core/errors.ts';
import type { Document } from '../../gateway/document.ts';
import type { Reading } from '../../runtime/reading.ts';
import type { CertificateSource } from '../../tls/options.ts';
import { filesOf } from '../../tls/server-certificate.ts';
import { readUsers } from '../../users/users-file.ts';
import { optionsOf } from './provider-options.ts';

interface NamedFile {
  readonly path: KeyPath;
  readonly file: string;
}

/** Warnings about such files and the accounts in them; those that a secret is read from are `config/suspicions.ts`'s. */
export function secretWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  return [
    ...filesIn(document).flatMap(({ path: key, file }) =>
      exposedMode(file).map((words) => ({ ...locate(key), ...words })),
    ),
    ...demoWarnings(document).map(({ path: key, message, hint }) => ({ ...locate(key), message, hint })),
  ];
}

function filesIn({ providers, server, listeners = {}, streams }: Document): NamedFile[] {
  const named = Object.entries(providers).flatMap(([name, options]): NamedFile[] => {
    const users = optionsOf('local', options)?.users;
    const keytab = optionsOf('kerberos', options)?.keytab;
    return [
      ...(users === undefined ? [] : [{ path: ['providers', name, 'users'], file: users }]),
      ...(keytab === undefined ? [] : [{ path: ['providers', name, 'keytab'], file: keytab }]),
    ];
  });
  const places: [KeyPath, readonly CertificateSource[]][] = [
    [['server', 'tls'], server.tls ?? []],
    ...Object.entries(listeners).map(([name, { tls = [] }]): [KeyPath, readonly CertificateSource[]] => [
      ['listeners', name, 'tls'],
      tls,
    ]),
    ...Object.entries(streams).map(([name, { tls = [] }]): [KeyPath, readonly CertificateSource[]] => [
      ['streams', name, 'tls'],
      tls,
    ]),
  ];
  const keys = places.flatMap(([at, sources]) =>
    sources.map((source) => ({ path: at, file: filesOf(source).at(-1) ?? '' })),
  );
  return [...named, ...keys];
}

/** The names under which the demo of `npm start` makes its accounts. */
const demoNames = ['agent1', 'supervisor1', 'admin1'];

function demoWarnings({ providers }: Document): { path: KeyPath; message: string; hint: string }[] {
  return Object.entries(providers).flatMap(([name, options]) => {
    const file = optionsOf('local', options)?.users;
    if (file === undefined) return [];
    const left = demoNames.filter((user) => {
      const found = usersOf(file)?.get(user);
      return found?.email === `${user}@example.com` && !found.disabled;
    });
    if (left.length === 0) return [];
    const message = `${path.basename(file)} has accounts of the demo: ${left.join(', ')}`;
    const hint = 'fine for the demo; on a site name another file, or: gatehouse users disable NAME';
    return [{ path: ['providers', name, 'users'], message, hint }];
  });
}

function usersOf(file: string): ReturnType<typeof readUsers> {
  try {
    return readUsers(file);
  } catch (error) {
    if (error instanceof OperatorError) return undefined;
    throw error;
  }
}
