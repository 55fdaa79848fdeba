/** nginx in its parts: the upstream of all, the plain proxy, the one with TLS, and the one that asks about each request. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { testCertificates } from '../../test/support/tools/certificates.ts';
import { freePort } from '../../test/support/tools/free-port.ts';
import type { CpuList } from '../machine/cpus.ts';
import { type Contender, type Ground, ownFolder, type Running, startOn, strangers } from './contender.ts';

const nginx = '/usr/sbin/nginx';

/** Starts one process of nginx with these servers on a CPU. */
export function startNginx(folder: string, cpu: CpuList, servers: string): Promise<Running> {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  );
  const file = path.join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `master_process off; daemon off; pid ${folder}/pid; error_log stderr warn;
events { worker_connections 16000; }
http { access_log off; keepalive_requests 100000000; keepalive_timeout 300s; sendfile on; tcp_nopush on; client_max_body_size 0;
${paths.join(' ')}
map $http_upgrade $connection_word { default upgrade; '' ''; }
${servers} }\n`,
  );
  return startOn(cpu, nginx, ['-p', folder, '-c', file]);
}

/** The sizes of the answers that the upstream has, by the path that they are under. */
export const answerSizes = { '/page': 1024, '/64k': 65_536, '/5m': 5 * 1024 ** 2 } as const;

/**
 * Starts the upstream: pages of fixed sizes from memory or the page cache, each with the user that it has heard of. What it
 * reads of the body of a request is thrown away.
 */
export async function startUpstream(folder: string, cpu: CpuList): Promise<Running & { readonly port: number }> {
  const own = ownFolder({ folder }, 'upstream');
  const port = await freePort();
  for (const [name, size] of Object.entries(answerSizes)) writeFileSync(path.join(own, name), Buffer.alloc(size, 'x'));
  const heard = 'add_header X-Heard $http_x_remote_user;';
  const running = await startNginx(
    own,
    cpu,
    `server { listen 127.0.0.1:${port} backlog=4096; root ${own}; ${heard}
location / { return 200 "${'x'.repeat(answerSizes['/page'])}"; }
location = /64k { } location = /5m { } }`,
  );
  return { ...running, port };
}

/** The directives of a location that passes everything on over kept connections. */
const passOn =
  'proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection $connection_word; proxy_set_header Upgrade $http_upgrade;';

/** The group of servers that `passOn` names. */
function appGroup(upstream: number): string {
  return `upstream app { server 127.0.0.1:${upstream}; keepalive 128; keepalive_requests 100000000; }`;
}

/** nginx that knows nobody: the measure of everything else. */
export async function nginxPlain(ground: Ground): Promise<Contender> {
  const port = await freePort();
  const server = `${appGroup(ground.upstream)} server { listen 127.0.0.1:${port} backlog=4096; location / { ${passOn} } }`;
  const running = await startNginx(ownFolder(ground, 'nginx'), ground.cpus.proxy, server);
  return {
    name: 'nginx',
    title: 'nginx, plain proxy',
    url: `http://127.0.0.1:${port}`,
    roots: [running.pid],
    users: strangers(ground.users),
    hears: undefined,
    end: running.end,
  };
}

/** The same with TLS to the client. */
export async function nginxTls(ground: Ground): Promise<Contender> {
  const port = await freePort();
  const { good } = testCertificates();
  const tls = `ssl_certificate ${good.certificate}; ssl_certificate_key ${good.key};`;
  const server = `${appGroup(ground.upstream)} server { listen 127.0.0.1:${port} ssl backlog=4096; ${tls} location / { ${passOn} } }`;
  const running = await startNginx(ownFolder(ground, 'nginx-tls'), ground.cpus.proxy, server);
  return {
    name: 'nginx-tls',
    title: 'nginx, plain proxy, TLS',
    url: `https://127.0.0.1:${port}`,
    roots: [running.pid],
    users: strangers(ground.users),
    hears: undefined,
    end: running.end,
  };
}

/** The bound of forward auth: nginx asks another nginx, which permits everything and names one user. */
export async function nginxAuthRequest(ground: Ground): Promise<Contender> {
  const [port, permits] = [await freePort(), await freePort()];
  const { proxy } = ground.cpus;
  const name = 'somebody';
  const constant = `server { listen 127.0.0.1:${permits}; location / { add_header X-Remote-User ${name}; return 200; } }`;
  const servers = `${appGroup(ground.upstream)}
upstream permits { server 127.0.0.1:${permits}; keepalive 128; keepalive_requests 100000000; }
server { listen 127.0.0.1:${port} backlog=4096;
location = /auth { internal; proxy_pass http://permits; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_pass_request_body off; proxy_set_header Content-Length ""; }
location / { auth_request /auth; auth_request_set $who $upstream_http_x_remote_user; proxy_set_header X-Remote-User $who; ${passOn} } }`;
  const asked = await startNginx(ownFolder(ground, 'constant'), proxy, constant);
  const asking = await startNginx(ownFolder(ground, 'auth-request'), proxy, servers);
  return {
    name: 'nginx-auth-request',
    title: 'nginx, auth_request to a constant 200',
    url: `http://127.0.0.1:${port}`,
    roots: [asking.pid, asked.pid],
    users: strangers(ground.users),
    hears: () => name,
    end: async () => void (await Promise.all([asking.end(), asked.end()])),
  };
}
