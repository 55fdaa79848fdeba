/** The first steps of a probe: whether the issuer's name, port and certificate are in order. */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '../../core/clock.ts';
import type { Authorities } from '../../tls/authorities.ts';
import { anchorsOf, chainReport, issuersOf } from '../../tls/chain-report.ts';
import { tlsClientOptions } from '../../tls/client.ts';

/** What a step has found. */
export interface Finding {
  readonly detail: string;
  /** Makes it a warning. */
  readonly hint?: string;
}

const day = 86_400_000;
const soon = 21 * day;

/** The addresses behind the name. */
export async function resolve({ hostname }: URL): Promise<Finding> {
  const found = await lookup(bare(hostname), { all: true });
  return { detail: found.map(({ address }) => address).join(', ') };
}

/** Whether somebody listens. */
export async function reach(url: URL, signal: AbortSignal): Promise<Finding> {
  const socket = connect(portOf(url), bare(url.hostname));
  await ready(socket, 'connect', signal);
  socket.destroy();
  return { detail: `port ${portOf(url)} answers` };
}

/** The certificate, and how long it is good for. */
export async function secure(
  url: URL,
  ca: Authorities | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<Finding> {
  const host = bare(url.hostname);
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const socket = connectTls({ ...tlsClientOptions({ ca }), host, port: portOf(url), ...servername });
  await ready(socket, 'secureConnect', signal);
  const report = chainReport(issuersOf(socket.getPeerX509Certificate()), anchorsOf(ca));
  const protocol = socket.getProtocol();
  socket.destroy();
  const left = report.expires.getTime() - clock.now();
  const [leaf] = report.certificates;
  const detail = `${protocol}, ${leaf?.subject ?? 'no certificate'}, issued by ${leaf?.issuer ?? 'nobody'}, until ${report.expires.toISOString().slice(0, 10)}`;
  return left < soon
    ? { detail, hint: `the certificate ends in ${Math.floor(left / day)} days; renew it on the server` }
    : { detail };
}

async function ready(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  try {
    await once(socket, event, { signal });
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    throw error;
  }
}

/** The host of an address without the brackets of IPv6. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function portOf({ port, protocol }: URL): number {
  return Number(port || (protocol === 'https:' ? 443 : 80));
}
