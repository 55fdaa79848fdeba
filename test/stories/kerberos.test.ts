/** Kerberos through a whole gateway: curl and Chromium with real tickets, and those who have none. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Agent } from 'undici';
import type { Clock } from '../../src/core/clock.ts';
import { gateway, type TestGateway, type Yaml } from '../support/scenes/gateway.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { startChromiumProfile, withoutChromium } from '../support/servers/chromium.ts';
import { type Kdc, type KdcOptions, needsKdc, shareKdc } from '../support/servers/kdc.ts';
import { needsSlapd, shareSlapd, startSlapd } from '../support/servers/slapd.ts';
import { personDn } from '../support/servers/slapd-content.ts';
import { startUpstream, type TestUpstream } from '../support/servers/upstream.ts';
import { freePort } from '../support/tools/free-port.ts';
import { manualClock } from '../support/tools/manual-clock.ts';
import { until } from '../support/tools/poll.ts';

const story = (name: string, run: (t: TestContext) => Promise<void>) => test(`kerberos: ${name}`, needsKdc, run);

/** A gateway at `http://localhost`, whose name in Kerberos is `HTTP/localhost`. */
interface Desk extends TestGateway {
  readonly kdc: Kdc;
  readonly upstream: TestUpstream;
  readonly address: string;
  visitor(): Visitor;
}

interface DeskOptions {
  readonly kdc?: KdcOptions;
  /** More options of the provider. */
  readonly kerberos?: Yaml;
  readonly providers?: Yaml;
  readonly chain?: readonly string[];
  readonly session?: Yaml;
  readonly clock?: Clock;
}

async function desk(t: TestContext, options: DeskOptions = {}): Promise<Desk> {
  const kdc = await shareKdc(t, options.kdc);
  const upstream = await startUpstream(t);
  const port = await freePort();
  const keytab = await kdc.keytab(['HTTP/localhost']);
  const own = { type: 'kerberos', principal: 'HTTP/localhost@EXAMPLE.TEST', keytab, krb5Config: kdc.krb5Config };
  const started = await gateway(t, {
    users: [{ name: 'dora', password: 'right-2210-desk', groups: ['agents'] }],
    ...(options.clock && { clock: options.clock }),
    config: {
      server: { listen: `http://127.0.0.1:${port}`, publicUrl: `http://localhost:${port}` },
      login: { chain: options.chain ?? ['kerberos', 'local'] },
      providers: {
        kerberos: { ...own, replayCache: join(kdc.folder, 'seen'), ...options.kerberos },
        ...options.providers,
      },
      ...(options.session && { session: options.session }),
      roles: { agent: { groups: ['agents'] } },
      routes: [
        { location: '/', upstream: upstream.origin },
        { location: '/agents/', upstream: upstream.origin, access: { roles: ['agent'] } },
      ],
    },
  });
  return {
    ...started,
    kdc,
    upstream,
    address: `http://localhost:${port}`,
    visitor: () => new Visitor(new URL(`http://localhost:${port}`)),
  };
}

const negotiate = (token: string) => ({ headers: { authorization: `Negotiate ${token}` } });
const challenges = ({ headers }: Answer): string[] => [headers['www-authenticate'] ?? []].flat();
const reasons = ({ audit }: Desk) =>
  audit('login').map(({ outcome, reason }) => (outcome === 'succeeded' ? outcome : reason));

/** An answer as curl shows it: the last head and the body. */
function curl(
  parameters: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ status: number; head: string; body: string }> {
  return new Promise((resolve, reject) => {
    const all = ['--silent', '--show-error', '--include', '--max-time', '60', ...parameters];
    execFile('curl', all, { env: { ...process.env, ...env } }, (error, out) => {
      if (error) return reject(error);
      const parts = out.split('\r\n\r\n');
      const body = parts.pop() ?? '';
      const head = parts.pop() ?? '';
      resolve({ status: Number(/^HTTP\/\S+ (\d+)/.exec(head)?.[1]), head, body });
    });
  });
}

