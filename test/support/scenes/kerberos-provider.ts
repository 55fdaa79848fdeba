/** A Kerberos provider as the gateway makes one, from options as they stand in a configuration. */
import type { TestContext } from 'node:test';
import type { Clock } from '../../../src/core/clock.ts';
import type { Log } from '../../../src/core/log.ts';
import type { Provider } from '../../../src/core/provider.ts';
import type { ProviderContext } from '../../../src/providers/define.ts';
import { kerberos } from '../../../src/providers/kerberos/index.ts';
import { keptLog } from '../tools/log-lines.ts';
import { anyPassword } from '../tools/password-judges.ts';

/** What a test says beside the options. */
export interface KerberosSetting {
  readonly name?: string;
  readonly log?: Log;
  readonly clock?: Clock;
  readonly lookUp?: ProviderContext['lookUp'];
}

const refuse = async (): Promise<never> => {
  throw new Error('the kerberos provider was not told to look anybody up');
};

/** Makes one that closes with the test. */
export function kerberosProvider(
  t: TestContext,
  options: Readonly<Record<string, unknown>>,
  { name = 'kerberos', log = keptLog(), clock = { now: Date.now }, lookUp }: KerberosSetting = {},
): Provider {
  const provider = kerberos.create(kerberos.options.parse(options), {
    name,
    log,
    clock,
    publicUrl: new URL('http://gate.test'),
    get store(): never {
      throw new Error('the kerberos provider keeps nothing in the store');
    },
    lookUp: lookUp ?? refuse,
    passwords: anyPassword,
    standing: refuse,
  });
  t.after(() => provider.close?.());
  return provider;
}
