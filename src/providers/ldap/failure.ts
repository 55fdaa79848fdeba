/** Why a directory could not be asked: every error of sockets, TLS and LDAP as one kind, with a reason and an operator's text. */
import { MessageParserError, ResultCodeError } from 'ldapts';
import type { Reason } from '../../core/reason.ts';
import { describeTlsError } from '../../tls/describe-error.ts';
import { DeadlineError } from './deadline.ts';

/** A directory that cannot be asked. The message names server and step and never holds a secret. */
export class DirectoryError extends Error {
  readonly reason: Reason;
  readonly hint: string | undefined;
  /** The LDAP result code, when the server has answered. */
  readonly code: number | undefined;

  constructor(
    reason: Reason,
    message: string,
    parts: { hint?: string | undefined; cause?: unknown; code?: number } = {},
  ) {
    super(message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.name = 'DirectoryError';
    this.reason = reason;
    this.hint = parts.hint;
    this.code = parts.code;
  }

  /** Whether another server of the same directory may do better. */
  get isOutage(): boolean {
    return outages.has(this.reason);
  }

  /** Whether the connection broke, as it does when the server has been started anew since. */
  get isBrokenConnection(): boolean {
    return this.reason === 'unreachable' && this.code === undefined;
  }
}

const outages: ReadonlySet<Reason> = new Set([
  'timed-out',
  'unreachable',
  'tls-failed',
  'protocol-error',
  'overloaded',
  'provider-broke',
]);

const network: Readonly<Record<string, { what: string; hint: string }>> = {
  ENOTFOUND: { what: 'the name is not known to DNS', hint: 'check the host in url' },
  EAI_AGAIN: { what: 'DNS does not answer', hint: 'check the resolver of this machine' },
  ECONNREFUSED: { what: 'nothing listens on that port', hint: 'check the port in url and that the directory runs' },
  ECONNRESET: { what: 'the server hung up', hint: 'check that scheme and port belong together; its log says more' },
  EPIPE: { what: 'the server hung up', hint: 'its log says more' },
  EHOSTUNREACH: { what: 'there is no route to it', hint: 'check network and firewall' },
  ENETUNREACH: { what: 'there is no route to it', hint: 'check network and firewall' },
  ETIMEDOUT: { what: 'it does not answer', hint: 'check network and firewall' },
  EADDRNOTAVAIL: { what: 'this machine has no address or port left for it', hint: 'check the limits of this machine' },
  EMFILE: { what: 'this process may open no more sockets', hint: 'raise its limit of open files' },
};

/** Any error as a DirectoryError; `where` is the server's URL and the step, such as `ldap://host:389: search`. */
export function directoryError(error: unknown, where: string): DirectoryError {
  if (error instanceof DirectoryError) return error;
  if (error instanceof ResultCodeError) return resultError(error, where);
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof DeadlineError || isAbort(error)) {
    return new DirectoryError(
      'timed-out',
      `${where}: ${error instanceof DeadlineError ? text : 'given up before an answer came'}`,
      {
        hint: 'check that the server answers; raise timeout only if it is slow by nature',
      },
    );
  }
  const tls = describeTlsError(error);
  if (tls) return new DirectoryError('tls-failed', `${where}: ${tls.reason}`, { hint: tls.hint, cause: error });
  const known = network[codeOf(error)];
  if (known) {
    const reason = codeOf(error) === 'ETIMEDOUT' ? 'timed-out' : 'unreachable';
    return new DirectoryError(reason, `${where}: ${known.what}`, { hint: known.hint, cause: error });
  }
  if (error instanceof MessageParserError) {
    return new DirectoryError('protocol-error', `${where}: the answer is not LDAP (${text})`, { cause: error });
  }
  if (/^(Connection closed|Socket (error|connection))/.test(text)) {
    return new DirectoryError('unreachable', `${where}: the connection broke before the answer`, { cause: error });
  }
  return new DirectoryError('provider-broke', `${where}: ${text}`, { cause: error });
}

const results: Readonly<Record<number, { reason: Reason; what: string; hint?: string }>> = {
  1: {
    reason: 'misconfigured',
    what: 'the server refuses the operation',
    hint: 'Active Directory wants managerDn and managerPassword',
  },
  2: { reason: 'protocol-error', what: 'the server takes our request for malformed' },
  3: {
    reason: 'overloaded',
    what: "the server's time limit was reached",
    hint: 'have the attributes of the filter indexed',
  },
  4: {
    reason: 'misconfigured',
    what: 'the server returns no more entries',
    hint: 'narrow the base or raise its size limit',
  },
  8: {
    reason: 'misconfigured',
    what: 'the server wants a protected connection',
    hint: 'use ldaps:// or startTls: true',
  },
  10: {
    reason: 'misconfigured',
    what: 'the server refers to another one, which is not followed',
    hint: 'name the server that holds the entries in url',
  },
  11: {
    reason: 'overloaded',
    what: 'a limit of the server was reached',
    hint: 'have the attributes of the filter indexed',
  },
  13: {
    reason: 'misconfigured',
    what: 'the server wants an encrypted connection',
    hint: 'use ldaps:// or startTls: true',
  },
  18: {
    reason: 'misconfigured',
    what: 'the filter compares in a way the attribute does not allow',
    hint: 'check the filter',
  },
  32: {
    reason: 'misconfigured',
    what: 'the base does not exist, or managerDn may not see it',
    hint: 'check searchBase',
  },
  34: { reason: 'misconfigured', what: 'a DN is malformed', hint: 'check managerDn and searchBase' },
  49: { reason: 'misconfigured', what: 'the manager is refused', hint: 'check managerDn and managerPassword' },
  50: { reason: 'misconfigured', what: 'the manager may not read there', hint: 'give managerDn read access' },
  51: { reason: 'overloaded', what: 'the server is busy' },
  52: { reason: 'unreachable', what: 'the server is not available' },
};

function resultError(error: ResultCodeError, where: string): DirectoryError {
  const { reason, what, hint } = results[error.code] ?? {
    reason: 'provider-broke' as const,
    what: 'the server answers with an error',
  };
  // The server's own text; ldapts appends the code.
  return new DirectoryError(reason, `${where}: ${what} (${error.message.trim()})`, { hint, code: error.code });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
