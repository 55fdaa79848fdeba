/** A certificate is replaced while visitors keep coming: nobody is turned away, and each new handshake soon sees it. */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect } from 'node:tls';
import { ask, type HttpsSite, httpsSite } from '../support/scenes/https-site.ts';
import { passwords } from '../support/scenes/site.ts';
import { shareChromium, withoutChromium } from '../support/servers/chromium.ts';
import { type CertificateFiles, testCertificates } from '../support/tools/certificates.ts';
import { temporaryFolder } from '../support/tools/folder.ts';
import { until } from '../support/tools/poll.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

const seenWithin = 2000;

/** A site with the names of its files in the manual, and a way to put other content in them. */
async function swapSite(
  t: TestContext,
): Promise<HttpsSite & { put(pair: CertificateFiles): void; files: CertificateFiles }> {
  const folder = await temporaryFolder(t);
  const files = { certificate: path.join(folder, 'xivoxc.crt'), key: path.join(folder, 'xivoxc.key') };
  const put = (pair: CertificateFiles): void => {
    copyFileSync(pair.certificate, files.certificate);
    copyFileSync(pair.key, files.key);
  };
  put(testCertificates().good);
  return { ...(await httpsSite(t, { server: { tls: files } })), put, files };
}

/** The name on the certificate that a new visitor is shown; one who resumes is not shown any. */
function shownTo(port: number, session?: Buffer): Promise<{ name: string; resumed: boolean; session?: Buffer }> {
  return new Promise((resolve, reject) => {
    let ticket: Buffer | undefined;
    const socket = connect({
      port,
      host: '127.0.0.1',
      servername: 'localhost',
      rejectUnauthorized: false,
      ...(session && { session }),
    });
    socket.on('session', (value: Buffer) => {
      ticket = value;
    });
    socket.once('error', reject).once('secureConnect', () => {
      const resumed = socket.isSessionReused();
      const name = /CN=(\S+)/.exec(socket.getPeerX509Certificate()?.subject ?? '')?.[1] ?? '';
      // A ticket of TLS 1.3 comes after the handshake, so a short exchange waits for it.
      socket.end('GET /public/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
      socket.resume().once('close', () => resolve({ name, resumed, ...(ticket && { session: ticket }) }));
    });
  });
}

/** Waits until new visitors are shown a certificate, which must be soon. */
async function seen(port: number, name: string): Promise<void> {
  const shown = until(`${name} is shown`, async () => (await shownTo(port)).name === name);
  await endsWithin(seenWithin, `until ${name} is shown`, shown);
}

/** Requests one after another until told to stop, or the test ends; everything that was not a 200. */
function load(
  t: TestContext,
  run: () => Promise<number>,
  workers: number,
): { stop(): Promise<{ requests: number; failures: string[] }> } {
  let isOver = false;
  let requests = 0;
  const failures: string[] = [];
  const work = Array.from({ length: workers }, async () => {
    while (!isOver) {
      const status = await run().catch((error: unknown) => String(error));
      requests += 1;
      if (status !== 200) failures.push(String(status));
    }
  });
  const stop = async () => {
    isOver = true;
    await Promise.all(work);
    return { requests, failures };
  };
  t.after(stop);
  return { stop };
}

function get(port: number, ca: string, agent: https.Agent | false): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = https.get(
      {
        port,
        host: '127.0.0.1',
        servername: 'localhost',
        headers: { host: 'localhost' },
        path: '/public/x',
        ca,
        agent,
      },
      (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
      },
    );
    request.once('error', reject);
  });
}

test('certificate swap: under load no request fails, and new handshakes see the new certificate within two seconds', async (t) => {
  const { port, ca, put, origin, lines } = await swapSite(t);
  const agent = new https.Agent({ keepAlive: true, maxSockets: 4 });
  const session = http2.connect(origin, { ca });
  t.after(() => {
    agent.destroy();
    session.destroy();
  });
  const loads = [
    load(t, () => get(port, ca, false), 4),
    load(t, () => get(port, ca, agent), 4),
    load(t, async () => (await ask(session, { ':path': '/public/x' })).status, 8),
  ];
  const { good, renewed } = testCertificates();
  const times: number[] = [];
  for (const [index, pair] of [renewed, good, renewed, good].entries()) {
    const name = index % 2 === 0 ? 'renewed' : 'good';
    const startedAt = performance.now();
    put(pair);
    await seen(port, name);
    times.push(Math.round(performance.now() - startedAt));
    assert.equal((await shownTo(port)).name, name);
  }
  const results = await Promise.all(loads.map(({ stop }) => stop()));
  const [fresh, kept, multiplexed] = results.map(({ requests }) => requests);
  t.diagnostic(
    `seen after ${times.join(', ')} ms; requests: ${fresh} on new connections, ${kept} on kept ones, ${multiplexed} over HTTP/2`,
  );
  for (const { requests, failures } of results) {
    assert.deepEqual(failures, []);
    assert.ok(requests > 20, `only ${requests} requests`);
  }
  assert.equal(session.destroyed, false, 'the connection of HTTP/2 is the one from the beginning');
  assert.equal(lines.filter((line) => line.includes('a certificate was replaced')).length, 4);
});

