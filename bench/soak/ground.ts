/** Where a soak takes place: a gateway over TLS with workers and a shared store, and an application that can die. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Secret } from '../../src/core/secret.ts';
import { UsersFile } from '../../src/users/users-file.ts';
import { type RedisServer, sealKeyFile, startRedis } from '../../test/support/servers/redis.ts';
import { testCertificates } from '../../test/support/tools/certificates.ts';
import { freePort } from '../../test/support/tools/free-port.ts';
import { type Running, startOn } from '../contenders/contender.ts';
import { gatehouse, type RunningGateway } from '../contenders/gatehouse.ts';
import type { Scope } from '../contenders/scope.ts';
import { quiet } from '../contenders/sessions.ts';
import { listens } from '../measure/verify.ts';

/** The password of every agent. */
export const soakPassword = 'a-long-day-9173-horse';

/** All of it, running. */
export interface MixedGround {
  readonly gateway: RunningGateway;
  /** Absent with the embedded store. */
  readonly redis: RedisServer | undefined;
  readonly workers: number;
  /** Kills the application, and starts it again at its port after this time. */
  killApplication(awayMs: number): Promise<void>;
  /** Puts the other certificate in the place of the one that is served. */
  swapCertificate(): void;
}

const anyCpu = '0-1023';

/** Starts everything; it ends with the scope. */
export async function startMixedGround(
  scope: Scope,
  folder: string,
  { agents, workers, store }: { agents: number; workers: number; store: 'embedded' | 'redis' },
): Promise<MixedGround> {
  const [deskPort, port] = [await freePort(), await freePort()];
  const desk = path.join(import.meta.dirname, '../peers/desk.ts');
  const startDesk = async (): Promise<Running> => {
    const running = await startOn(anyCpu, process.execPath, [desk, String(deskPort)]);
    await listens({ url: `http://127.0.0.1:${deskPort}`, title: 'the application' });
    return running;
  };
  let application = await startDesk();
  scope.after(() => application.end());
  const redis =
    store === 'redis' ? await startRedis(scope.context, ['appendonly yes', 'maxmemory-policy noeviction']) : undefined;
  const files = path.join(folder, 'files');
  mkdirSync(files);
  const users = path.join(files, 'agents.yaml');
  await writeUsers(users, agents);
  const served = { certificate: path.join(files, 'served.pem'), key: path.join(files, 'served.key') };
  const { good, renewed } = testCertificates();
  let isRenewed = true;
  const swapCertificate = (): void => {
    isRenewed = !isRenewed;
    const next = isRenewed ? renewed : good;
    copyFileSync(next.certificate, served.certificate);
    copyFileSync(next.key, served.key);
  };
  swapCertificate();
  const url = `https://127.0.0.1:${port}`;
  const cpus = { proxy: anyCpu, load: anyCpu, upstream: anyCpu };
  const gateway = await gatehouse(
    { folder, cpus, upstream: deskPort, users: 0 },
    {
      name: 'gatehouse',
      title: 'Gatehouse',
      audit: false,
      server: { listen: url, publicUrl: url, tls: served, workers, drain: '2s' },
      routes: [{ location: '/', upstream: `http://127.0.0.1:${deskPort}`, websocket: true }],
      more: {
        login: { chain: ['local'], lockout: { user: 0, address: 0 } },
        providers: { local: { type: 'local', users } },
        ...(redis && { session: { store: { type: 'redis', url: redis.url, sealKey: { file: sealKeyFile(files) } } } }),
        log: { level: 'silent' },
      },
    },
  );
  scope.after(gateway.end);
  return {
    gateway: { ...gateway, url },
    redis,
    workers,
    swapCertificate,
    killApplication: async (awayMs) => {
      await application.end('SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, awayMs));
      application = await startDesk();
    },
  };
}

async function writeUsers(file: string, agents: number): Promise<void> {
  writeFileSync(file, 'users: {}\n');
  const users = new UsersFile(file, { log: quiet });
  for (let index = 0; index < agents; index += 1)
    await users.add({ username: `agent${index}`, password: new Secret(soakPassword), groups: ['agents'] });
}
