/** Logins at OpenID providers that read a Basic header in ways of their own; skipped where they are not installed. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { gateway } from '../support/scenes/gateway.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import type { ForeignClient, ForeignIssuer } from '../support/servers/foreign-issuer.ts';
import { needsGlewlwyd, startGlewlwyd } from '../support/servers/glewlwyd.ts';
import { needsLemonldap, startLemonldap } from '../support/servers/lemonldap.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { run } from '../support/tools/command.ts';
import { freePort } from '../support/tools/free-port.ts';

const plain = { id: 'cc-1_a.b', secret: 'se-c_r.e1', method: 'client_secret_basic' } as const;
const odd = { id: 'cc-1_a.b~+/=', secret: 'se-c_r.e~t+x/y=1' } as const;

const servers: Readonly<
  Record<
    string,
    readonly [
      needs: { readonly skip: string | boolean },
      start: (t: TestContext, client: ForeignClient) => Promise<ForeignIssuer>,
    ]
  >
> = {
  'LemonLDAP::NG': [needsLemonldap, startLemonldap],
  glewlwyd: [needsGlewlwyd, startGlewlwyd],
};

/** A gateway in front of an application, with the client registered at the server. */
async function world(t: TestContext, start: (typeof servers)[string][1], client: Omit<ForeignClient, 'redirectUri'>) {
  const origin = `http://127.0.0.1:${await freePort()}`;
  const server = await start(t, { ...client, redirectUri: `${origin}/_gate/callback/sso` });
  const upstream = await startUpstream(t);
  const gate = await gateway(t, {
    config: {
      server: { listen: origin, publicUrl: origin },
      login: { chain: ['sso', 'local'], timeout: '20s' },
      providers: {
        sso: {
          type: 'oidc',
          ...server.options,
          clientId: client.id,
          clientSecret: client.secret,
          clientAuth: client.method,
        },
      },
      routes: [{ location: '/', upstream: upstream.origin }],
    },
  });
  return { gate, server, upstream, checked: () => run(['check', '--connect', '--config', gate.file]) };
}

for (const [name, [needs, start]] of Object.entries(servers)) {
  for (const client of [plain, { ...odd, method: 'client_secret_post' as const }])
    test(`A2: ${name} takes ${client.id} by ${client.method}, and check --connect says so`, needs, async (t) => {
      const { gate, server, upstream, checked } = await world(t, start, client);
      const visitor = new Visitor(gate.url);
      const there = String((await visitor.open('/_gate/start/sso?return=/app')).headers.location);
      const back = await server.signIn(new URL(there));
      assert.equal((await visitor.open(back.pathname + back.search)).headers.location, '/app', gate.lines.join(''));
      assert.equal((await visitor.fetch('/app')).status, 200);
      assert.deepEqual(upstream.received.at(-1)?.values('x-remote-user'), ['dwho']);
      const { code, stdout, stderr } = await checked();
      assert.equal(code, 0, stdout + stderr);
    });

  test(`A2: ${name} does not read escapes, and check --connect says what to set`, needs, async (t) => {
    const { checked } = await world(t, start, { ...odd, method: 'client_secret_basic' });
    const { code, stdout } = await checked();
    assert.equal(code, 1);
    assert.match(stdout, /FAILED +client .*\n.*set clientAuth: client_secret_post/);
  });
}
