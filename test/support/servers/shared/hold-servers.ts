/**
 * The program that holds the servers of a run: one slapd, KDC, CAS server (two: in clear and over TLS) and Chromium, started when they are first asked for. It ends,
 * with all of them and the folder of the run, when the process that started it closes its standard input or is gone.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../tools/free-port.ts';
import { runFolderVariable } from '../../tools/run-folder.ts';
import { endCas, prepareCas, serveCas } from '../cas-process.ts';
import { KdcProcess } from '../kdc-process.ts';
import { TokenMaker } from '../kerberos-tokens.ts';
import { endServer } from '../server-process.ts';
import { contentForSlapadd } from '../slapd-content.ts';
import { prepareSlapd, type SlapdPorts, serveSlapd, suffix } from '../slapd-process.ts';
import { socketOf } from './holder.ts';
import type { Answers, Question } from './questions.ts';
import { type Running, SharedServer } from './shared-server.ts';

const [folder = ''] = process.argv.slice(2);
process.env[runFolderVariable] = folder;
// Whatever the servers leave in the folder for temporary files goes with the run, too.
process.env.TMPDIR = folder;
let tests = 0;

const slapd = new SharedServer('slapd', async (): Promise<Running<SlapdPorts>> => {
  const own = mkdtempSync(join(folder, 'slapd-'));
  const ports = { port: await freePort(), ldapsPort: await freePort() };
  prepareSlapd(own, {}, contentForSlapadd(suffix, {}));
  const child = await serveSlapd(own, ports);
  return { child, value: ports, said: child.said, end: () => endServer(child) };
});

const kdc = new SharedServer('kdc', async (): Promise<Running<{ keys: KdcProcess; tokens: TokenMaker }>> => {
  const own = mkdtempSync(join(folder, 'kdc-'));
  const keys = await KdcProcess.start(own, ['EXAMPLE.TEST', 'PARTNER.TEST']);
  const tokens = new TokenMaker(join(own, 'krb5.conf'));
  const end = async (): Promise<void> => void (await Promise.all([tokens.close(), keys.end()]));
  return { child: keys.child, value: { keys, tokens }, said: keys.child.said, end };
});

function casServer(name: 'cas' | 'casTls') {
  const server = new SharedServer(name, async (): Promise<Running<{ folder: string; port: number }>> => {
    const own = mkdtempSync(join(folder, `${name}-`));
    prepareCas(own);
    const { child, port } = await serveCas(own, { tls: name === 'casTls' });
    return { child, value: { folder: own, port }, said: child.said, end: () => endCas(child) };
  });
  const answer = async () => {
    const { pid, value } = await server.get();
    return { pid, ...value, number: ++tests };
  };
  return { server, answer };
}

const [cas, casTls] = [casServer('cas'), casServer('casTls')];

const chromium = new SharedServer('chromium', async (): Promise<Running<string>> => {
  const { serveChromium } = await import('../chromium.ts');
  const browser = await serveChromium(folder);
  return { child: browser.process(), value: browser.wsEndpoint(), end: () => browser.close() };
});

const servers = { slapd, kdc, cas: cas.server, casTls: casTls.server, chromium };

const answers: { [K in keyof Answers]: (question: Question<K>) => Promise<Answers[K]> } = {
  slapd: async () => {
    const { pid, value } = await slapd.get();
    return { pid, ...value, number: ++tests };
  },
  kdc: async () => {
    const { pid, value } = await kdc.get();
    return { pid, port: value.keys.port };
  },
  cas: cas.answer,
  casTls: casTls.answer,
  chromium: async () => {
    const { pid, value } = await chromium.get();
    return { pid, endpoint: value };
  },
  keytab: async ({ principals }) => {
    const { value } = await kdc.get();
    return { keytab: (await value.keys.keytab(principals)).toString('base64') };
  },
  token: async ({ order }) => {
    const { value } = await kdc.get();
    return { token: await value.tokens.make(order) };
  },
  end: async ({ server, pid }) => {
    const how = await servers[server].endOf(pid);
    return how === undefined ? {} : { how };
  },
};

/** Answers one question of a connection. */
async function serve(socket: Socket): Promise<void> {
  let text = '';
  socket.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  await once(socket, 'end');
  const reply = await answer(JSON.parse(text)).then(
    (answer) => ({ answer }),
    (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
  );
  socket.end(JSON.stringify(reply));
}

function answer<K extends keyof Answers>(question: Question<K>): Promise<Answers[K]> {
  return answers[question.kind](question);
}

let isEnding = false;
async function end(): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await Promise.allSettled(Object.values(servers).map((server) => server.close()));
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  process.exit();
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void end());
process.stdin.resume().once('close', () => void end());
const listener = createServer({ allowHalfOpen: true }, (socket) => void serve(socket).catch(() => socket.destroy()));
listener.listen(socketOf(folder), () => process.stdout.write('ready\n'));
