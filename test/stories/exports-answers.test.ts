/** What the gateway answers itself, redirects and fixed answers, behind real proxies that run its exports: the same as without them. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { gateway } from '../support/scenes/gateway.ts';
import { exported } from '../support/scenes/placements.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { needsCaddy, startCaddy } from '../support/servers/caddy.ts';
import { needsHaproxy, startHaproxy } from '../support/servers/haproxy.ts';
import { needsNginx, startNginx } from '../support/servers/nginx.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { freePort } from '../support/tools/free-port.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';

const password = 'right-5512-lamp';
const proxies = [
  { kind: 'nginx', needs: needsNginx },
  { kind: 'caddy', needs: needsCaddy },
  { kind: 'haproxy', needs: needsHaproxy },
] as const;

async function serve(t: TestContext, kind: (typeof proxies)[number]['kind'], text: string, port: number) {
  if (kind === 'nginx') await startNginx(t, () => text, port);
  else if (kind === 'caddy') await startCaddy(t, text, port);
  else await startHaproxy(t, text, port);
}

for (const { kind, needs } of proxies)
  test(
    `export ${kind}: redirects and fixed answers are the gateway's own, judged like any location`,
    needs,
    async (t) => {
      const [port, own] = [await freePort(), await freePort()];
      const upstream = await startUpstream(t);
      const site = await gateway(t, {
        users: [{ name: 'alice', password, groups: ['agents'] }],
        config: {
          server: {
            listen: `http://127.0.0.1:${own}`,
            publicUrl: `http://127.0.0.1:${port}`,
            trustedProxies: ['127.0.0.1'],
          },
          roles: { agent: { groups: ['agents'] }, chief: { groups: ['chiefs'] } },
          routes: [
            { location: '= /', redirect: '/app/', access: 'public' },
            // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of redirects.
            { location: '/old/', redirect: { to: 'https://new.example${uri}', status: 308 }, access: 'public' },
            { location: '= /ping', respond: { status: 200, body: 'pong', type: 'text/plain' }, access: 'public' },
            { location: '~ ^/gone/\\d+$', respond: { status: 410, body: 'gone' }, access: 'public' },
            { location: '= /mine', respond: { status: 200, body: 'for you' } },
            { location: '= /chief', redirect: '/chief/', access: { roles: ['chief'] } },
            { location: '= /shut', respond: { status: 200, body: 'never' }, access: 'deny' },
            { location: '/app/', upstream: upstream.origin },
          ],
        },
      });
      await serve(t, kind, await exported(kind, site.file, '--listen', `127.0.0.1:${port}`), port);
      const front = new URL(`http://127.0.0.1:${port}`);
      const alice = new Visitor(front);
      await alice.mustSignIn('alice', password);
      const stranger = () => new Visitor(front);
      const seen = async (browser: Visitor, path: string) => {
        const { status, headers, text } = await browser.fetch(path);
        const to = headers.location === undefined ? undefined : new URL(headers.location, front).href;
        return [status, to, status === 200 || status === 410 ? text : undefined];
      };
      assert.deepEqual(await seen(stranger(), '/'), [302, `${front.origin}/app/`, undefined]);
      assert.deepEqual(await seen(stranger(), '/old/a%20b?x=1&y=%2F'), [
        308,
        'https://new.example/old/a%20b?x=1&y=%2F',
        undefined,
      ]);
      assert.deepEqual(await seen(stranger(), '/ping'), [200, undefined, 'pong']);
      assert.deepEqual(await seen(stranger(), '/gone/17'), [410, undefined, 'gone']);
      assert.equal((await stranger().fetch('/mine')).status, 401);
      assert.deepEqual(await seen(alice, '/mine'), [200, undefined, 'for you']);
      assert.equal((await alice.fetch('/chief')).status, 403);
      assert.equal((await alice.fetch('/shut')).status, 403);
      assert.deepEqual(upstream.received, [], 'no application heard of it');
      const head = await sendRaw(
        front,
        requestOf(['HEAD /ping HTTP/1.1', `Host: ${front.host}`, 'Connection: close']),
        { silence: 5000 },
      );
      assert.match(head.text, /^HTTP\/1\.1 200 /);
      assert.equal((await alice.fetch('/app/x')).status, 200);
    },
  );
