/** HAProxy as a plain proxy, one thread. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../../test/support/tools/free-port.ts';
import { type Contender, type Ground, ownFolder, startOn, strangers } from './contender.ts';

/** Starts it. */
export async function haproxy(ground: Ground): Promise<Contender> {
  const [folder, port] = [ownFolder(ground, 'haproxy'), await freePort()];
  const file = path.join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 300s
  timeout server 60s
frontend front
  bind 127.0.0.1:${port}
  default_backend app
backend app
  server app 127.0.0.1:${ground.upstream}
`,
  );
  const running = await startOn(ground.cpus.proxy, '/usr/sbin/haproxy', ['-db', '-q', '-f', file]);
  return {
    name: 'haproxy',
    title: 'HAProxy, plain proxy',
    url: `http://127.0.0.1:${port}`,
    roots: [running.pid],
    users: strangers(ground.users),
    hears: undefined,
    end: running.end,
  };
}