story('curl --negotiate gets through with a ticket, and once more with the session alone', async (t) => {
  const site = await desk(t);
  const ticket = await site.kdc.signIn('alice');
  const jar = join(site.folder, 'cookies');
  const first = await curl(['--negotiate', '-u', ':', '-c', jar, `${site.address}/ccagent?queue=1`], ticket);
  assert.equal(first.status, 200, first.head);
  assert.match(first.head, /^www-authenticate: Negotiate [A-Za-z0-9+/]{80,}=*$/im);
  assert.match(first.head, /^set-cookie: gatehouse=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/im);
  const received = site.upstream.only();
  assert.equal(received.url, '/ccagent?queue=1');
  assert.deepEqual(received.values('x-remote-user'), ['alice']);
  assert.deepEqual(received.values('x-remote-provider'), ['kerberos']);
  assert.deepEqual(received.values('authorization'), [], 'the ticket is the gateway’s');
  const second = await curl(['-b', jar, `${site.address}/ccagent`], {});
  assert.equal(second.status, 200);
  assert.deepEqual(site.upstream.received[1]?.values('x-remote-user'), ['alice']);
  assert.deepEqual(reasons(site), ['succeeded']);
  assert.partialDeepStrictEqual(site.audit('login')[0], { user: 'alice', provider: 'kerberos' });
});

story('the parts of a page that come together, each with a ticket of its own, share one session', async (t) => {
  const clock = manualClock(Date.now());
  const site = await desk(t, { clock });
  const load = async (user: string, count: number, userAgent: string): Promise<string[]> => {
    const tickets = await Promise.all(Array.from({ length: count }, () => site.kdc.token(user)));
    return Promise.all(
      tickets.map(async (token) => {
        const part = site.visitor();
        const headers = { authorization: `Negotiate ${token}`, 'user-agent': userAgent };
        assert.equal((await part.fetch('/part', { headers })).status, 200);
        return part.cookies.get('gatehouse') ?? '';
      }),
    );
  };
  const [alice, bob, elsewhere] = await Promise.all([
    load('alice', 30, 'A'),
    load('bob', 10, 'A'),
    load('alice', 5, 'B'),
  ]);
  const apart = [alice, bob, elsewhere].map((tokens) => [...new Set(tokens)]);
  assert.deepEqual(
    apart.map(({ length }) => length),
    [1, 1, 1],
  );
  assert.equal(new Set(apart.flat()).size, 3, 'nobody shares with another user or another browser');
  assert.equal(site.upstream.received.filter((part) => part.values('x-remote-user').join() === 'alice').length, 35);
  assert.deepEqual(reasons(site), ['succeeded', 'succeeded', 'succeeded']);
  const [token = ''] = apart[0] ?? [];
  assert.equal((await load('alice', 1, 'A'))[0], token);
  const first = site.visitor();
  first.cookies.set('gatehouse', token);
  assert.equal((await first.fetch('/_gate/logout', { method: 'POST', headers: { origin: site.address } })).status, 200);
  const [next] = await load('alice', 3, 'A');
  assert.notEqual(next, token, 'one that has ended is not shared');
  clock.advance(6000);
  assert.notEqual((await load('alice', 1, 'A'))[0], next, 'nor is one that began some time ago');
});

story('a page without a ticket is a 401 that offers Negotiate, and its body is the form, which works', async (t) => {
  const site = await desk(t);
  const browser = site.visitor();
  const page = await browser.open('/ccagent?queue=1');
  assert.equal(page.status, 401);
  assert.deepEqual(challenges(page), ['Negotiate']);
  assert.match(String(page.headers['content-type']), /^text\/html/);
  const fields = { ...hiddenFields(page.text), username: 'dora', password: 'right-2210-desk' };
  const origin = new URL(site.address).origin;
  const answer = await browser.post('/_gate/login', fields, { origin });
  assert.equal(answer.status, 303);
  assert.equal(answer.headers.location, '/ccagent?queue=1');
  assert.equal((await browser.open('/ccagent?queue=1')).status, 200);
  assert.deepEqual(site.upstream.only().values('x-remote-user'), ['dora']);
});

story('a browser is asked once, then left alone for some minutes; tabs that open together are all asked', async (t) => {
  const clock = manualClock(Date.now());
  const site = await desk(t, { clock });
  const browser = site.visitor();
  const asked = async (): Promise<string> => {
    const page = await browser.open('/ccagent');
    return `${page.status} ${challenges(page).join()}`;
  };
  assert.equal(await asked(), '401 Negotiate');
  clock.advance(2000);
  assert.equal(await asked(), '401 Negotiate');
  clock.advance(10_000);
  assert.equal(await asked(), '302 ');
  const script = await browser.fetch('/api');
  assert.deepEqual([script.status, challenges(script)], [401, []]);
  assert.equal((await browser.open('/_gate/login')).status, 200);
  // A ticket is taken all the same, and then the browser may be asked again.
  assert.equal((await browser.open('/ccagent', negotiate(await site.kdc.token('alice')))).status, 200);
  assert.deepEqual(
    [...browser.cookies.keys()].filter((name) => name.includes('negotiate')),
    [],
  );
  browser.cookies.clear();
  assert.equal(await asked(), '401 Negotiate');
});

