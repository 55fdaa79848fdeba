/** An LDAP provider as the gateway makes one, from options as they stand in a configuration. */
import type { TestContext } from 'node:test';
import type { Clock } from '../../../src/core/clock.ts';
import type { Log } from '../../../src/core/log.ts';
import type { Provider } from '../../../src/core/provider.ts';
import { ldap } from '../../../src/providers/ldap/index.ts';
import type { PasswordJudge } from '../../../src/users/password-rules.ts';
import type { Directory } from '../servers/slapd.ts';
import { keptLog } from '../tools/log-lines.ts';
import { anyPassword } from '../tools/password-judges.ts';

const refuse = async (): Promise<never> => {
  throw new Error('the ldap provider asks no other provider');
};

/** Makes one that closes with the test. */
export function ldapProvider(
  t: TestContext,
  options: Readonly<Record<string, unknown>>,
  {
    log = keptLog(),
    clock = { now: Date.now },
    passwords = anyPassword,
  }: { log?: Log; clock?: Clock; passwords?: PasswordJudge } = {},
): Provider {
  const provider = ldap.create(ldap.options.parse({ searchBase: 'dc=example,dc=com', ...options }), {
    name: 'directory',
    log,
    clock,
    publicUrl: new URL('http://gate.test'),
    get store(): never {
      throw new Error('the ldap provider keeps nothing in the store');
    },
    lookUp: refuse,
    passwords,
    standing: refuse,
  });
  t.after(() => provider.close?.());
  return provider;
}

/** The options that fit a slapd of `slapd.ts`; over plain LDAP. */
export function optionsFor(slapd: Directory): Readonly<Record<string, unknown>> {
  const { url, managerDn, managerPassword, searchBase } = slapd;
  return { url, managerDn, managerPassword, searchBase };
}
