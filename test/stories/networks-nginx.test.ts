/** nginx's `allow`, `deny` and `satisfy` in a real nginx, and in a gateway with what the import makes of the same file. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { gateway } from '../support/scenes/gateway.ts';
import { staff } from '../support/scenes/site.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { needsNginx, startNginx } from '../support/servers/nginx.ts';
import { startUpstream } from '../support/servers/upstream.ts';
import { run } from '../support/tools/command.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

/** What stands in a location; of the last ones a list of networks would be another rule, so that they are closed. */
const rules = {
  '/one/': 'allow 127.0.0.4/30; deny all;',
  '/two/': 'allow 127.0.0.4; allow 127.0.0.32/27; deny all;',
  '/first/': 'allow 127.0.0.4/31; deny 127.0.0.4/30; allow 127.0.0.32/27; deny all;',
  '/idle/': 'deny 127.0.0.64; allow 127.0.0.4/30; deny all;',
  '/all/': 'allow all;',
  '/none/': 'deny all;',
  '/either/': 'satisfy any; allow 127.0.0.4/30; deny all; auth_basic desk; auth_basic_user_file USERS;',
  '/open-end/': 'satisfy any; allow 127.0.0.4/30; auth_basic desk; auth_basic_user_file USERS;',
  '/both/': 'satisfy all; allow 127.0.0.4/30; deny all; auth_basic desk; auth_basic_user_file USERS;',
  '/hole/': 'deny 127.0.0.5; allow 127.0.0.4/30; deny all;',
  '/except/': 'deny 127.0.0.4/30;',
} as const;
const closed = new Set<string>(['/hole/', '/except/']);
const addresses = ['127.0.0.1', '127.0.0.4', '127.0.0.5', '127.0.0.6', '127.0.0.40', '127.0.0.64'];

/** The status that an address gets; with the cookie of a session, or the password of the file. */
async function ask(
  port: number,
  from: string,
  location: string,
  headers: Record<string, string> = {},
): Promise<number> {
  const request = http.get({ host: '127.0.0.1', port, path: location, localAddress: from, agent: false, headers });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.resume();
  return response.statusCode ?? 0;
}

test(
  'nginx: the same networks get in, with and without a login, as far as a route can say them',
  needsNginx,
  async (t) => {
    const upstream = await startUpstream(t);
    const folder = await temporaryFolder(t);
    const users = path.join(folder, 'users');
    writeFileSync(users, 'agent1:{PLAIN}right-4417-horse\n');
    const locations = Object.entries(rules)
      .map(
        ([location, rule]) =>
          `location ${location} { ${rule.replace('USERS', users)} proxy_pass ${upstream.origin}; proxy_set_header Host $http_host; }`,
      )
      .join('\n');
    const nginx = await startNginx(t, (port) => `server { listen 127.0.0.1:${port}; ${locations} }`);
    // An open location is left open where nothing beside it asks for a login, so each is imported by itself.
    const routes: object[] = [];
    for (const [location, rule] of Object.entries(rules)) {
      const copy = path.join(folder, 'site.conf');
      writeFileSync(
        copy,
        `server { listen 80; location ${location} { ${rule} proxy_pass ${upstream.origin}; proxy_set_header Host $http_host; } }`,
      );
      const { code, stdout, stderr } = await run(['import', 'nginx', copy, '--public']);
      assert.equal(code, 0, stderr);
      assert.equal(/choose its access/.test(stderr), closed.has(location), `${location}: ${stderr}`);
      routes.push(...parse(stdout).routes);
    }
    const own = await gateway(t, { users: staff, config: { routes } });
    const visitor = new Visitor(own.url);
    await visitor.mustSignIn('agent1', 'right-4417-horse');
    const basic = Buffer.from('agent1:right-4417-horse').toString('base64');
    for (const location of Object.keys(rules))
      for (const from of addresses) {
        const where = `${location} from ${from}`;
        const [theirs, ours] = [await ask(nginx.port, from, location), await ask(Number(own.url.port), from, location)];
        assert.equal(ours, closed.has(location) ? 403 : theirs, where);
        const signedIn = await ask(Number(own.url.port), from, location, { cookie: visitor.cookieHeader });
        const proved = await ask(nginx.port, from, location, { authorization: `Basic ${basic}` });
        assert.equal(signedIn, closed.has(location) ? 403 : proved, `${where}, signed in`);
      }
  },
);
