/** A gateway of two workers is one gateway: for its visitors, for its operators, and when one of its processes dies. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { passwords, siteConfig } from '../support/scenes/site.ts';
import { hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { untilWhole, type WorkerSite, workerSite } from '../support/scenes/worker-site.ts';
import { testCertificates } from '../support/tools/certificates.ts';
import { freePort } from '../support/tools/free-port.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const cookieName = 'gatehouse';

/** The value of a metric, summed over what its labels begin with. */
async function metric({ admin }: WorkerSite, name: string): Promise<number> {
  const text = await (await fetch(new URL('/metrics', admin))).text();
  const lines = text.split('\n').filter((line) => line.startsWith(name));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** A WebSocket of a visitor; it comes to whichever worker the kernel chooses. */
async function openSocket({ url }: WorkerSite, visitor: Visitor): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${url.host}/live`, {
    headers: { cookie: visitor.cookieHeader, origin: url.origin },
  });
  await once(socket, 'open');
  return socket;
}

/** Whether a handshake with a kept TLS session was a short one. */
function resumes(port: number, file: string, ...more: readonly string[]): boolean {
  const { stdout, stderr } = spawnSync(
    'openssl',
    ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', 'localhost', '-ign_eof', ...more, file],
    { input: 'GET /public HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n', encoding: 'utf8' },
  );
  assert.match(stdout, /^HTTP\/1\.1 /m, stderr);
  return /^Reused,/m.test(stdout);
}

test('workers: two processes are one gateway', { skip: process.platform !== 'linux' }, async (t) => {
  const outage = await freePort();
  const site = await workerSite(t, {
    log: { level: 'debug' },
    login: { chain: ['local', 'directory'], breaker: { failures: 3 } },
    providers: {
      local: { type: 'local', users: 'users.yaml' },
      directory: { type: 'ldap', url: `ldap://127.0.0.1:${outage}`, searchBase: 'dc=example,dc=com' },
    },
  });
  const agent = (worker: number, cookies?: Map<string, string>) => site.visitorAt(worker, cookies);
  const kept = path.join(site.folder, 'session.pem');

  await t.test('a login whose second request meets another worker, a session that every worker knows', async () => {
    const first = await agent(1);
    const second = await agent(2, first.cookies);
    const page = await first.open('/_gate/login?return=/');
    const fields = { ...hiddenFields(page.text), username: 'agent1', password: passwords.agent1 };
    assert.equal((await second.post('/_gate/login', fields)).status, 303);
    assert.deepEqual([(await first.fetch('/x')).status, (await second.fetch('/x')).status], [200, 200]);
    // Seen by both, so that both have it at hand when it ends.
    assert.equal((await first.fetch('/x')).status, 200);
    const out = await second.open('/_gate/logout');
    assert.equal((await second.post('/_gate/logout', hiddenFields(out.text))).status, 200);
    assert.equal((await first.fetch('/x')).status, 401, 'at the next request, wherever it ended');
  });

  await t.test('what is live counts for the machine, and ends wherever its session is ended', async () => {
    const visitor = await agent(1);
    await visitor.mustSignIn('agent1', passwords.agent1);
    const token = visitor.cookies.get(cookieName) ?? '';
    const sockets: WebSocket[] = [];
    const open = async (): Promise<number> => sockets.push(await openSocket(site, visitor));
    while ((await heldBy(site)).size < 2 || sockets.length < 2) await open();
    const { sessions } = (await site.ask('/sessions?user=agent1')) as { sessions: { connections: number }[] };
    assert.equal(sessions[0]?.connections, sockets.length);
    assert.equal(await metric(site, 'gatehouse_live_connections{kind="websocket"}'), sockets.length);
    const closed = sockets.map(async (socket) => (await once(socket, 'close'))[0]);
    const { stdout, code } = await site.command('users', 'groups', 'agent1', 'agents', '--end-sessions');
    assert.deepEqual([code, /1 session of agent1 ended/.test(stdout)], [0, true], stdout);
    const codes = await endsWithin(2000, 'until all WebSockets are cut', Promise.all(closed));
    assert.deepEqual(new Set(codes), new Set([1008]));
    const other = await agent(2, new Map([[cookieName, token]]));
    assert.equal((await other.fetch('/x')).status, 401);
  });

  await t.test('requests are counted together, and written to one audit, a line each', async () => {
    const before = await metric(site, 'gatehouse_requests_total{route="public"');
    const visitors = [await agent(1), await agent(2)];
    const after = await metric(site, 'gatehouse_requests_total{route="public"');
    await Promise.all(
      visitors.flatMap((visitor) => Array.from({ length: 100 }, (_, index) => visitor.fetch(`/public/${index}`))),
    );
    assert.ok(after > before);
    assert.equal((await metric(site, 'gatehouse_requests_total{route="public"')) - after, 200);
    assert.equal(await metric(site, 'gatehouse_workers '), 2);
    const counted = await metric(site, 'gatehouse_requests_total');
    const written = async () => (await site.audit()).filter(({ event }) => event === 'request').length;
    await until('every request is in the audit', async () => (await written()) === counted, 5000);
  });

  await t.test('a code is explained whichever worker gave it, and warnings are those of all', async () => {
    for (const worker of [1, 2]) {
      const { text } = await (await agent(worker)).open('/closed/');
      const code = /[0-9A-Z]{4}-[0-9A-Z]{4}/.exec(text)?.[0] ?? '';
      const found = await until('the record is in the file', async () => {
        const { code: exit, stdout } = await site.command('why', code);
        return exit === 0 && stdout;
      });
      assert.match(found, /closed/);
    }
  });

  await t.test('a provider that fails for some workers is left alone by all, and a new worker knows', async () => {
    const logins = [await agent(1), await agent(2), await agent(1)];
    for (const visitor of logins) assert.equal((await visitor.signIn('stranger', 'wrong-password')).status, 503);
    await until('the circuit breaker is open', async () => {
      const { providers } = (await site.ask('/health/ready')) as { providers: Record<string, { state: string }> };
      return providers.directory?.state === 'down';
    });
    for (const worker of [1, 2]) {
      const visitor = await agent(worker);
      await visitor.signIn(`stranger${worker}`, 'wrong-password');
      assert.equal(await reasonOf(site, `stranger${worker}`), 'breaker-open');
    }
    const { providers } = (await site.ask('/providers')) as { providers: Record<string, unknown>[] };
    assert.partialDeepStrictEqual(providers[1], { name: 'directory', state: 'down' });
    assert.ok((providers[1]?.lastError as { reason?: string })?.reason === 'unreachable');
    assert.equal(await metric(site, 'gatehouse_breaker_state{provider="directory"}'), 2);
  });

  await t.test('a TLS session of one worker is resumed by every other', async () => {
    assert.equal(resumes(site.tlsPort, kept, '-sess_out'), false);
    const results = Array.from({ length: 10 }, () => resumes(site.tlsPort, kept, '-sess_in'));
    assert.deepEqual(new Set(results), new Set([true]));
  });

  await t.test('a reload is taken by all, and ends no connection', async () => {
    const visitors = [await agent(1), await agent(2)];
    const open = { location: '/new', upstream: site.upstream.origin, access: 'public' };
    await site.write({ routes: [...(siteConfig(site.upstream.origin).routes as object[]), open] });
    const { code, stdout } = await site.command('reload');
    assert.deepEqual([code, stdout], [0, 'the configuration was reloaded\n']);
    for (const visitor of visitors)
      assert.deepEqual([(await visitor.fetch('/new')).status, visitor.connections()], [200, 1]);
    assert.equal((await told(site, 'reload')).length, 1, 'told once');
  });

  await t.test('a reload that cannot be used, or that one worker does not ready, is taken by none', async () => {
    await site.write({ rotes: [] });
    const bad = await site.command('reload');
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /gatehouse\.yaml:\d+:\d+ +rotes: /);
    const visitors = [await agent(1), await agent(2)];
    for (const visitor of visitors) assert.equal((await visitor.fetch('/new')).status, 200);

    await site.write({ routes: [{ location: '/new', upstream: site.upstream.origin, access: 'deny' }] });
    const held = site.pids().get(2) ?? 0;
    const ready = (): number => site.program.lines.filter((line) => line.includes('a configuration is ready')).length;
    const readyBefore = ready();
    process.kill(held, 'SIGSTOP');
    const reload = site.command('reload');
    await until('the other has it ready', () => ready() > readyBefore);
    process.kill(held, 'SIGKILL');
    const { code, stderr } = await reload;
    assert.equal(code, 1);
    assert.match(stderr, /worker 2 has ended \(SIGKILL\)/);
    assert.equal((await visitors[0]?.fetch('/new'))?.status, 200, 'the other goes on with the one before');
    await untilWhole(site);
    assert.equal((await (await agent(2)).fetch('/new')).status, 200, 'and so does the one that follows');
  });

  await t.test('a worker that dies is followed by another, which knows what the others do', async () => {
    const counted = await metric(site, 'gatehouse_requests_total');
    const session = await agent(2);
    await session.mustSignIn('supervisor1', passwords.supervisor1);
    const [before, other] = [site.pids().get(1) ?? 0, await agent(2, session.cookies)];
    process.kill(before, 'SIGKILL');
    await site.program.said(`"worker":1,"pid":${before},"signal":"SIGKILL"`);
    assert.equal((await other.fetch('/x')).status, 200, 'the other goes on');
    await untilWhole(site);
    assert.notEqual(site.pids().get(1), before);
    assert.equal((await (await agent(1, session.cookies)).fetch('/x')).status, 200);
    assert.ok(
      (await metric(site, 'gatehouse_requests_total')) > counted,
      'what the dead one has counted stays counted',
    );
    assert.equal(await metric(site, 'gatehouse_worker_ends_total'), 2);
    const fresh = await agent(1);
    await fresh.signIn('stranger-after', 'wrong-password');
    assert.equal(await reasonOf(site, 'stranger-after'), 'breaker-open');
    const results = Array.from({ length: 6 }, () => resumes(site.tlsPort, kept, '-sess_in'));
    assert.deepEqual(new Set(results), new Set([true]), 'with the ticket keys of before');
    const { warnings } = (await site.ask('/warnings')) as { warnings: Record<string, unknown>[] };
    const ends = warnings.filter(({ message }) => String(message).startsWith('a worker has ended'));
    assert.deepEqual(
      ends.map(({ worker }) => worker),
      [1, 2],
      'the newest first',
    );
  });

  await t.test(
    'listeners that a reload brings are opened by every worker, and by one that follows another',
    async () => {
      const [port, visitor] = [await freePort(), await agent(1)];
      const listeners = {
        public: { listen: [site.url.origin, `https://127.0.0.1:${site.tlsPort}`], tls: testCertificates().good },
        more: { listen: `http://127.0.0.1:${port}` },
      };
      const server = { publicUrl: site.url.origin, workers: 2, drain: '5s' };
      await site.write({ server, listeners });
      assert.equal((await site.command('reload')).code, 0);
      assert.deepEqual([(await visitor.fetch('/public')).status, visitor.connections()], [200, 1]);
      const second = site.pids().get(2) ?? 0;
      process.kill(second, 'SIGKILL');
      await site.program.said(`"worker":2,"pid":${second},"signal":"SIGKILL"`);
      await untilWhole(site);
      const ask = async (): Promise<number> => {
        const { status } = await fetch(`http://127.0.0.1:${port}/public`, { headers: { connection: 'close' } });
        return status;
      };
      for (let round = 0; round < 12; round += 1) assert.equal(await ask(), 200);
      await site.write({ server, listeners: { public: listeners.public } });
      assert.equal((await site.command('reload')).code, 0);
      await assert.rejects(ask());
      assert.deepEqual([(await visitor.fetch('/public')).status, visitor.connections()], [200, 1]);
    },
  );

  await t.test('a stop lets the requests of every worker finish, and leaves no process', async () => {
    const first = await agent(1);
    await first.mustSignIn('agent1', passwords.agent1);
    const visitors = [first, await agent(2, first.cookies)];
    const waiting = site.upstream.received.length;
    const slow = visitors.map((visitor) => visitor.fetch('/slow?ms=500'));
    await until('both are on their way', () => site.upstream.received.length === waiting + 2);
    const workers = [...site.pids().values()];
    site.program.child.kill('SIGTERM');
    const answers = await Promise.all(slow);
    assert.deepEqual(
      answers.map(({ status, text }) => [status, text]),
      [
        [200, 'slow'],
        [200, 'slow'],
      ],
    );
    assert.equal(await site.program.ended, 0);
    assert.deepEqual(
      workers.filter((pid) => existsSync(`/proc/${pid}`)),
      [],
    );
    assert.equal((await told(site, 'stop')).length, 1);
  });
});

