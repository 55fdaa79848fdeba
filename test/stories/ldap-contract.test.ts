/** What holds for every provider holds for LDAP against a real OpenLDAP. */

import type { Log } from '../../src/core/log.ts';
import { type ProviderUnderTest, providerContract } from '../contract/provider.ts';
import { ldapProvider, optionsFor } from '../support/scenes/ldap-provider.ts';
import { fakePeer } from '../support/servers/fake-ldap.ts';
import { needsSlapd, shareSlapd, startSlapd } from '../support/servers/slapd.ts';
import { type AttemptParts, passwordParts } from '../support/tools/attempt.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { freePort } from '../support/tools/free-port.ts';

const people = [
  { uid: 'alice', password: 'alices-4c81' },
  { uid: 'bob', password: 'bobs-77d2' },
] as const;
const { ca } = testCertificates();

for (const transport of ['plain', 'ldaps', 'startTls'] as const) {
  if (needsSlapd.skip === false) {
    providerContract(`ldap (${transport})`, async (t, log: Log): Promise<ProviderUnderTest> => {
      const content = { people, groups: { agents: ['alice'] } };
      const slapd = await shareSlapd(t, content);
      const secured = transport === 'ldaps' ? { url: slapd.ldapsUrl, ca } : { startTls: true, ca };
      const options = {
        ...optionsFor(slapd),
        ...(transport !== 'plain' && secured),
        groups: { searchBase: slapd.groupBase },
      };
      const broken = async (url: string) => ({
        provider: ldapProvider(t, { ...options, url, timeout: '300ms' }, { log }),
        timeout: 300,
      });
      const silent = await fakePeer(t, (socket) => void socket.resume());
      const rude = await fakePeer(t, (socket) => void socket.once('data', () => socket.end('go away\r\n')));
      const scheme = (url: string) => (transport === 'ldaps' ? url.replace('ldap:', 'ldaps:') : url);
      const port = await freePort();
      const bad = (username: string, password: string) => (): AttemptParts => passwordParts(username, password);
      return {
        provider: ldapProvider(t, options, { log }),
        subjects: ['alice', 'bob'],
        good: (user) => passwordParts(people[user].uid, people[user].password),
        bad: {
          'a wrong password': { attempt: bad('alice', 'wrong'), want: { kind: 'rejected', reason: 'bad-password' } },
          'an unknown user': { attempt: bad('nobody', people[0].password), want: { kind: 'unknown-user' } },
          'a wildcard': { attempt: bad('al*', people[0].password), want: { kind: 'unknown-user' } },
          'an empty password': { attempt: bad('alice', ''), want: { kind: 'rejected', reason: 'bad-password' } },
        },
        passwords: { known: 'alice', unknown: 'nobody' },
        secrets: [slapd.managerPassword, ...people.map(({ password }) => password)],
        outages: {
          'nothing listens': () => broken(scheme(`ldap://127.0.0.1:${port}`)),
          'it accepts and says nothing': () => broken(scheme(silent.url)),
          'it does not speak LDAP': () => broken(scheme(rude.url)),
          'it was stopped': async () => {
            const own = await startSlapd(t, content);
            own.pause();
            t.after(() => own.resume());
            return broken(transport === 'ldaps' ? own.ldapsUrl : own.url);
          },
        },
      };
    });
  }
}
