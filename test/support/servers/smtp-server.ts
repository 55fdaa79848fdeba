/** A real SMTP server (Debian's aiosmtpd) on a port of its own: what it has taken can be read. It ends with the test. */
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { testCertificates } from '../tools/certificates.ts';
import { freePort } from '../tools/free-port.ts';
import { until } from '../tools/poll.ts';
import { endServer, freezeServer, hasEnded, type ServerProcess, startServer } from './server-process.ts';

const python = '/usr/bin/python3';

/** Options for a test that needs the server: without it, tests fail under CI and are skipped, with the reason, elsewhere. */
export const needsSmtpServer = {
  skip:
    existsSync('/usr/lib/python3/dist-packages/aiosmtpd') || process.env.CI
      ? false
      : 'aiosmtpd is not installed: apt-get install python3-aiosmtpd',
};

/** A mail as the server took it. */
export interface TakenMail {
  readonly from: string;
  /** Whom the server would deliver to. */
  readonly to: readonly string[];
  /** Head and body as they came. */
  readonly content: string;
  readonly secured: boolean;
}

/** How the server behaves. */
interface SmtpServerOptions {
  readonly security?: 'tls' | 'starttls' | 'none';
  readonly user?: string;
  readonly password?: string;
  /** Milliseconds that it takes for a mail. */
  readonly delay?: number;
  /** Answers to recipients that it does not take, such as `550 unknown`. */
  readonly refuse?: Readonly<Record<string, string>>;
  /** Certificate and key; those of localhost when absent. */
  readonly certificate?: { readonly certificate: string; readonly key: string };
}

/** A running server. */
export interface SmtpServer {
  readonly port: number;
  /** The address for `messages.mail.url`. */
  readonly url: string;
  readonly mails: readonly TakenMail[];
  /** Waits for one more mail to somebody than were there before, and gives the last. */
  mailTo(address: string, count?: number): Promise<TakenMail>;
  /** Stops answering without closing anything; its process lives. */
  freeze(): void;
  thaw(): void;
  end(): Promise<void>;
}

const schemes = { tls: 'smtps', starttls: 'smtp', none: 'insecure-smtp' } as const;

/** Starts one. */
export async function startSmtpServer(t: TestContext, options: SmtpServerOptions = {}): Promise<SmtpServer> {
  const { security = 'tls', user = '', password = '', delay = 0, refuse = {} } = options;
  const port = await freePort();
  const files = options.certificate ?? testCertificates().good;
  const settings = JSON.stringify({ port, security, user, password, delay, refuse, ...files });
  const child: ServerProcess = startServer(python, [join(import.meta.dirname, 'smtp-server.py'), settings], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => endServer(child));
  const mails: TakenMail[] = [];
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) mails.push(JSON.parse(line));
  });
  const state = await until('the SMTP server listens', async () => hasEnded(child) || (await accepts(port)));
  if (state === true && hasEnded(child)) throw new Error(`the SMTP server did not start:\n${child.said()}`);
  const to = (address: string) => mails.filter((mail) => mail.to.includes(address));
  return {
    port,
    url: `${schemes[security]}://localhost:${port}`,
    mails,
    mailTo: async (address, count = 1) => {
      await until(`${count} mails to ${address}`, () => to(address).length >= count);
      return to(address)[count - 1] as TakenMail;
    },
    freeze: () => freezeServer(child),
    thaw: () => void child.kill('SIGCONT'),
    end: () => endServer(child),
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
