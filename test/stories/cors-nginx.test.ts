/** The common answer of nginx to preflights, in a real nginx, and in a gateway with what the import makes of the same file. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { request } from 'undici';
import { parse } from 'yaml';
import { gateway } from '../support/scenes/gateway.ts';
import { needsNginx, startNginx } from '../support/servers/nginx.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const [desk, board, stranger] = ['https://desk.example', 'https://board.example', 'https://evil.example'];
const header = (name: string, value: string) => `add_header 'Access-Control-${name}' '${value}' always;`;

/** As in the answers that are copied most; `$from` is the origin where it is listed. */
const http = `map $http_origin $from { default ""; "${desk}" $http_origin; "${board}" $http_origin; }`;
const wide = [header('Allow-Origin', '*'), header('Allow-Methods', 'GET, POST, OPTIONS'), header('Max-Age', '1728000')];
const listed = [
  header('Allow-Origin', '$from'),
  header('Allow-Credentials', 'true'),
  header('Allow-Headers', 'Content-Type'),
];
const locations: Readonly<Record<string, readonly string[]>> = {
  '/wide/': [
    `if ($request_method = 'OPTIONS') { ${wide.join(' ')} add_header 'Content-Length' 0; return 204; }`,
    `if ($request_method = 'GET') { ${wide.slice(0, 1).join('')} }`,
  ],
  '/listed/': [...listed, 'if ($request_method = OPTIONS) { return 204; }'],
};

const config = (origin: string): string =>
  Object.entries(locations)
    .map(
      ([at, lines]) => `location ${at} { ${lines.join('\n')} proxy_pass ${origin}; proxy_set_header Host $http_host; }`,
    )
    .join('\n');

async function ask(origin: string, target: string, from: string, method: 'OPTIONS' | 'GET') {
  const asking = method === 'OPTIONS' ? { 'access-control-request-method': 'POST' } : {};
  const { statusCode, headers, body } = await request(origin + target, {
    method,
    headers: { origin: from, ...asking },
  });
  await body.dump();
  const own = Object.entries(headers).filter(([name]) =>
    /^access-control-(?:allow-origin|allow-credentials|max-age)$/.test(name),
  );
  return { status: statusCode, ...Object.fromEntries(own) };
}

async function startBoth(t: TestContext) {
  const upstream = await startUpstream(t);
  const nginx = await startNginx(
    t,
    (port) => `${http} server { listen 127.0.0.1:${port}; ${config(upstream.origin)} }`,
  );
  const copy = path.join(await temporaryFolder(t), 'site.conf');
  writeFileSync(copy, `${http} server { listen 80; ${config(upstream.origin)} }`);
  const { code, stdout, stderr } = await run(['import', 'nginx', copy, '--public']);
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /Access-Control|request_method/);
  const own = await gateway(t, { config: { routes: parse(stdout).routes } });
  return { nginx: nginx.url, own: own.url.origin };
}

test(
  'nginx: the same origins may ask and read, by the common answer to preflights and what it becomes',
  needsNginx,
  async (t) => {
    const { nginx, own } = await startBoth(t);
    for (const from of [desk, board])
      for (const target of Object.keys(locations))
        for (const method of ['OPTIONS', 'GET'] as const) {
          const [theirs, ours] = [await ask(nginx, target, from, method), await ask(own, target, from, method)];
          assert.deepEqual(ours, theirs, `${method} ${target} from ${from}`);
        }
    const refused = await ask(own, '/listed/', stranger, 'OPTIONS');
    assert.deepEqual(refused, { status: 403 });
    const theirs = await ask(nginx, '/listed/', stranger, 'OPTIONS');
    assert.equal('access-control-allow-origin' in theirs, false, 'a browser takes both for a no');
  },
);
