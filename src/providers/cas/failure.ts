/** Why a CAS server could not be asked: every error of sockets, TLS, HTTP and XML as one kind, with an operator's text. */
import type { Reason } from '../../core/reason.ts';
import { describeTlsError } from '../../tls/describe-error.ts';
import { XmlError } from './xml.ts';

/** A server that cannot be asked. The message names the server and never holds a ticket. */
export class CasError extends Error {
  readonly reason: Reason;
  readonly hint: string | undefined;

  constructor(reason: Reason, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CasError';
    this.reason = reason;
    this.hint = hint;
  }
}

const network: Readonly<Record<string, readonly [reason: Reason, what: string, hint: string]>> = {
  ENOTFOUND: ['unreachable', 'the name is not known to DNS', 'check the host in url'],
  EAI_AGAIN: ['unreachable', 'DNS does not answer', 'check the resolver of this machine'],
  ECONNREFUSED: ['unreachable', 'nothing listens on that port', 'check the port in url and that CAS runs'],
  ECONNRESET: ['unreachable', 'the server hung up', 'check that scheme and port belong together; its log says more'],
  EPIPE: ['unreachable', 'the server hung up', 'its log says more'],
  EHOSTUNREACH: ['unreachable', 'there is no route to it', 'check network and firewall'],
  ENETUNREACH: ['unreachable', 'there is no route to it', 'check network and firewall'],
  ETIMEDOUT: ['timed-out', 'it does not answer', 'check network and firewall'],
  EMFILE: ['unreachable', 'this process may open no more sockets', 'raise its limit of open files'],
  UND_ERR_SOCKET: ['unreachable', 'the connection broke before the answer was whole', 'the log of CAS says more'],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: [
    'protocol-error',
    'the answer is not as long as announced',
    'see the log of CAS',
  ],
  UND_ERR_HEADERS_OVERFLOW: ['protocol-error', 'the head of the answer is too large', 'check what answers at url'],
};

/** Any error as a CasError; `where` is the server's address. */
export function casError(error: unknown, where: string): CasError {
  if (error instanceof CasError) return error;
  if (error instanceof XmlError)
    return new CasError('protocol-error', `${where}: ${error.message}`, 'check that url is the base address of CAS');
  const code = codeOf(error);
  if (isAbort(error) || code === 'UND_ERR_CONNECT_TIMEOUT')
    return new CasError('timed-out', `${where}: no answer in time`, 'check that CAS is up and reachable from here');
  const tls = describeTlsError(error);
  if (tls) return new CasError('tls-failed', `${where}: ${tls.reason}`, tls.hint, error);
  const known = network[code];
  if (known) return new CasError(known[0], `${where}: ${known[1]}`, known[2], error);
  if (code.startsWith('HPE_'))
    return new CasError('protocol-error', `${where}: the answer is not HTTP (${code})`, 'check scheme and port of url');
  return new CasError(
    'provider-broke',
    `${where}: ${error instanceof Error ? error.message : 'unknown'}`,
    undefined,
    error,
  );
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}

/** The first code in an error or in those that it wraps. */
function codeOf(error: unknown): string {
  for (let next = error, depth = 0; next instanceof Error && depth < 4; next = next.cause, depth++)
    if ('code' in next && typeof next.code === 'string') return next.code;
  return '';
}
