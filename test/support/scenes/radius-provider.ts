/** A RADIUS provider as the gateway makes one, from options as they stand in a configuration. */
import type { TestContext } from 'node:test';
import type { Log } from '../../../src/core/log.ts';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { Provider } from '../../../src/core/provider.ts';
import { radius } from '../../../src/providers/radius/index.ts';
import { keptLog } from '../tools/log-lines.ts';
import { anyPassword } from '../tools/password-judges.ts';

/** Makes one that closes with the test. */
export function radiusProvider(
  t: TestContext,
  options: Readonly<Record<string, unknown>>,
  { log = keptLog(), lookUp }: { log?: Log; lookUp?: (username: string) => Promise<Outcome> } = {},
): Provider {
  const askNobody = async (): Promise<never> => {
    throw new Error('the radius provider has nobody to ask here');
  };
  const provider = radius.create(radius.options.parse(options), {
    name: 'tokens',
    log,
    clock: { now: Date.now },
    publicUrl: new URL('http://gate.test'),
    get store(): never {
      throw new Error('the radius provider keeps nothing in the store');
    },
    lookUp: lookUp ? (_provider, username) => lookUp(username) : askNobody,
    passwords: anyPassword,
    standing: askNobody,
  });
  t.after(() => provider.close?.());
  return provider;
}