story('a script is offered Negotiate in its JSON answer, and may use it', async (t) => {
  const site = await desk(t);
  const script = site.visitor();
  const answer = await script.fetch('/api/calls', { headers: { accept: 'application/json' } });
  assert.equal(answer.status, 401);
  assert.deepEqual(challenges(answer), ['Negotiate']);
  assert.equal(JSON.parse(answer.text).error, 'login-required');
  const token = await site.kdc.token('alice');
  assert.equal((await script.fetch('/api/calls', negotiate(token))).status, 200);
});

story('NTLM gets the form and is never challenged again (K3)', async (t) => {
  const clock = manualClock(Date.now());
  const site = await desk(t, { clock });
  const browser = site.visitor();
  const first = await browser.open('/ccagent');
  assert.deepEqual(challenges(first), ['Negotiate']);
  const answer = await browser.open('/ccagent', negotiate('TlRMTVNTUAABAAAAl4II4gAAAAAAAAAAAAAAAAAAAAAKAGFKAAAADw=='));
  assert.equal(answer.status, 302);
  assert.match(String(answer.headers.location), /^\/_gate\/login\?/);
  assert.deepEqual(challenges(answer), []);
  for (const minutes of [0, 1, 20, 600]) {
    clock.advance(minutes * 60_000);
    const next = await browser.open('/ccagent');
    assert.deepEqual([next.status, challenges(next)], [302, []], `after ${minutes} more minutes`);
  }
  const form = await browser.open(String(answer.headers.location));
  assert.match(form.text, /name="password"/);
  assert.deepEqual(reasons(site), [], 'it is no failed login');
});

story('tickets that are not taken leave their reason in the audit, and lead to the form', async (t) => {
  const site = await desk(t, { kdc: { services: ['HTTP/localhost', 'HTTP/other'], partners: ['alice'] } });
  const spent = await site.kdc.token('alice');
  assert.equal((await site.visitor().open('/ccagent', negotiate(spent))).status, 200);
  const tokens: Readonly<Record<string, string>> = {
    'ticket-replayed': spent,
    'realm-not-allowed': await site.kdc.token('alice@PARTNER.TEST'),
    'ticket-rejected': await site.kdc.token('alice', { service: 'HTTP@other' }),
  };
  for (const [reason, token] of Object.entries(tokens)) {
    const browser = site.visitor();
    const answer = await browser.open('/ccagent', negotiate(token));
    assert.deepEqual([answer.status, challenges(answer)], [302, []], reason);
    const form = await browser.open(String(answer.headers.location));
    assert.match(form.text, /name="password"/);
    assert.deepEqual(challenges(await browser.open('/ccagent')), [], 'not asked again at once');
    assert.equal(reasons(site).at(-1), reason);
    assert.ok(!browser.cookies.has('gatehouse'));
  }
  assert.equal(site.upstream.received.length, 1);
  for (const token of [spent, ...Object.values(tokens)])
    assert.ok(!site.lines.join('').includes(token), 'a ticket was logged');
});

story('?method=form is the form at once, and a ticket that comes along is not taken', async (t) => {
  const site = await desk(t);
  for (const ask of [{}, negotiate(await site.kdc.token('alice'))]) {
    const form = await site.visitor().open('/ccagent?method=form', ask);
    assert.deepEqual([form.status, challenges(form)], [302, []]);
  }
  assert.equal(site.upstream.received.length, 0);
});

story('a client of another network is shown the form at once', async (t) => {
  const site = await desk(t, { kerberos: { networks: ['10.0.0.0/8'] } });
  for (const ask of [{}, negotiate(await site.kdc.token('alice'))]) {
    const answer = await site.visitor().open('/ccagent', ask);
    assert.deepEqual([answer.status, challenges(answer)], [302, []]);
  }
  assert.equal(site.upstream.received.length, 0);
});

