/** Tenants that a real slapd tells: by an entry's place, an attribute, a group; moved users, and a directory cut in between. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { WebSocket } from 'ws';
import { gateway, type Yaml } from '../support/scenes/gateway.ts';
import { siteConfig } from '../support/scenes/site.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { type Directory, needsSlapd, shareSlapd } from '../support/servers/slapd.ts';
import { personDn } from '../support/servers/slapd-content.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { until } from '../support/tools/poll.ts';

const right = 'right-4417-horse';
const person = (uid: string, ...ids: string[]) => ({
  ...{ uid, password: right, email: `${uid}@example.com` },
  attributes: ids.length > 0 ? { departmentNumber: ids } : {},
});
const amy = {
  below: 'uid=amy,ou=acme,ou=people',
  attributes: { objectClass: 'inetOrgPerson', uid: 'amy', cn: 'Amy', sn: 'Amy', userPassword: right },
};
const content = {
  people: [
    person('alice', '101'),
    person('bob'),
    person('carol', '0'),
    person('dave', '*'),
    person('erin', '999'),
    person('frank', '101', '102'),
    person('grace', '101', '999'),
    person('heidi'),
  ],
  groups: { staff: ['alice', 'bob', 'heidi'], 'globex-staff': ['bob'] },
  entries: [{ below: 'ou=acme,ou=people', attributes: { objectClass: 'organizationalUnit', ou: 'acme' } }, amy],
};

/** A gateway whose one provider is the directory, at this address. */
async function desk(t: TestContext, directory: Directory, config: Yaml = {}, url = directory.url) {
  const upstream = await startUpstream(t);
  const { managerDn, managerPassword, searchBase, groupBase } = directory;
  const started = await gateway(t, {
    config: {
      ...siteConfig(upstream.origin),
      session: { recheck: '1s', store: { type: 'memory' } },
      login: { chain: ['directory'], timeout: '60s' },
      providers: {
        directory: {
          ...{ type: 'ldap', url, managerDn, managerPassword, searchBase },
          attributes: { subject: 'uid', tenantDbid: 'departmentNumber' },
          groups: { searchBase: groupBase },
        },
      },
      tenants: {
        acme: { id: '101', match: { dn: [`OU=Acme,${searchBase}`] } },
        globex: { id: '102', match: { groups: ['globex-staff'] } },
        initech: {},
      },
      tenantRules: { attribute: 'tenantDbid' },
      ...config,
    },
  });
  return { ...started, upstream, visitor: () => new Visitor(started.url) };
}

test(
  'tenants: place, attribute and group of an entry tell them, and what is no id tells none',
  needsSlapd,
  async (t) => {
    const directory = await shareSlapd(t, content);
    const { visitor, upstream, audit } = await desk(t, directory);
    const tenantOf = async (user: string): Promise<unknown> => {
      const browser = visitor();
      const answer = await browser.signIn(user, right);
      if (answer.status !== 303) return [answer.status, audit('login').at(-1)?.reason, browser.cookies.size < 3];
      await browser.open('/');
      return upstream.received.at(-1)?.values('x-remote-tenant')[0];
    };
    const said: Record<string, unknown> = {};
    for (const user of ['alice', 'amy', 'bob', 'grace']) said[user] = await tenantOf(user);
    assert.deepEqual(said, { alice: 'acme', amy: 'acme', bob: 'globex', grace: 'acme' });
    for (const user of ['carol', 'dave', 'erin', 'heidi'])
      assert.deepEqual(await tenantOf(user), [403, 'tenant-missing', true], user);
    assert.deepEqual(await tenantOf('frank'), [403, 'tenant-ambiguous', true]);
    assert.equal(upstream.received.length, 4);
  },
);

test(
  'tenants: a user who is moved loses session and WebSocket, and comes back as another account',
  needsSlapd,
  async (t) => {
    const directory = await shareSlapd(t, content);
    const { visitor, upstream, audit, url } = await desk(t, directory);
    const alice = visitor();
    await alice.mustSignIn('alice', right);
    const socket = new WebSocket(`ws://${url.host}/`, { headers: { cookie: alice.cookieHeader, origin: url.origin } });
    await once(socket, 'open');
    const closed = once(socket, 'close');
    directory.modify(
      `dn: ${personDn('alice', directory.base)}\nchangetype: modify\nreplace: departmentNumber\ndepartmentNumber: 102\n`,
    );
    assert.deepEqual((await closed)[0], 1008);
    assert.equal((await alice.open('/')).status, 302);
    assert.partialDeepStrictEqual(audit('session-end').at(-1), { reason: 'tenant-changed', tenant: 'acme' });
    await alice.mustSignIn('alice', right);
    await alice.open('/');
    assert.deepEqual(upstream.received.at(-1)?.values('x-remote-tenant'), ['globex']);
  },
);

test('tenants: an entry that is moved below another company ends its session too', needsSlapd, async (t) => {
  const directory = await shareSlapd(t, content);
  const { visitor, audit } = await desk(t, directory);
  const browser = visitor();
  await browser.mustSignIn('amy', right);
  directory.modify(
    `dn: uid=amy,ou=acme,${directory.searchBase}\nchangetype: modrdn\nnewrdn: uid=amy\ndeleteoldrdn: 0\nnewsuperior: ${directory.searchBase}\n`,
  );
  await until('the session ends', async () => {
    await browser.fetch('/');
    return audit('session-end').length > 0;
  });
  assert.partialDeepStrictEqual(audit('session-end').at(-1), { reason: 'tenant-changed', tenant: 'acme' });
  assert.equal((await browser.signIn('amy', right)).status, 403);
});

test(
  'tenants: a directory that is cut during the group search is an outage, and never the default',
  needsSlapd,
  async (t) => {
    const directory = await shareSlapd(t, content);
    const between = await cuttable(t, directory.port, 'ou=groups');
    const config = { tenantRules: { attribute: 'tenantDbid', default: 'initech' } };
    const { visitor, upstream, audit } = await desk(t, directory, config, `ldap://127.0.0.1:${between.port}`);
    const bob = visitor();
    between.cut(true);
    const answer = await bob.signIn('bob', right);
    assert.equal(answer.status, 503);
    assert.equal([...bob.cookies.keys()].includes('gatehouse'), false, 'no session');
    assert.partialDeepStrictEqual(audit('login').at(-1), { outcome: 'failed', reason: 'unreachable' });
    between.cut(false);
    await until('the directory is back', async () => (await bob.signIn('bob', right)).status === 303);
    await bob.open('/');
    assert.deepEqual(upstream.received.at(-1)?.values('x-remote-tenant'), ['globex']);
    const erin = visitor();
    await erin.mustSignIn('erin', right);
    await erin.open('/');
    assert.deepEqual(
      upstream.received.at(-1)?.values('x-remote-tenant'),
      ['initech'],
      'the default, where all was read',
    );
  },
);

/** A way to a server that, while it is told to, cuts each connection on which a client sends a word. */
async function cuttable(t: TestContext, port: number, word: string) {
  let isCutting = false;
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    client.on('error', end).on('close', end);
    upstream.on('error', end).on('close', end);
    upstream.on('data', (chunk) => client.write(chunk));
    client.on('data', (chunk) => {
      if (isCutting && chunk.includes(word)) return end();
      upstream.write(chunk);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return {
    port: (server.address() as AddressInfo).port,
    cut: (now: boolean) => {
      isCutting = now;
    },
  };
}
