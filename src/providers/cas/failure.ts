/** Why a CAS server could not be asked: every error of sockets, TLS, HTTP and XML as one kind, with an operator's text. */
import type { Reason } from '../../core/reason.ts';
import { networkProblem } from '../../remote/network-error.ts';
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

/** Any error as a CasError; `where` is the server's address. */
export function casError(error: unknown, where: string): CasError {
  if (error instanceof CasError) return error;
  if (error instanceof XmlError)
    return new CasError('protocol-error', `${where}: ${error.message}`, 'check that url is the base address of CAS');
  const code = codeOf(error);
  if (isAbort(error) || code === 'UND_ERR_CONNECT_TIMEOUT')
    return new CasError('timed-out', `${where}: no answer in time`, 'check that CAS is up and reachable from here');
  const known = networkProblem(error);
  if (known) return new CasError(known.reason, `${where}: ${known.what}`, known.hint, error);
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