story('a client behind an untrusted proxy is in no network, and is shown the form', async (t) => {
  const site = await desk(t, { kerberos: { networks: ['127.0.0.0/8'] } });
  assert.deepEqual(challenges(await site.visitor().open('/ccagent')), ['Negotiate']);
  const { headers } = negotiate(await site.kdc.token('alice'));
  const relayed = { headers: { ...headers, 'x-forwarded-for': '192.0.2.1' } };
  const answer = await site.visitor().open('/ccagent', relayed);
  assert.deepEqual([answer.status, challenges(answer)], [302, []]);
  assert.equal(site.upstream.received.length, 0);
});

story('two hundred users at once each reach the upstream as themselves', async (t) => {
  const users = Array.from({ length: 200 }, (_, index) => `user${String(index).padStart(3, '0')}`);
  const site = await desk(t, { kdc: { users } });
  const tokens: string[] = [];
  for (const user of users) tokens.push(await site.kdc.token(user));
  const visitors = users.map(() => site.visitor());
  const answers = await Promise.all(
    visitors.map((visitor, index) => visitor.open(`/as/${users[index]}`, negotiate(tokens[index] ?? ''))),
  );
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  const again = await Promise.all(visitors.map((visitor, index) => visitor.open(`/as/${users[index]}?session`)));
  assert.deepEqual([...new Set(again.map(({ status }) => status))], [200]);
  assert.equal(site.upstream.received.length, 400);
  for (const received of site.upstream.received) {
    assert.deepEqual(received.values('x-remote-user'), [/user\d+/.exec(received.url)?.[0]]);
  }
  assert.equal(new Set(visitors.map(({ cookieHeader }) => cookieHeader)).size, 200);
});

story('two users on one connection stay two, and who brings nothing is nobody (K6)', async (t) => {
  const site = await desk(t);
  const agent = new Agent({ connections: 1, pipelining: 1 });
  t.after(() => agent.close());
  const ask = async (path: string, token?: string): Promise<number> => {
    const headers = token === undefined ? {} : negotiate(token).headers;
    const { statusCode, body } = await agent.request({ origin: site.address, path, method: 'GET', headers });
    await body.dump();
    return statusCode;
  };
  const [alice, bob] = [await site.kdc.token('alice'), await site.kdc.token('bob')];
  assert.deepEqual(
    [await ask('/a', alice), await ask('/b'), await ask('/c', bob), await ask('/d')],
    [200, 401, 200, 401],
  );
  assert.deepEqual(
    site.upstream.received.map(({ url, values }) => [url, ...values('x-remote-user')]),
    [
      ['/a', 'alice'],
      ['/c', 'bob'],
    ],
  );
});

story('a token of 48 KiB is judged, and one that no head can hold is refused by the listener', async (t) => {
  const site = await desk(t);
  const large = await site.visitor().open('/ccagent', negotiate('A'.repeat(48 * 1024)));
  assert.equal(large.status, 302);
  assert.deepEqual(reasons(site), ['ticket-rejected']);
  assert.equal((await site.visitor().open('/ccagent', negotiate('A'.repeat(70 * 1024)))).status, 431);
  assert.equal((await site.visitor().open('/ccagent')).status, 401);
});

test(
  'kerberos: a ticket gives the roles that a password gives, and while the directory is away the local accounts work',
  needsKdc.skip === false ? needsSlapd : needsKdc,
  async (t) => {
    const people = [{ uid: 'alice', password: 'right-3391-agent', name: 'Alice Adams' }];
    const slapd = await startSlapd(t, { people, groups: { agents: ['alice'] } });
    const { url, managerDn, managerPassword, searchBase, groupBase } = slapd;
    const directory = {
      type: 'ldap',
      url,
      managerDn,
      managerPassword,
      searchBase,
      groups: { searchBase: groupBase },
    };
    const site = await desk(t, {
      kerberos: { lookup: 'directory' },
      providers: { directory },
      chain: ['kerberos', 'directory', 'local'],
    });
    const withTicket = await site.visitor().open('/agents/', negotiate(await site.kdc.token('alice')));
    assert.equal(withTicket.status, 200);
    const browser = site.visitor();
    const page = await browser.open('/agents/');
    const fields = { ...hiddenFields(page.text), username: 'alice', password: 'right-3391-agent' };
    assert.equal((await browser.post('/_gate/login', fields, { origin: site.address })).status, 303);
    assert.equal((await browser.open('/agents/')).status, 200);
    const [ticket, password] = site.upstream.received;
    for (const header of ['x-remote-user', 'x-remote-name', 'x-remote-groups', 'x-remote-roles']) {
      assert.deepEqual(ticket?.values(header), password?.values(header), header);
      assert.equal(ticket?.values(header).length, 1, header);
    }
    const stranger = await site.visitor().open('/', negotiate(await site.kdc.token('bob')));
    assert.equal(stranger.status, 302);
    assert.equal(reasons(site).at(-1), 'not-in-directory');
    await slapd.kill();
    const visitor = site.visitor();
    const away = await visitor.open('/', negotiate(await site.kdc.token('alice')));
    assert.equal(away.status, 302, 'the form, not an error: somebody local may sign in');
    const form = await visitor.open(String(away.headers.location));
    const local = { ...hiddenFields(form.text), username: 'dora', password: 'right-2210-desk' };
    assert.equal((await visitor.post('/_gate/login', local, { origin: site.address })).status, 303);
  },
);