test('certificate swap: a visitor who resumes a session gets a full handshake with the new certificate', async (t) => {
  const { port, put } = await swapSite(t);
  const first = await shownTo(port);
  assert.ok(first.session, 'there is a ticket');
  assert.equal((await shownTo(port, first.session)).resumed, true);
  put(testCertificates().renewed);
  await seen(port, 'renewed');
  const again = await shownTo(port, first.session);
  assert.deepEqual([again.resumed, again.name], [false, 'renewed']);
});

test('certificate swap: a broken replacement is refused, visitors keep the old one, and a good one is taken after it', async (t) => {
  const { port, ca, put, lines, files } = await swapSite(t);
  const visitors = load(t, () => get(port, ca, false), 2);
  copyFileSync(testCertificates().renewed.certificate, files.certificate);
  await until('the refusal is logged', () =>
    lines.some((line) => line.includes('a replaced certificate cannot be used')),
  );
  assert.equal((await shownTo(port)).name, 'good');
  put(testCertificates().renewed);
  await seen(port, 'renewed');
  assert.deepEqual((await visitors.stop()).failures, []);
});

test('certificate swap: a reload takes the files as they are', async (t) => {
  const { port, put, running } = await swapSite(t);
  put(testCertificates().renewed);
  assert.equal((await running.reload({ actor: 'signal' })).kind, 'reloaded');
  assert.equal((await shownTo(port)).name, 'renewed');
});

test('certificate swap: a chain without its intermediate is named in the log, and by cert check over the wire', async (t) => {
  const { port, put, lines, ca } = await swapSite(t);
  put(testCertificates().unchained);
  await seen(port, 'unchained');
  assert.ok(lines.some((line) => line.includes('the chain is not complete') && line.includes('CN=intermediate')));
  const { run } = await import('../support/tools/command.ts');
  const file = path.join(await temporaryFolder(t), 'ca.pem');
  copyFileSync(testCertificates().ca, file);
  assert.equal(readFileSync(file, 'utf8'), ca);
  const { code, stdout } = await run(['cert', 'check', `localhost:${port}`, '--ca', file]);
  assert.equal(code, 1);
  assert.match(stdout, /the chain is incomplete: .*"CN=intermediate, O=Gatehouse Test" is missing/);
});

test('certificate swap: a browser signs in over HTTP/2 and goes on over a swap', {
  skip: withoutChromium,
}, async (t) => {
  const { origin, put, port, upstream } = await swapSite(t);
  const browser = await shareChromium(t);
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  await page.goto(`${origin}/desk`);
  const protocol = await page.evaluate(
    () =>
      (performance.getEntriesByType('navigation' as never)[0] as unknown as { nextHopProtocol: string })
        .nextHopProtocol,
  );
  assert.equal(protocol, 'h2');
  await page.fill('input[name=username]', 'agent1');
  await page.fill('input[name=password]', passwords.agent1);
  await Promise.all([page.waitForURL('**/desk'), page.press('input[name=password]', 'Enter')]);
  assert.deepEqual(upstream.received.find(({ url }) => url === '/desk')?.values('x-remote-user'), ['agent1']);
  const [cookie] = (await context.cookies()).filter(({ name }) => name === '__Host-gatehouse');
  assert.deepEqual([cookie?.secure, cookie?.httpOnly, cookie?.path], [true, true, '/']);
  const echoed = await page.evaluate(
    (address) =>
      new Promise<string>((resolve, reject) => {
        const socket = new WebSocket(address);
        socket.onopen = () => socket.send('over TLS');
        socket.onmessage = ({ data }) => resolve(String(data));
        socket.onerror = () => reject(new Error('the WebSocket failed'));
      }),
    `wss://localhost:${port}/live`,
  );
  assert.equal(echoed, 'over TLS');
  put(testCertificates().renewed);
  await seen(port, 'renewed');
  assert.equal((await page.goto(`${origin}/desk?again`))?.status(), 200);
});