/** The records of an event, as soon as there is one. */
function told(site: WorkerSite, event: string): Promise<readonly Record<string, unknown>[]> {
  return until(`${event} is in the audit`, async () => {
    const found = (await site.audit()).filter((record) => record.event === event);
    return found.length > 0 && found;
  });
}

/** The workers that hold a WebSocket at this moment: each has connections to the upstream of its own. */
async function heldBy(site: WorkerSite): Promise<ReadonlySet<number>> {
  return site.holders(site.upstream.port);
}

/** Why a provider did not judge the login of a name, as the audit has it. */
async function reasonOf(site: WorkerSite, user: string): Promise<unknown> {
  const record = await until(`the login of ${user} is in the audit`, async () =>
    (await site.audit()).find((one) => one.event === 'login' && one.user === user),
  );
  const steps = record.steps as { provider: string; reason?: string }[];
  return steps.find(({ provider }) => provider === 'directory')?.reason;
}

test('workers: whose leading process has died finish what is under way, and end', {
  skip: process.platform !== 'linux',
}, async (t) => {
  const site = await workerSite(t, { routes: [{ location: '/', upstream: 'http://127.0.0.1:1', access: 'public' }] });
  await site.write({ routes: [{ location: '/', upstream: site.upstream.origin, access: 'public' }] });
  assert.equal((await site.command('reload')).code, 0);
  const visitor = await site.visitorAt(1);
  const slow = visitor.fetch('/slow?ms=300');
  const received = site.upstream.received.length;
  await until('it is on its way', () => site.upstream.received.length > received);
  const workers = [...site.pids().values()];
  site.program.child.kill('SIGKILL');
  assert.equal((await slow).status, 200);
  await until('nobody is left', () => workers.every((pid) => !existsSync(`/proc/${pid}`)));
});
