/** Asks a server for its certificates, without trusting anybody and without sending anything. */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { OperatorError } from '../../core/errors.ts';
import { describeTlsError } from '../../tls/describe-error.ts';
import { insecureReadSentChain } from '../../tls/sent-chain.ts';

interface Server {
  readonly host: string;
  readonly port: number;
}

interface Shown {
  readonly certificates: readonly X509Certificate[];
  /** The address with the version of TLS. */
  readonly source: string;
}

const patience = 10_000;

/** A host name or address with or without a port; undefined for what looks like a path. */
export function serverOf(target: string): Server | undefined {
  if (isIP(target) === 6) return { host: target, port: 443 };
  const parts = /^(?:https:\/\/)?(\[[0-9a-f:]+\]|[A-Za-z0-9_.-]+)(?::(\d{1,5}))?\/?$/i.exec(target);
  const [, host = '', port] = parts ?? [];
  if (Number(port) > 65_535)
    throw new OperatorError(`${port} is no port: the highest is 65535`, 'name a file, or a server as HOST:PORT');
  const isFile = !parts || (port === undefined && /\.(?:pem|crt|cer|der|p12|pfx|key)$/i.test(host));
  return isFile ? undefined : { host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? 443) };
}

/** The chain that a server sends, whoever it is; what it says is to be believed of itself alone. */
export async function askServer({ host, port }: Server, name: string): Promise<Shown> {
  const signal = AbortSignal.timeout(patience);
  const source = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  try {
    const { certificates, protocol } = await insecureReadSentChain({ host, port, servername: name, signal });
    return { certificates, source: `${source} (${protocol})` };
  } catch (error) {
    const problem = describeTlsError(error);
    const message = signal.aborted
      ? `no answer within ${patience / 1000} s`
      : (problem?.reason ?? (error instanceof Error ? error.message : String(error)));
    throw new OperatorError(
      `${source} showed no certificate: ${message}`,
      problem?.hint ?? 'check name, port and firewall',
      error,
    );
  }
}
