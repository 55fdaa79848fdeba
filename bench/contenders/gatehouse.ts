/** The gateway as `gatehouse serve` runs it, with users signed in. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { request } from 'undici';
import { stringify } from 'yaml';
import type { Store } from '../../src/core/store.ts';
import { testCertificates } from '../../test/support/tools/certificates.ts';
import { freePort } from '../../test/support/tools/free-port.ts';
import { until } from '../../test/support/tools/poll.ts';
import { type Contender, type Ground, type Hearing, ownFolder, startOn } from './contender.ts';
import { startNginx } from './nginx.ts';
import { embeddedStore, signIn } from './sessions.ts';

const entry = path.resolve(import.meta.dirname, '../../src/cli/main.ts');

/** How one differs from the others. */
export interface Variant {
  readonly name: string;
  readonly title: string;
  readonly isPublic?: boolean;
  readonly audit?: boolean;
  readonly tls?: boolean;
  /** Merged into the document. */
  readonly server?: Readonly<Record<string, unknown>>;
  /** In place of the one route for everything. */
  readonly routes?: readonly unknown[];
  /** Opens the store that `more` names, in place of the embedded one. */
  readonly store?: () => Promise<Store>;
  /** Top-level keys of the document, in place of the usual ones. */
  readonly more?: Readonly<Record<string, unknown>>;
  /** The users have proved an authenticator app of this name, and the one route for everything asks for level 2. */
  readonly factor?: string;
  /** In place of as many as the ground says. */
  readonly users?: number;
}

/** A gateway that runs, with what only the bench's own rows need. */
export interface RunningGateway extends Contender {
  readonly pid: number;
  /** Its configuration, for those who change it. */
  readonly file: string;
  /** Its admin listener. */
  readonly admin: string;
}

const heardByName: Hearing = ({ name }) => name;
/** Nobody is signed in on a public route, and a forged name must not arrive. */
const heardByNobody: Hearing = () => '';

/** Starts it with its users signed in, before anybody is measured. */
export async function gatehouse(ground: Ground, variant: Variant): Promise<RunningGateway> {
  const folder = ownFolder(ground, variant.name);
  const [port, adminPort] = [await freePort(), await freePort()];
  const url = `${variant.tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  const store = variant.store ? await variant.store() : await embeddedStore(path.join(folder, 'data'));
  const users = await signIn(store, variant.users ?? ground.users, variant.tls ?? false, variant.factor);
  const file = path.join(folder, 'gatehouse.yaml');
  const admin = `http://127.0.0.1:${adminPort}`;
  writeFileSync(file, stringify(documentOf(ground, variant, { folder, url, admin })));
  writeFileSync(path.join(folder, 'users.yaml'), 'users: {}\n');
  // As the image and `npm start` do.
  const words = ['--max-semi-space-size=8', entry, 'serve', '--config', file];
  const running = await startOn(ground.cpus.proxy, process.execPath, words, { cwd: folder });
  const ready = (): Promise<boolean> => {
    if (running.hasEnded()) throw new Error(`${variant.name} has ended: ${running.said()}`);
    return isReady(`${admin}/health/ready`);
  };
  try {
    await until(`${variant.name} is ready`, ready, 60_000);
  } catch (error) {
    await running.end();
    throw error;
  }
  return {
    name: variant.name,
    title: variant.title,
    url,
    roots: [running.pid],
    users,
    hears: variant.isPublic ? heardByNobody : heardByName,
    pid: running.pid,
    file,
    admin,
    end: running.end,
  };
}

async function isReady(url: string): Promise<boolean> {
  const answer = await request(url).catch(() => undefined);
  await answer?.body.dump();
  return answer?.statusCode === 200;
}

/** The configuration of one. */
function documentOf(
  { upstream }: Ground,
  { isPublic = false, audit = true, tls = false, server = {}, routes, factor, more = {} }: Variant,
  { folder, url, admin }: { folder: string; url: string; admin: string },
): object {
  const { good } = testCertificates();
  const access = isPublic ? 'public' : { roles: ['agent'], ...(factor !== undefined && { level: 2 }) };
  return {
    server: {
      ...{ listen: url, publicUrl: url, drain: '1s', maxConnections: 40_000 },
      ...(tls && { tls: { certificate: good.certificate, key: good.key } }),
      ...server,
    },
    admin: { listen: admin },
    login: { chain: ['local'] },
    session: { store: { type: 'embedded', path: 'data' } },
    providers: { local: { type: 'local', users: 'users.yaml' } },
    roles: { agent: { groups: ['agents'] } },
    routes: routes ?? [{ location: '/', upstream: `http://127.0.0.1:${upstream}`, access, websocket: true }],
    ...(factor !== undefined && { factors: { [factor]: { type: 'totp' } } }),
    log: { level: 'warn' },
    audit: { to: audit ? path.join(folder, 'audit.jsonl') : 'off' },
    ...more,
  };
}

/** nginx carries the requests by the file that `gatehouse export nginx` writes, and the gateway is asked about each. */
export async function gatehouseForwardAuth(ground: Ground): Promise<Contender> {
  const port = await freePort();
  const publicUrl = `http://127.0.0.1:${port}`;
  const gate = await gatehouse(ground, {
    name: 'gatehouse-forward-auth',
    title: 'Gatehouse, forward auth behind nginx',
    server: { publicUrl, trustedProxies: ['127.0.0.1'] },
  });
  try {
    const words = [entry, 'export', 'nginx', '--config', gate.file, '--listen', `127.0.0.1:${port}`];
    const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`gatehouse export nginx: ${stderr}`);
    const nginx = await startNginx(ownFolder(ground, 'forward-auth-nginx'), ground.cpus.proxy, stdout);
    return {
      ...gate,
      url: publicUrl,
      roots: [nginx.pid, ...gate.roots],
      end: async () => {
        await nginx.end();
        await gate.end();
      },
    };
  } catch (error) {
    await gate.end();
    throw error;
  }
}
