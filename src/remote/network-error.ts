/** Sockets, TLS and HTTP towards an identity provider: what went wrong with them, in an operator's words. */
import type { Reason } from '../core/reason.ts';
import { describeTlsError } from '../tls/describe-error.ts';

/** What went wrong, and what to do about it. */
export interface NetworkProblem {
  readonly reason: Reason;
  readonly what: string;
  readonly hint: string;
}

const known: Readonly<Record<string, readonly [reason: Reason, what: string, hint: string]>> = {
  ENOTFOUND: ['unreachable', 'the name is not known to DNS', 'check the host of the address'],
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

/** What the socket or TLS says is wrong, in the error or in one that it wraps; undefined when it is none of theirs. */
export function networkProblem(error: unknown): NetworkProblem | undefined {
  for (let next = error, depth = 0; next instanceof Error && depth < 5; next = next.cause, depth++) {
    const tls = describeTlsError(next);
    if (tls) return { reason: 'tls-failed', what: tls.reason, hint: tls.hint };
    const code = 'code' in next ? String(next.code) : '';
    const found = known[code];
    if (found) return { reason: found[0], what: found[1], hint: found[2] };
    if (code.startsWith('HPE_'))
      return {
        reason: 'protocol-error',
        what: `the answer is not HTTP (${code})`,
        hint: 'check scheme and port of the address',
      };
  }
  return undefined;
}
