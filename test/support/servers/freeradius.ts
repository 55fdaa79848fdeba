/** A real FreeRADIUS for a test: its own folder, its own users, a free port, ended with the test. */
import type { ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryFolder } from '../tools/folder.ts';
import { freePort } from '../tools/free-port.ts';
import { until } from '../tools/poll.ts';
import { endServer, freezeServer, hasEnded, startServer } from './server-process.ts';

/** One who may come in, with the attributes of the answer as FreeRADIUS writes them, such as `Filter-Id := "agents"`. */
export interface RadiusUser {
  readonly password: string;
  readonly reply?: readonly string[];
  /** Asked for after the password, one after the other; each is a round of its own. */
  readonly codes?: readonly string[];
}

/** How it serves. */
export interface FreeRadiusSettings {
  readonly users: Readonly<Record<string, RadiusUser>>;
  /** True unless given: each answer carries a Message-Authenticator. */
  readonly sendsMessageAuthenticator?: boolean;
  readonly knowsStatusServer?: boolean;
}

/** A running server. */
export interface FreeRadius {
  readonly port: number;
  /** As the option `servers` has it. */
  readonly address: string;
  readonly secret: string;
  /** Nothing is answered; the port stays open. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

const program = '/usr/sbin/freeradius';
const secret = 'radius-secret-of-the-tests-4b81';

/** Options for a test that needs FreeRADIUS. Without it, tests fail under CI and are skipped, with the reason, elsewhere. */
export const needsFreeRadius: { readonly skip: string | false } = {
  skip:
    existsSync(program) || process.env.CI === 'true'
      ? false
      : 'freeradius is not installed: apt-get install freeradius',
};

/** Starts one; resolves when it answers. */
export async function startFreeRadius(t: TestContext, settings: FreeRadiusSettings): Promise<FreeRadius> {
  const folder = await temporaryFolder(t);
  const port = await freePort();
  mkdirSync(join(folder, 'run'));
  writeFileSync(join(folder, 'radiusd.conf'), configOf(folder, port, settings));
  writeFileSync(join(folder, 'users'), usersOf(settings));
  chmodSync(join(folder, 'radiusd.conf'), 0o600);
  const child = startServer(program, ['-f', '-l', 'stdout', '-d', folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => endServer(child));
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-20_000);
  });
  await until(
    'FreeRADIUS answers',
    () => {
      if (hasEnded(child)) throw new Error(`freeradius ended: ${said}${child.said()}`);
      return said.includes('Ready to process requests');
    },
    30_000,
  );
  return handleOf(child, port);
}

function handleOf(child: ChildProcess, port: number): FreeRadius {
  return {
    port,
    address: `127.0.0.1:${port}`,
    secret,
    pause: () => freezeServer(child),
    resume: () => void child.kill('SIGCONT'),
    stop: () => endServer(child),
  };
}

function configOf(folder: string, port: number, settings: FreeRadiusSettings): string {
  const { users, sendsMessageAuthenticator = true, knowsStatusServer = true } = settings;
  return `name = gatehouse-test
prefix = ${folder}
libdir = /usr/lib/freeradius
run_dir = ${folder}/run
max_request_time = 5
cleanup_delay = 1
max_requests = 4096
hostname_lookups = no
log {
  destination = stdout
}
security {
  max_attributes = 200
  reject_delay = 0
  status_server = ${knowsStatusServer ? 'yes' : 'no'}
}
proxy_requests = no
thread pool {
  start_servers = 1
  max_servers = 4
  min_spare_servers = 1
  max_spare_servers = 4
  max_requests_per_server = 0
}
modules {
  files {
    usersfile = ${folder}/users
  }
  pap {
  }
  always reject {
    rcode = reject
  }
  always handled {
    rcode = handled
  }
}
server default {
  listen {
    type = auth
    ipaddr = 127.0.0.1
    port = ${port}
  }
  client loopback {
    ipaddr = 127.0.0.1
    secret = ${secret}
    require_message_authenticator = yes
  }
  authorize {
${sendsMessageAuthenticator ? '    update reply {\n      &Message-Authenticator := 0x00\n    }' : ''}
    if (&State) {
${Object.entries(users).flatMap(roundsOf).join('\n')}
      if (!&control:Auth-Type) {
        reject
      }
    }
    else {
      files
      pap
    }
  }
  authenticate {
    Auth-Type PAP {
      pap
${Object.entries(users).flatMap(firstRoundOf).join('\n')}
    }
  }
}
`;
}

/** After the password a user with codes is asked for the first of them. */
function firstRoundOf([name, { codes = [] }]: [string, RadiusUser]): string[] {
  return codes.length === 0 ? [] : [`      if (&User-Name == "${name}") {`, ...challenge(name, 0), '      }'];
}

/** Each answer leads to the next round, and the last of them in. */
function roundsOf([name, { codes = [] }]: [string, RadiusUser]): string[] {
  return codes.flatMap((code, round) => [
    `      if (&User-Name == "${name}" && &State == "${name}-${round}" && &User-Password == "${code}") {`,
    ...(round + 1 < codes.length
      ? challenge(name, round + 1)
      : ['        update control {', '          &Auth-Type := Accept', '        }']),
    '      }',
  ]);
}

function challenge(name: string, round: number): string[] {
  return [
    '        update reply {',
    `          &Reply-Message := "Code ${round + 1} of ${name}"`,
    `          &State := "${name}-${round}"`,
    '        }',
    '        update control {',
    '          &Response-Packet-Type := Access-Challenge',
    '        }',
    '        handled',
  ];
}

function usersOf({ users }: FreeRadiusSettings): string {
  return Object.entries(users)
    .map(([name, { password, reply = [] }]) => {
      const lines = reply.map((line) => `\t${line}`).join(',\n');
      return `${name} Cleartext-Password := "${password}"\n${lines}\n`;
    })
    .join('\n');
}
