/** `gatehouse support FILE`: what somebody who helps needs to know, in one file without secrets. */
import { closeSync, fchmodSync, openSync, writeSync } from 'node:fs';
import { availableParallelism, freemem, release, totalmem } from 'node:os';
import { resolve } from 'node:path';
import { OperatorError } from '../core/errors.ts';
import { addressesOf } from '../edge/listener-plan.ts';
import type { Document } from '../gateway/document.ts';
import { scrubFields } from '../telemetry/scrub.ts';
import { scrubText } from '../telemetry/scrub-text.ts';
import { check } from './check/check.ts';
import { type Command, exitCodes, type Invocation, type Terminal, UsageError } from './command.ts';
import { configFile, configOption, readConfiguration } from './configuration.ts';
import { askGateway, findSocket } from './gateway-socket.ts';
import { version } from './version.ts';

/** The command. */
export const support: Command = {
  usage: 'gatehouse support FILE [--connect] [--config FILE]',
  summary: 'write versions, check and the last warnings to one file, for whoever helps',
  help: [
    'FILE is new, and readable by its owner only. It holds the versions of the gateway, Node.js and the system; what the',
    'configuration is made of, without its values; what `gatehouse check` says of it; and of the running gateway its health,',
    'how its providers do, and the last 500 warnings of its log. Passwords, keys, tokens and cookies are not in it; names of',
    'users, hosts and addresses may be: look at it before you give it away.',
    '--connect   also tries each provider, as `gatehouse check --connect` does',
  ].join('\n'),
  takesWords: true,
  options: { ...configOption, connect: { type: 'boolean' } },
  run: runSupport,
};

const ownerOnly = 0o600;
const patience = 10_000;
const asked = ['/health/ready', '/providers', '/warnings'] as const;

async function runSupport(invocation: Invocation): Promise<number> {
  const [file, ...rest] = invocation.positionals;
  if (file === undefined || rest.length > 0) throw new UsageError('one file is to be named', support.usage);
  const path = resolve(file);
  const handle = create(path);
  try {
    const report = scrubFields({
      made: new Date().toISOString(),
      versions: versions(),
      machine: { cpus: availableParallelism(), memory: totalmem(), free: freemem() },
      configuration: configuration(invocation),
      check: await checked(invocation),
      gateway: await gateway(invocation),
    });
    writeSync(handle, `${JSON.stringify(report, null, 2)}\n`);
  } finally {
    closeSync(handle);
  }
  const { stdout } = invocation.terminal;
  stdout.write(`${path}: written, without secrets; names of users, hosts and addresses may be in it\n`);
  return exitCodes.good;
}

/** Nothing is written over, and nobody else can read it at any moment. */
function create(path: string): number {
  try {
    const handle = openSync(path, 'wx', ownerOnly);
    fchmodSync(handle, ownerOnly);
    return handle;
  } catch (error) {
    const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    if (exists) throw new OperatorError(`${path} is there already`, 'name a new file', error);
    const detail = error instanceof Error ? error.message : String(error);
    throw new OperatorError(`${path} cannot be written: ${detail}`, undefined, error);
  }
}

function versions(): object {
  const { node, openssl, undici = '', sqlite = '' } = process.versions;
  const system = `${process.platform} ${release()} ${process.arch}`;
  return { gatehouse: version(), node, openssl, undici, sqlite, system };
}

/** What it is made of, and none of its values but the kinds of things. */
function configuration(invocation: Invocation): object {
  const file = configFile(invocation);
  const reading = readConfiguration(file, invocation.terminal.env);
  if (reading.kind === 'invalid') return { file, errors: reading.issues.length };
  return { file, fromEnvironment: reading.overrides.length, ...outline(reading.document) };
}

function outline(document: Document): object {
  const { server, login, providers, routes, session, audit, roles } = document;
  return {
    listeners: addressesOf(document).map(({ protocol }) => protocol.replace(':', '')),
    publicUrl: server.publicUrl.protocol.replace(':', ''),
    trustedProxies: server.trustedProxies.length,
    chain: login.chain.map((name) => providers[name]?.type ?? name),
    providers: Object.values(providers).map(({ type }) => type),
    roles: Object.keys(roles).length,
    routes: routes.length,
    store: session.store.type,
    audit: audit.to === 'stdout' || audit.to === 'off' ? audit.to : 'file',
  };
}

/** What `gatehouse check` prints, line by line. */
async function checked(invocation: Invocation): Promise<object> {
  const parts: string[] = [];
  const keep = { write: (text: string) => parts.push(text) };
  const terminal: Terminal = { ...invocation.terminal, stdin: invocation.terminal.stdin, stdout: keep, stderr: keep };
  const code = await check.run({ ...invocation, positionals: [], terminal });
  return { code, said: parts.join('').split('\n').map(scrubText) };
}

async function gateway({ terminal, ...rest }: Invocation): Promise<object> {
  const { path } = findSocket(configFile({ terminal, ...rest }), terminal.env);
  const answers: Record<string, unknown> = { socket: path };
  for (const target of asked) {
    const reply = await askGateway(path, { method: 'GET', target, timeout: patience });
    if (reply.kind === 'unreachable') return { ...answers, unreachable: reply.detail };
    answers[target] = reply.status < 300 || target === '/health/ready' ? reply.body : `status ${reply.status}`;
  }
  return answers;
}
