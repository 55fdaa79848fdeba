/** Where a shift takes place: a slapd with everybody in it, a desk as upstream, and the gateway between. */

import { availableParallelism } from 'node:os';
import path from 'node:path';
import { type Slapd, startSlapd } from '../../test/support/servers/slapd.ts';
import { freePort } from '../../test/support/tools/free-port.ts';
import { ownFolder, type Running, startOn } from '../contenders/contender.ts';
import { gatehouse, type RunningGateway } from '../contenders/gatehouse.ts';
import type { Scope } from '../contenders/scope.ts';
import { listens } from '../measure/verify.ts';
import type { Proving } from './agent.ts';
import { enrolApps, enrolKeys } from './second-factors.ts';

/** All of it, running. */
export interface ShiftGround {
  readonly slapd: Slapd;
  readonly gateway: RunningGateway;
  readonly desk: Running;
  /** The name and the password of an agent by number, from 0 on. */
  agent(index: number): { readonly name: string; readonly password: string; readonly prove?: Proving | undefined };
}

/** All CPUs of the machine. */
const anyCpu = `0-${availableParallelism() - 1}`;

/** Starts the desk upstream on any CPU. */
export async function startDesk(cpu: number | string = anyCpu): Promise<Running & { readonly port: number }> {
  const port = await freePort();
  const running = await startOn(cpu, process.execPath, [
    path.join(import.meta.dirname, '../peers/desk.ts'),
    String(port),
  ]);
  await listens({ url: `http://127.0.0.1:${port}`, title: 'the desk' });
  return { ...running, port };
}

/** The configuration of a gateway whose users sign in at this directory. */
export function ldapLogin(slapd: Slapd): Readonly<Record<string, unknown>> {
  return {
    login: { chain: ['directory'], lockout: { user: 0, address: 0 } },
    providers: {
      directory: {
        type: 'ldap',
        url: slapd.url,
        searchBase: slapd.searchBase,
        managerDn: slapd.managerDn,
        managerPassword: slapd.managerPassword,
      },
    },
  };
}

/** Starts everything; it ends with the scope. */
export async function startShiftGround(
  scope: Scope,
  folder: string,
  { agents, workers, totp, keys }: { agents: number; workers: number; totp: boolean; keys: boolean },
): Promise<ShiftGround> {
  const slapd = await startSlapd(scope.context, { many: agents });
  const desk = await startDesk();
  scope.after(() => desk.end());
  const cpus = { proxy: anyCpu, load: anyCpu, upstream: anyCpu };
  const nameOf = (index: number): string => `user${String(index + 1).padStart(4, '0')}`;
  const names = Array.from({ length: totp || keys ? agents : 0 }, (_, index) => nameOf(index));
  const data = path.join(ownFolder({ folder }, 'gatehouse'), 'data');
  // Keys are made for names, and not for addresses.
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const proving = keys ? await enrolKeys(data, names, origin) : await enrolApps(data, names);
  const login = ldapLogin(slapd);
  const factors = keys ? { key: { type: 'webauthn' } } : { app: { type: 'totp' } };
  const levels = names.length > 0 && { login: { ...(login.login as object), level: 2 }, factors };
  const named = keys && { listen: `http://127.0.0.1:${port}`, publicUrl: origin };
  const gateway = await gatehouse(
    { folder, cpus, upstream: desk.port, users: 0 },
    {
      name: 'gatehouse',
      title: 'Gatehouse',
      server: { ...named, ...(workers > 1 && { workers }) },
      routes: [{ location: '/', upstream: `http://127.0.0.1:${desk.port}`, websocket: true }],
      more: { ...login, ...levels },
    },
  );
  scope.after(gateway.end);
  const agent = (index: number) => {
    const name = nameOf(index);
    return { name, password: name.replace('user', 'pass-'), prove: proving.get(name) };
  };
  return { slapd, gateway: { ...gateway, ...(keys && { url: origin }) }, desk, agent };
}
