/** The native `kerberos` package, an optional dependency: loaded when a Kerberos provider is made, and not before. */
import { createRequire } from 'node:module';
import type { KerberosServer } from 'kerberos';
import { OperatorError } from '../../core/errors.ts';

/** What is used of the package. */
export interface KerberosAddon {
  /** Its promise is kept at once; the work is done by `step`, in libuv's thread pool. */
  initializeServer(service: string): Promise<KerberosServer>;
}

/** Loads the package. Throws an OperatorError that says what to install. */
export function loadAddon(load: (name: string) => unknown = createRequire(import.meta.url)): KerberosAddon {
  let loaded: unknown;
  try {
    loaded = load('kerberos');
  } catch (error) {
    throw new OperatorError(
      `Kerberos needs the npm package "kerberos", and it cannot be loaded: ${firstLine(error)}`,
      'apt-get install libgssapi-krb5-2, and libkrb5-dev, python3, make and g++ to build it; then npm install --include=optional kerberos',
      error,
    );
  }
  if (isAddon(loaded)) return loaded;
  throw new OperatorError('the npm package "kerberos" is not the one that is needed', 'npm install kerberos@7');
}

function isAddon(value: unknown): value is KerberosAddon {
  return (
    typeof value === 'object' &&
    value !== null &&
    'initializeServer' in value &&
    typeof value.initializeServer === 'function'
  );
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}
