/** Levels and programs: a password in each request and a token in each request are one proof, whatever a login would take. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Yaml } from '../support/scenes/gateway.ts';
import { passwords, type Site, site } from '../support/scenes/site.ts';
import { run } from '../support/tools/command.ts';

const basic = `Basic ${Buffer.from(`agent1:${passwords.agent1}`).toString('base64')}`;

async function programSite(t: TestContext, config: Yaml = {}): Promise<Site & { readonly token: string }> {
  const started = await site(t);
  const upstream = started.upstream.origin;
  await started.write({
    factors: { app: { type: 'totp' } },
    roles: { agent: { groups: ['agents'] } },
    routes: [
      { location: '/api/', upstream, access: { basic: true, apiTokens: true } },
      { location: '/vault/', upstream, access: { basic: true, apiTokens: true, level: 2 } },
      { location: '/either/', upstream, access: { basic: true, apiTokens: true, factors: ['app'] } },
      { location: '/', upstream },
    ],
    ...config,
  });
  assert.equal((await started.running.reload({ actor: 'test' })).kind, 'reloaded');
  const made = await run(['api-tokens', 'add', 'wallboard', '--roles', 'agent', '--config', started.file]);
  assert.equal(made.code, 0, made.stderr);
  return { ...started, token: `Bearer ${made.stdout.trim()}` };
}

test('level: a location that asks for more is closed to passwords and tokens of programs, and says why', async (t) => {
  const here = await programSite(t);
  for (const [what, authorization] of Object.entries({ basic, token: here.token })) {
    const program = here.visitor();
    assert.equal((await program.fetch('/api/x', { headers: { authorization } })).status, 200, what);
    const level = what === 'basic' ? ['1'] : [];
    assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-level'), level, what);
    for (const path of ['/vault/x', '/either/x']) {
      const before = here.upstream.received.length;
      const answer = await program.fetch(path, { headers: { authorization, 'x-remote-level': '3' } });
      assert.equal(answer.status, 401, `${what} ${path} ${answer.text}`);
      assert.match(String(JSON.parse(answer.text).reason), /^(?:level-too-low|factor-missing)$/, what);
      assert.equal(answer.headers['set-cookie'], undefined, what);
      assert.equal(here.upstream.received.length, before, what);
      assert.match(String(here.audit('request').at(-1)?.reason), /^(?:level-too-low|factor-missing)$/, what);
    }
  }
});

test('2F10: where a login takes a factor a password in each request is no way round it; an operator’s token is', async (t) => {
  const here = await programSite(t, { login: { level: 2 } });
  const program = here.visitor();
  const refused = await program.fetch('/api/x', { headers: { authorization: basic } });
  assert.equal(refused.status, 401, refused.text);
  assert.equal(here.upstream.received.length, 0);
  assert.equal((await program.fetch('/api/x', { headers: { authorization: here.token } })).status, 200);
  assert.equal((await program.fetch('/vault/x', { headers: { authorization: here.token } })).status, 401);
});
