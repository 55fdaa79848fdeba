/** Why a CAS server could not be asked: every error of sockets, TLS, HTTP and XML as a Failure. */
import { Failure } from '../../core/failure.ts';
import { networkFailure } from '../../remote/network-error.ts';
import { XmlError } from './xml.ts';

/** Any error as a Failure; `where` is the server's address. */
export function casFailure(error: unknown, where: string): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof XmlError)
    return new Failure('protocol-error', `${where}: ${error.message}`, {
      hint: 'check that url is the base address of CAS',
    });
  const network = networkFailure(error, where);
  if (network) return network;
  const text = error instanceof Error ? error.message : 'unknown';
  return new Failure('provider-broke', `${where}: ${text}`, { cause: error });
}
