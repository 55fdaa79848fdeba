/** `gatehouse explain`: what would happen to a user's request, and why. */
import { isIP } from 'node:net';
import { systemClock } from '../core/clock.ts';
import { OperatorError } from '../core/errors.ts';
import { Secret } from '../core/secret.ts';
import type { Store } from '../core/store.ts';
import type { Document } from '../gateway/document.ts';
import { Explainer, type ExplainRequest, type Explanation, explainedEntries } from '../gateway/explanation.ts';
import { MemoryStore } from '../store/memory.ts';
import { copyStore } from '../store/snapshot.ts';
import { type Command, type Invocation, textOption, UsageError } from './command.ts';
import { configOption, requireConfiguration } from './configuration.ts';
import { explainPeer } from './explain-peer.ts';
import { explanationLines } from './explanation-text.ts';
import { readPassword } from './password-prompt.ts';

/** `gatehouse explain`. */
export const explain: Command = {
  usage:
    'gatehouse explain (--user NAME --url /path [--method GET] [--address IP] [--password] | --peer FILE|NAME --service S) [--config FILE]',
  summary: 'say what would happen to a request: route, login, roles, decision, headers',
  help: [
    "Without --password the directories are asked for the user's entry, in the order of the chain, and the user's live sessions count.",
    'With --password (from a prompt, or the first line of the standard input) the chain is run for real; failures are not counted.',
    'Sessions and lock-outs are read from the file of the store; --address says where the user is, whose lock-out then counts too.',
    'With --peer and --service: whether a machine gets through to a service, by its certificate in a file or by its row, and why.',
    'Exits with 0 when the request would be forwarded, or the machine admitted; 1 otherwise.',
  ].join('\n'),
  options: {
    ...configOption,
    user: { type: 'string' },
    url: { type: 'string' },
    method: { type: 'string', default: 'GET' },
    address: { type: 'string' },
    password: { type: 'boolean' },
    peer: { type: 'string' },
    service: { type: 'string' },
  },
  run: runExplain,
};

/** The other question: a machine at a service. */
function runExplainPeer(invocation: Invocation): number {
  const { usage } = explain;
  const peer = textOption(invocation, 'peer');
  const service = textOption(invocation, 'service');
  if (!peer || !service) throw new UsageError('--peer and --service are needed together', usage);
  const { document } = requireConfiguration(invocation);
  const { lines, isAdmitted } = explainPeer(document, { peer, service, usage }, systemClock.now());
  invocation.terminal.stdout.write(`${lines.join('\n')}\n`);
  return isAdmitted ? 0 : 1;
}

async function runExplain(invocation: Invocation): Promise<number> {
  const { peer, service } = invocation.values;
  if (peer !== undefined || service !== undefined) return runExplainPeer(invocation);
  const asked = readQuestion(invocation);
  const { document } = requireConfiguration(invocation);
  const question = await withPassword(asked, invocation);
  const { store, unknown } = await readStore(document);
  let explanation: Explanation;
  try {
    const explainer = await Explainer.open(document, store, systemClock);
    explanation = await explainer.explain(question).finally(() => explainer.close());
  } finally {
    await store.close();
  }
  invocation.terminal.stdout.write(
    `${explanationLines(explanation, unknown, { isAddressKnown: question.address !== undefined }).join('\n')}\n`,
  );
  const { kind } = explanation.decided.verdict;
  return kind === 'forward' || kind === 'answer' ? 0 : 1;
}

function readQuestion(invocation: Invocation): ExplainRequest {
  const user = textOption(invocation, 'user');
  const url = textOption(invocation, 'url');
  if (!user || !url) throw new UsageError('--user and --url are needed', explain.usage);
  const method = textOption(invocation, 'method') ?? 'GET';
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(method)) throw new UsageError(`"${method}" is no method of HTTP`, explain.usage);
  const address = textOption(invocation, 'address');
  if (address !== undefined && isIP(address) === 0)
    throw new UsageError(`"${address}" is no address, such as 10.1.2.3`, explain.usage);
  return { user, url, method, ...(address !== undefined && { address }) };
}

async function withPassword(question: ExplainRequest, { terminal, values }: Invocation): Promise<ExplainRequest> {
  if (values.password !== true) return question;
  return { ...question, password: new Secret(await readPassword(terminal, `Password of ${question.user}: `)) };
}

/** What the store holds of sessions and lock-outs; empty, with the reason, where that cannot be seen from here. */
async function readStore({ session }: Document): Promise<{ store: Store; unknown?: string }> {
  try {
    const store = await copyStore(session.store, explainedEntries, systemClock);
    if (store) return { store };
    return { store: new MemoryStore(systemClock), unknown: 'they are in the memory of the gateway that runs' };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { store: new MemoryStore(systemClock), unknown: error.message };
  }
}
