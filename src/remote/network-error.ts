/** Sockets, TLS and HTTP towards any server: what went wrong with them, in an operator's words. */
import { Failure } from '../core/failure.ts';
import type { Reason } from '../core/reason.ts';
import { describeTlsError } from '../tls/describe-error.ts';
import { DeadlineError, isAbort } from './deadline.ts';

const known: Readonly<Record<string, readonly [reason: Reason, what: string, hint: string]>> = {
  ENOTFOUND: [
    'unreachable',
    'the name is not known to DNS',
    'check the host of the address, and the resolver of this machine',
  ],
  EAI_AGAIN: ['unreachable', 'DNS does not answer', 'check the resolver of this machine'],
  ECONNREFUSED: [
    'unreachable',
    'nothing listens on that port',
    'check the port of the address and that the server runs',
  ],
  ECONNRESET: ['unreachable', 'the server hung up', 'check that scheme and port belong together; its log says more'],
  EPIPE: ['unreachable', 'the server hung up', 'its log says more'],
  EHOSTUNREACH: ['unreachable', 'there is no route to it', 'check network and firewall'],
  ENETUNREACH: ['unreachable', 'there is no route to it', 'check network and firewall'],
  ETIMEDOUT: ['timed-out', 'it does not answer', 'check network and firewall'],
  EADDRNOTAVAIL: ['unreachable', 'this machine has no address or port left for it', 'check the limits of this machine'],
  EMFILE: ['unreachable', 'this process may open no more sockets', 'raise its limit of open files'],
  UND_ERR_CONNECT_TIMEOUT: ['timed-out', 'it does not answer', 'check network and firewall'],
  UND_ERR_HEADERS_TIMEOUT: ['timed-out', 'it does not answer', 'check that the server is well'],
  UND_ERR_BODY_TIMEOUT: ['timed-out', 'its answer does not end', 'check that the server is well'],
  UND_ERR_SOCKET: ['unreachable', 'the connection broke before the answer was whole', 'its log says more'],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: [
    'protocol-error',
    'the answer is not as long as announced',
    'its log says more',
  ],
  UND_ERR_RES_EXCEEDED_MAX_SIZE: ['protocol-error', 'the answer is too large', 'check what answers there'],
  UND_ERR_HEADERS_OVERFLOW: ['protocol-error', 'the head of the answer is too large', 'check what answers there'],
};

/**
 * What the socket, TLS or the clock says is wrong, in the error or in one that it wraps; undefined when it is none of theirs.
 * `where` is the server and the step, such as `ldap://host:389: search`.
 */
export function networkFailure(error: unknown, where: string): Failure | undefined {
  for (let next = error, depth = 0; next instanceof Error && depth < 5; next = next.cause, depth++) {
    const tls = describeTlsError(next);
    if (tls) return new Failure('tls-failed', `${where}: ${tls.reason}`, { hint: tls.hint });
    const code = 'code' in next ? String(next.code) : '';
    const [reason, what, hint] = known[code] ?? [];
    if (reason) return new Failure(reason, `${where}: ${what}`, { hint });
    if (code.startsWith('HPE_') || next.name === 'HTTPParserError')
      return new Failure('protocol-error', `${where}: the answer is not HTTP${code && ` (${code})`}`, {
        hint: 'check scheme and port of the address',
      });
  }
  if (!isAbort(error)) return undefined;
  // Node wraps the reason of a signal into an error of its own.
  const late = [error, error instanceof Error && error.cause].find((cause) => cause instanceof DeadlineError);
  const what = late?.message ?? 'no answer in time';
  return new Failure('timed-out', `${where}: ${what}`, {
    hint: 'check that the server is up and reachable from here; raise timeout only if it is slow by nature',
  });
}
