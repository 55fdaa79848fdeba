/** Breakers that outlive a configuration. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Breakers } from '../../src/remote/breakers.ts';
import { site, siteConfig } from '../support/scenes/site.ts';
import { freePort } from '../support/tools/free-port.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

test('breakers: a server has one as long as it is retained', () => {
  const breakers = new Breakers();
  const clock = manualClock();
  const first = breakers.of('a', { clock });
  assert.equal(breakers.of('a', { clock }), first);
  assert.notEqual(breakers.of('b', { clock }), first);
  breakers.retain(new Set(['b']));
  assert.notEqual(breakers.of('a', { clock }), first);
});

test('breakers: an outage outlasts a reload, and ends with one that changes the provider', async (t) => {
  const [port, other] = [await freePort(), await freePort()];
  const directory = (url: string, password: string) => ({
    type: 'ldap',
    url,
    managerDn: 'cn=reader',
    managerPassword: password,
    searchBase: 'dc=example,dc=com',
    userSearchFilter: 'uid=%s',
  });
  const config = (label: string, ldap: object) => ({
    login: { chain: ['directory', 'local'] },
    pages: { siteName: label },
    providers: { local: { type: 'local', users: 'users.yaml' }, directory: ldap },
  });
  const down = directory(`ldap://127.0.0.1:${port}`, 'one');
  const started = await site(t, { config: config('A', down) });
  const state = (): unknown => started.running.gateway.providers.status()[0]?.snapshot.state;
  const reloaded = async (label: string, ldap: object): Promise<unknown> => {
    await started.write({ ...siteConfig(started.upstream.origin), ...config(label, ldap) });
    assert.equal((await started.running.reload({ actor: 'signal' })).kind, 'reloaded');
    return state();
  };
  for (let count = 0; count < 3; count += 1) await started.visitor().signIn('stranger', 'x');
  assert.equal(state(), 'open');
  assert.equal(await reloaded('B', down), 'open', 'nothing about the directory has changed');
  assert.equal(await reloaded('B', directory(`ldap://127.0.0.1:${port}`, 'two')), 'closed', 'another password');
  for (let count = 0; count < 3; count += 1) await started.visitor().signIn('stranger', 'x');
  assert.equal(await reloaded('C', directory(`ldap://127.0.0.1:${other}`, 'two')), 'closed', 'another address');
});
