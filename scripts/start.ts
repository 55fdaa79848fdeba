/**
 * What `npm start` runs. Without a configuration of the operator's own: the one in `config/`, with a demo contact center
 * behind it and accounts to try it; all that the demo keeps is in `config/demo/`. With `--config` or GATEHOUSE_CONFIG: the
 * gateway, and nothing else. Either way its first words are for whoever reads the terminal, or the log of it.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isatty } from 'node:tty';
import type { Terminal } from '../src/cli/command.ts';
import { readConfiguration } from '../src/cli/configuration.ts';
import { main } from '../src/cli/main.ts';
import { welcomeText } from '../src/cli/welcome.ts';
import { OperatorError } from '../src/core/errors.ts';
import type { Document } from '../src/gateway/document.ts';
import { type DemoAccount, makeAccounts, readAccounts } from './demo/accounts.ts';
import { type Demo, startDemo } from './demo/server.ts';

/** Where the routes of `config/gatehouse.yaml` expect the demo. */
const demoPort = 8070;
const config = path.resolve(import.meta.dirname, '..', 'config');
const defaultFile = path.join(config, 'gatehouse.yaml');
const passwordsFile = path.join(config, 'demo', 'passwords.txt');
/** Where an older demo kept its passwords, beside a users file that a site may take for its own. */
const formerPasswords = path.join(config, 'demo-passwords.txt');

const parameters = process.argv.slice(2);
const isOwn = parameters.some((parameter) => /^(?:--config(?:=.*)?|-c.*|--help|-h)$/.test(parameter));

process.exitCode =
  isOwn || process.env.GATEHOUSE_CONFIG ? await main(['serve', ...parameters], terminal(true)) : await serveDefault();

/** The process's own, which `gatehouse serve` greets or does not. */
function terminal(isGreeted: boolean): Terminal {
  const { stdin, stdout, stderr, env } = process;
  return { stdin, stdout, stderr: { isTTY: isGreeted, write: (text) => stderr.write(text) }, env };
}

async function serveDefault(): Promise<number> {
  const serve = (): Promise<number> => main(['serve', '--config', defaultFile, ...parameters], terminal(false));
  const reading = readConfiguration(defaultFile, process.env);
  // A configuration that is wrong, or that somebody made their own, is for the gateway alone.
  if (reading.kind === 'invalid' || !leadsToDemo(reading.document)) return serve();
  const { document } = reading;
  let demo: Demo | undefined;
  try {
    demo = await startDemo({ port: demoPort, gatewayUrl: document.server.publicUrl.href });
    endWithSignals(demo);
    const users = usersFileOf(document);
    const accounts = users === undefined ? [] : await accountsOf(users);
    const isTaken = await accepts(document);
    const result = serve();
    // Where another program answers already, the gateway's own message about the port is all there is to say.
    if (!isTaken) await Promise.race([result, whenReady(document).then(() => welcome(document, accounts))]);
    return await result;
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    console.error(`gatehouse: ${error.message}${error.hint === undefined ? '' : `\n  ${error.hint}`}`);
    return 1;
  } finally {
    await demo?.close();
  }
}

function leadsToDemo({ routes }: Document): boolean {
  const servers = routes.flatMap(({ upstream }) => upstream?.servers ?? []);
  return servers.some(({ url }) => url.hostname === '127.0.0.1' && url.port === String(demoPort));
}

/** The users file of the first local provider of the chain. */
function usersFileOf({ login, providers }: Document): string | undefined {
  const options: unknown = login.chain.map((name) => providers[name]).find((provider) => provider?.type === 'local');
  const isFound = typeof options === 'object' && options !== null && 'users' in options;
  return isFound && typeof options.users === 'string' ? options.users : undefined;
}

/** The demo ends at once: its streams would only hold up the gateway, which lets requests under way finish. */
function endWithSignals(demo: Demo): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void demo.close());
  // A terminal that is closed sends what else is the wish for a reload: the demo would go on unseen, and keep its ports.
  const hadTerminal = isatty(1);
  process.on('SIGHUP', () => {
    if (hadTerminal && !isatty(1)) process.kill(process.pid, 'SIGTERM');
  });
}

/** Whether something accepts connections where the gateway listens. */
async function accepts({ server }: Document): Promise<boolean> {
  const [address] = server.listen;
  if (!address) return false;
  const port = Number(address.port || (address.protocol === 'https:' ? 443 : 80));
  const socket = net.connect(port, address.hostname.replace(/^\[|\]$/g, ''));
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function whenReady(document: Document): Promise<void> {
  while (!(await accepts(document))) await delay(50, undefined, { ref: false });
}

/** The accounts of the first start, those of which somebody has changed the password included. */
async function accountsOf(users: string): Promise<readonly DemoAccount[]> {
  return (await makeAccounts(users, passwordsFile)) ?? (await readAccounts(users, passwordsFile));
}

function welcome({ server, admin, audit }: Document, accounts: readonly DemoAccount[]): void {
  const shown = (file: string): string => path.relative(process.cwd(), file);
  const lines = accounts.map(({ username, password, role }) => `${username.padEnd(13)}${password}   ${role}`.trimEnd());
  const former = `${shown(formerPasswords)} is of an earlier demo: remove it with ${shown(path.join(config, 'users.yaml'))}.`;
  const more = [
    ...(accounts.length > 0 ? [...lines, '', `These passwords are kept in ${shown(passwordsFile)}.`] : []),
    ...(audit.to.startsWith('/') ? [`Who did what is written to ${shown(audit.to)}.`] : []),
    ...(existsSync(formerPasswords) ? [former] : []),
  ];
  const title = 'Gatehouse is running, with a demo contact center behind it.';
  console.log(welcomeText({ title, publicUrl: server.publicUrl, admin: admin.listen, more }));
}
