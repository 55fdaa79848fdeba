/** What goes wrong with a Redis server, in an operator's words: its own error codes, its silence, its sockets and certificates. */
import { Failure } from '../../core/failure.ts';
import { networkFailure } from '../../remote/network-error.ts';
import type { StoreProblem } from '../errors.ts';

type Saying = readonly [problem: StoreProblem, what: string, hint: string];

/** By the first word of an error that the server answers with (https://redis.io/docs/latest/develop/reference/protocol-spec/). */
const answers: Readonly<Record<string, Saying>> = {
  WRONGPASS: [
    'refused',
    'it does not take the user name and the password',
    'check session.store.username and password, and the ACL of the server',
  ],
  NOAUTH: ['refused', 'it wants a password', 'set session.store.password, and username where its ACL has users'],
  NOPERM: [
    'refused',
    'its ACL does not let this user do what the store needs',
    'give the user what docs/scaling.md lists',
  ],
  OOM: [
    'full',
    'its memory is full (maxmemory)',
    'raise maxmemory, or look for what else fills that server; who is signed in goes on',
  ],
  READONLY: [
    'read-only',
    'it is a replica, which takes no writes',
    'name the master in session.store.url, or the Sentinels that know it',
  ],
  MISCONF: ['read-only', 'it takes no writes since it cannot save to its disk', 'look into its log; mend its disk'],
  NOREPLICAS: [
    'read-only',
    'it takes no writes without its replicas (min-replicas-to-write)',
    'bring its replicas back',
  ],
  LOADING: ['unreachable', 'it still loads its data', 'wait until it has'],
  MASTERDOWN: ['unreachable', 'it is a replica that has lost its master', 'bring the master back'],
  BUSY: ['busy', 'a script of somebody keeps it from answering', 'look for who else uses that server'],
  MAXCLIENTS: ['unreachable', 'it takes no more connections', 'raise its maxclients'],
};

const closed: Saying = ['unreachable', 'it hung up', 'check that it runs; its log says more'];
const silent: Saying = ['unreachable', 'it does not answer in time', 'check that it runs, and the network to it'];

/**
 * The failure behind an error of a client, for the store at `place`. The error itself stays behind: it holds the words that
 * were sent, and the password may be one of them.
 */
export function redisFailure(error: unknown, place: string): Failure {
  if (error instanceof Failure) return error;
  const [problem, what, hint] = sayingOf(error, place);
  return new Failure('store-away', `store ${place}: ${what}`, { answer: problem, hint });
}

function sayingOf(error: unknown, place: string): Saying {
  const text = error instanceof Error ? error.message : String(error);
  const code = /^(?:ERR )?-?([A-Z]+)\b/.exec(text)?.[1] ?? '';
  const known = answers[code];
  if (known) {
    const [problem, what, hint] = known;
    return [problem, code === 'NOPERM' ? `${what} (${text})` : what, hint];
  }
  if (/max number of clients reached/.test(text)) return answers.MAXCLIENTS ?? closed;
  if (/Command timed out/.test(text)) return silent;
  const network = networkFailure(error, '');
  if (network) return ['unreachable', network.message.replace(/^: /, ''), network.hint ?? closed[2]];
  if (/All sentinels are unreachable/.test(text))
    return ['unreachable', `no Sentinel knows the master (${text})`, 'check session.store.sentinels'];
  if (/Connection is closed|Stream isn't writeable|ended by the other party/.test(text)) return closed;
  return ['unreachable', text || `${place} failed`, 'look into the log of the server'];
}

/** Whether a connection is of no use any more after an error: nothing has been answered, or nobody may write there. */
export function breaksConnection(error: unknown): boolean {
  const text = error instanceof Error ? error.message : String(error);
  const isAnswer = error instanceof Error && error.name === 'ReplyError';
  return !isAnswer || /^(?:READONLY|NOAUTH|WRONGPASS|LOADING|MASTERDOWN|UNKILLABLE)\b/.test(text);
}
