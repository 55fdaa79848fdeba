/** Why a directory could not be asked: every error of sockets, TLS and LDAP as a Failure. */
import { MessageParserError, ResultCodeError } from 'ldapts';
import { Failure } from '../../core/failure.ts';
import { isOutage, type Reason } from '../../core/reason.ts';
import { networkFailure } from '../../remote/network-error.ts';

/** Whether another server of the same directory may do better. */
export function isOfServer({ reason }: Failure): boolean {
  return isOutage(reason) && reason !== 'misconfigured';
}

/** Whether the connection broke, as it does when the server has been started anew since. */
export function isBrokenConnection({ reason, answer }: Failure): boolean {
  return reason === 'unreachable' && answer === undefined;
}

/** Any error as a Failure; `where` is the server's URL and the step, such as `ldap://host:389: search`. */
export function directoryFailure(error: unknown, where: string): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof ResultCodeError) return resultFailure(error, where);
  const network = networkFailure(error, where);
  if (network) return network;
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof MessageParserError)
    return new Failure('protocol-error', `${where}: the answer is not LDAP (${text})`, { cause: error });
  if (/^(Connection closed|Socket (error|connection))/.test(text))
    return new Failure('unreachable', `${where}: the connection broke before the answer`, { cause: error });
  return new Failure('provider-broke', `${where}: ${text}`, { cause: error });
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

function resultFailure(error: ResultCodeError, where: string): Failure {
  const { reason, what, hint } = results[error.code] ?? {
    reason: 'provider-broke' as const,
    what: 'the server answers with an error',
  };
  // The server's own text; ldapts appends the code.
  return new Failure(reason, `${where}: ${what} (${error.message.trim()})`, { hint, answer: error.code });
}
