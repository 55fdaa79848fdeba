/** `gatehouse why CODE`: what became of a request whose reference code a user has told. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import * as z from 'zod';
import { OperatorError } from '../core/errors.ts';
import { readReferenceCode } from '../core/reference-code.ts';
import { type FoundRecord, linesFromEnd, searchRecords } from '../telemetry/audit-search.ts';
import { type Command, exitCodes, type Invocation, NoGatewayError, textOption, UsageError } from './command.ts';
import { configFile, configOption, readConfiguration } from './configuration.ts';
import { askGateway, findSocket } from './gateway-socket.ts';
import { whyText } from './why-text.ts';

/** The command. */
export const why: Command = {
  usage: 'gatehouse why CODE [--audit FILE] [--config FILE]',
  summary: 'say what became of a request by the reference code on its page',
  help: [
    'CODE is what stands at the foot of a page that says no, such as 7K3M-9QXD; small letters do, and the hyphen may be left out.',
    'Prints the decision, the providers that were asked with their times, what the user was told, and what to do.',
    'Looks into the file of audit.to; where the audit has none, the running gateway is asked at its socket for what it',
    'remembers: the last 10,000 logins and refusals.',
    '--audit FILE   another file of the audit, such as one of before its rotation',
  ].join('\n'),
  takesWords: true,
  options: { ...configOption, audit: { type: 'string' } },
  run: runWhy,
};

const patience = 30_000;
const maxRecords = 100;
const answer = z.object({ records: z.array(z.record(z.string(), z.unknown())) });

async function runWhy(invocation: Invocation): Promise<number> {
  const [text, ...rest] = invocation.positionals;
  const code = text === undefined ? undefined : readReferenceCode(text);
  if (code === undefined || rest.length > 0)
    throw new UsageError('say the code as it stood on the page, such as 7K3M-9QXD', why.usage);
  const { records, place } = await find(invocation, code);
  if (records.length === 0) {
    const hint = 'it is older, or of another gateway or file; --audit names a file of before a rotation';
    throw new OperatorError(`no record of ${place} has the code ${code}`, hint);
  }
  invocation.terminal.stdout.write(whyText(code, records.toReversed()));
  return exitCodes.good;
}

/** The records of a code, the newest first, and where they were looked for. */
async function find(
  invocation: Invocation,
  code: string,
): Promise<{ readonly records: readonly FoundRecord[]; readonly place: string }> {
  const named = textOption(invocation, 'audit');
  const file = named === undefined ? auditFile(invocation) : resolve(named);
  if (file !== undefined) return { records: await search(file, code), place: file };
  const { path } = findSocket(configFile(invocation), invocation.terminal.env);
  const reply = await askGateway(path, { method: 'GET', target: `/records?code=${code}`, timeout: patience });
  if (reply.kind === 'unreachable') throw new NoGatewayError(path, reply.detail);
  const { data } = answer.safeParse(reply.body);
  if (!data)
    throw new OperatorError(`the gateway at ${path} gave an answer that this version does not know (${reply.status})`);
  return { records: data.records, place: `the gateway at ${path}` };
}

async function search(file: string, code: string): Promise<readonly FoundRecord[]> {
  try {
    return (await searchRecords(linesFromEnd(file), { code, limit: maxRecords })).records;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new OperatorError(`${file} cannot be read: ${detail}`, 'run it as the user that the gateway runs as', error);
  }
}

/** Undefined where the audit goes to no file, or nobody can tell: then the gateway knows. */
function auditFile(invocation: Invocation): string | undefined {
  const file = configFile(invocation);
  const reading = readConfiguration(file, invocation.terminal.env);
  if (reading.kind === 'invalid') return undefined;
  const { to } = reading.document.audit;
  return to === 'stdout' || to === 'off' || !existsSync(to) ? undefined : to;
}
