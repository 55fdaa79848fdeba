/** Random sites whose locations have rewrite rules: what the import lets through, a real nginx sends just so. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { documentSchema } from '../../src/gateway/document.ts';
import { routesOf } from '../../src/gateway/routes.ts';
import { importNginx } from '../../src/interop/nginx/import.ts';
import { parseNginx } from '../../src/interop/nginx/parse.ts';
import { redirectLocation } from '../../src/routing/fixed-answer.ts';
import { compileLocations } from '../../src/routing/locations.ts';
import { upstreamTarget } from '../../src/routing/upstream-target.ts';
import { needsNginx, startNginx } from '../support/servers/nginx.ts';

const base = { login: { chain: ['local'] }, providers: { local: { type: 'local', users: 'users.yaml' } } };
const loaded = (routes: readonly object[]) =>
  loadConfig({ schema: documentSchema, file: 'g.yaml', text: stringify({ ...base, routes }), env: {} });

const locations = ['/', '/a/', '/a', '/a/b/', '= /a/b', '^~ /b/', '~ ^/c/', '/b/', '= /c'];
const heads = ['^/a/', '^/a', '^/b/', '^/a/b/', '^/', '^', '/a/', '^/c/', '^/a/b'];
const tails = [
  '(.*)$',
  '(.*)',
  '(.+)$',
  '(/.*)$',
  '(/.*)?$',
  '(/|$)(.*)',
  '/?(.*)$',
  '$',
  '',
  '(\\d+)$',
  '(?<rest>.*)$',
];
const results = ['/$1', '/x/$1', '$1', '/x', '/$2', '/x$1', '/$rest', '/a/$1', '/b/$1', '/x/$1?y=1', '/x/$1?'];
const flags = ['break', 'break', 'break', 'last', '', 'permanent', '; break'];

const rule = fc
  .tuple(fc.constantFrom(...heads), fc.constantFrom(...tails), fc.constantFrom(...results), fc.constantFrom(...flags))
  .map(([head, tail, result, flag]) => {
    const isNamed = tail.includes('<rest>');
    const made = isNamed ? result.replace(/\$\d/, '$rest') : result.replace('$rest', '$1');
    // nginx takes no group that the expression does not have.
    const groups = isNamed ? 1 : (tail.match(/\(/g) ?? []).length;
    const kept = made.replace(/\$(\d)/, (whole, at: string) => (Number(at) <= groups ? whole : 'z'));
    return `rewrite "${head}${tail}" ${/\$/.test(kept) || kept.startsWith('/') ? kept : `/${kept}`} ${flag};`;
  });
const condition = fc
  .tuple(fc.constantFrom('$uri', '$request_uri'), fc.constantFrom('~ ^/a/x', '= /a', '~ \\d$', '~* ^/B'))
  .map(([name, test]) => `if (${name} ${test}) { return 403; }`);
const body = fc
  .tuple(
    fc.array(fc.oneof({ weight: 5, arbitrary: rule }, { weight: 1, arbitrary: condition }), { maxLength: 3 }),
    fc.constantFrom('', '/', '/p/'),
  )
  .map(([rules, path]) => ({ rules: rules.join('\n'), path }));
const site = fc.tuple(
  fc.uniqueArray(fc.tuple(fc.constantFrom(...locations), body), {
    minLength: 1,
    maxLength: 4,
    selector: ([location]) => location.replace('^~ ', ''),
  }),
  fc.oneof({ weight: 4, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.oneof(rule, condition) }),
);

const paths = [
  '/',
  '/a',
  '/a/',
  '/a/x',
  '/a/b',
  '/a/b/',
  '/a/b/c',
  '/a/1',
  '/ab',
  '/b',
  '/b/',
  '/b/x',
  '/b/1',
  '/c',
  '/c/',
  '/c/x',
  '/x/1',
  '/d',
];

/** A slash doubled where two parts meet the gateway sends once. */
const merged = (path: string | undefined): string | undefined => path?.replace(/\/{2,}/g, '/');

test('nginx import: what rewrite rules let through nginx sends just so, in eighty sites', needsNginx, async (t) => {
  const echo = http.createServer((request, response) => response.end(`sent ${request.url}`));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  t.after(() => echo.close().closeAllConnections());
  const address = echo.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const sites = fc.sample(site, { seed: 20_261_201, numRuns: 80 }).map(([all, rules]) =>
    [
      rules,
      ...all.map(([location, { rules: own, path }]) => {
        const [modifier = '', at = ''] = location.includes(' ') ? location.split(' ') : ['', location];
        const to = modifier === '~' ? '' : path;
        return `location ${modifier} ${at} {\n${own}\nproxy_set_header Host $host;\nproxy_pass http://127.0.0.1:${port}${to};\n}`;
      }),
    ].join('\n'),
  );
  const nginx = await startNginx(t, (listen) =>
    sites
      .map(
        (text, index) =>
          `server { listen 127.0.0.1:${listen}; server_name site${index}.test; root /nonexistent;\n${text}\n}`,
      )
      .join('\n'),
  );
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  let same = 0;
  let closed = 0;
  let redirected = 0;
  for (const [index, text] of sites.entries()) {
    const source = parseNginx(
      { file: 'site', text: `server { listen 80; server_name site${index}.test;\n${text}\n}` },
      () => undefined,
    );
    const imported = importNginx([source], {
      host: undefined,
      domains: [],
      keepsPublic: true,
      readable: () => undefined,
      faultOf: (route) => (loaded([route]).kind === 'ok' ? undefined : 'is refused'),
    });
    const config = loaded(imported.routes.map(({ data }) => data));
    const where = `\n${text}\n${JSON.stringify(
      imported.routes.map(({ data }) => data),
      null,
      1,
    )}`;
    assert.ok(config.kind === 'ok' || imported.routes.length === 0, where);
    const compiled = compileLocations(config.kind === 'ok' ? routesOf(config.value) : []);
    for (const target of paths) {
      const match = compiled.match({ host: `site${index}.test`, port: '80', path: target });
      const isOpen = match !== undefined && match.route.access !== 'deny';
      const request = http.get({
        host: '127.0.0.1',
        port: nginx.port,
        path: target,
        headers: { host: `site${index}.test` },
        agent,
      });
      const [response] = (await once(request, 'response')) as [http.IncomingMessage];
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const [, theirs] = /^sent (.*)$/.exec(Buffer.concat(chunks).toString()) ?? [];
      if (!isOpen) {
        closed += Number(theirs !== undefined);
        continue;
      }
      // The gateway adds a closing slash by redirect where nginx does.
      if (response.statusCode === 301 && response.headers.location?.endsWith(`${target}/`)) continue;
      if (match.route.fixed?.kind === 'redirect') {
        const { to, status } = match.route.fixed;
        const origin = `http://site${index}.test:${nginx.port}`;
        const location = new URL(redirectLocation(to, { path: target, query: '' }), origin).href;
        assert.deepEqual([response.statusCode, response.headers.location], [status, location], `${target}${where}`);
        redirected += 1;
        continue;
      }
      const ours = upstreamTarget(match.route, { path: target, query: '' });
      if (ours.kind === 'refused') continue;
      assert.equal(merged(ours.path), merged(theirs), `${target}${where}`);
      same += 1;
    }
  }
  t.diagnostic(`${redirected} requests are redirected alike`);
  t.diagnostic(`${same} requests are sent alike, ${closed} of nginx's are closed`);
  assert.ok(same > 300 && closed < same);
});