test(
  'kerberos: a session of a ticket follows the directory in which its user is looked up',
  needsKdc.skip === false ? needsSlapd : needsKdc,
  async (t) => {
    const people = [{ uid: 'alice', password: 'right-3391-agent' }];
    const slapd = await shareSlapd(t, { people, groups: { agents: ['alice', 'reader'] } });
    const { url, managerDn, managerPassword, searchBase, groupBase, base } = slapd;
    const directory = {
      ...{ type: 'ldap', url, managerDn, managerPassword, searchBase },
      groups: { searchBase: groupBase },
    };
    const site = await desk(t, {
      kerberos: { lookup: 'directory' },
      providers: { directory },
      session: { recheck: '1s' },
    });
    const alice = site.visitor();
    assert.equal((await alice.open('/agents/', negotiate(await site.kdc.token('alice')))).status, 200);
    const dn = personDn('alice', base);
    slapd.modify(`dn: cn=agents,${groupBase}\nchangetype: modify\ndelete: member\nmember: ${dn}\n`);
    await until('the role is gone', async () => (await alice.fetch('/agents/')).status === 403);
    slapd.modify(`dn: ${dn}\nchangetype: delete\n`);
    await until('the session is over', async () => (await alice.fetch('/')).status === 401);
    assert.equal(site.audit('session-end').at(-1)?.reason, 'unknown-user');
  },
);

const withBrowser = { skip: needsKdc.skip || withoutChromium };
const allowed = ['--auth-server-allowlist=localhost'];

test('kerberos: Chromium with a ticket is signed in without seeing a form', withBrowser, async (t) => {
  const site = await desk(t);
  const browser = await startChromiumProfile(t, allowed, await site.kdc.signIn('alice'));
  const page = await browser.newPage();
  // The list of allowed servers reaches Chromium's network a moment after its start.
  await until('Chromium uses its ticket', async () => {
    await browser.clearCookies();
    return (await page.goto(`${site.address}/ccagent`))?.status() === 200;
  });
  assert.deepEqual(site.upstream.received.find(({ url }) => url === '/ccagent')?.values('x-remote-user'), ['alice']);
  const again = await page.goto(`${site.address}/ccmanager`);
  assert.equal(again?.status(), 200);
  assert.deepEqual(reasons(site), ['succeeded'], 'one login for both pages');
});

for (const [who, switches] of Object.entries({ 'without a ticket': allowed, 'that may not use its ticket here': [] })) {
  test(`kerberos: Chromium ${who} lands on the form at once, and it works`, withBrowser, async (t) => {
    const site = await desk(t);
    const ticket =
      switches.length > 0
        ? { KRB5_CONFIG: site.kdc.krb5Config, KRB5CCNAME: `FILE:${site.folder}/none` }
        : await site.kdc.signIn('alice');
    const browser = await startChromiumProfile(t, switches, ticket);
    const page = await browser.newPage();
    const response = await page.goto(`${site.address}/ccagent`);
    assert.equal(response?.status(), 401);
    await page.fill('input[name=username]', 'dora');
    await page.fill('input[name=password]', 'right-2210-desk');
    await page.click('button[type=submit]');
    await page.waitForURL(`${site.address}/ccagent`);
    assert.deepEqual(site.upstream.received.find(({ url }) => url === '/ccagent')?.values('x-remote-user'), ['dora']);
  });
}
