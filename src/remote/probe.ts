/**
 * What `gatehouse check --connect` tries at any server, one step after the other: name, port, TLS. What is asked of the server
 * then is the business of whoever knows what it speaks.
 */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import type { Failure } from '../core/failure.ts';
import type { ProbeStep } from '../core/provider.ts';
import type { Authorities } from '../tls/authorities.ts';
import { anchorsOf, type ChainReport, chainReport, issuersOf } from '../tls/chain-report.ts';
import { connectTls, type Trust, tlsClientOptions } from '../tls/client.ts';
import { withDeadline } from './deadline.ts';
import type { ForwardProxy, Way } from './outbound-proxy.ts';
import { dialProxy, openTunnel, secureTunnel } from './tunnel.ts';

/** What a step has found; a failure is thrown. */
export interface StepResult {
  readonly detail: string;
  /** Makes it a warning. */
  readonly hint?: string;
}

/** One step: its name, and what it does within a signal. */
export type Step = readonly [name: string, work: (signal: AbortSignal) => Promise<StepResult>];

/** How steps are run. */
interface StepTerms {
  readonly signal: AbortSignal;
  /** For each step, in milliseconds. */
  readonly timeout: number;
  /** Makes of any error what an operator is told. */
  readonly explain: (error: unknown) => Failure;
}

const day = 86_400_000;
const soon = 21 * day;

/** Tries one step after the other and ends after the first that fails. */
export async function* probeSteps(steps: Iterable<Step>, terms: StepTerms): AsyncGenerator<ProbeStep> {
  for (const [step, work] of steps) {
    const tried = await tryStep(step, work, terms);
    yield tried;
    if (tried.result === 'failed') return;
  }
}

async function tryStep(step: string, work: Step[1], { signal, timeout, explain }: StepTerms): Promise<ProbeStep> {
  const start = performance.now();
  const took = (): number => Math.round(performance.now() - start);
  try {
    const found = await withDeadline(signal, timeout, (deadline) => work(deadline.signal));
    return { step, result: found.hint === undefined ? 'ok' : 'warning', ...found, milliseconds: took() };
  } catch (error) {
    const { message, hint } = explain(error);
    return { step, result: 'failed', detail: message, ...(hint !== undefined && { hint }), milliseconds: took() };
  }
}

/** Whom a server's certificate must satisfy. */
export type ProbeTrust = Omit<Trust, 'ca' | 'onCertificate'> & { readonly ca?: Authorities | undefined };

/** The steps that every server over HTTP goes through first, by the way that its requests go. */
export function networkSteps(url: URL, trust: ProbeTrust, clock: Clock, way?: Way): Step[] {
  const host = hostOf(url);
  const target = { host, port: Number(url.port || (url.protocol === 'https:' ? 443 : 80)) };
  if (way?.proxy) return proxySteps(way.proxy, { url, target, trust, clock });
  const secured: Step = ['tls', (signal) => secure(target, trust, clock, signal)];
  const because = way && `, directly${way.because && `: ${way.because}`}`;
  return [
    ['resolve', async () => ({ detail: (await addressesOf(host)).join(', ') })],
    ['connect', (signal) => reach(target, because ?? '', signal)],
    ...(url.protocol === 'https:' ? [secured] : []),
  ];
}

interface Behind {
  readonly url: URL;
  readonly target: Endpoint;
  readonly trust: ProbeTrust;
  readonly clock: Clock;
}

/** The proxy resolves the server's name, so that nobody does here. */
function proxySteps(proxy: ForwardProxy, { url, target, trust, clock }: Behind): Step[] {
  const dial = async (signal: AbortSignal): Promise<StepResult> => {
    (await dialProxy(proxy, signal)).destroy();
    return { detail: `${proxy.origin} answers, the proxy of ${proxy.from}` };
  };
  if (url.protocol === 'http:') return [['proxy', dial]];
  const tunnel = async (signal: AbortSignal): Promise<StepResult> => {
    (await openTunnel(proxy, target, signal)).destroy();
    return { detail: `the proxy connects to ${url.host}` };
  };
  const tls = async (signal: AbortSignal): Promise<StepResult> => {
    const socket = await secureTunnel({ proxy, target, tls: tlsClientOptions(trust) }, signal);
    const found = describeTls(socket, trust.ca, clock);
    socket.destroy();
    return found;
  };
  return [
    ['proxy', dial],
    ['tunnel', tunnel],
    ['tls', tls],
  ];
}

/** The addresses behind a name. */
export async function addressesOf(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

async function reach({ host, port }: Endpoint, how: string, signal: AbortSignal): Promise<StepResult> {
  const socket = connect(port, host);
  await ready(socket, 'connect', signal);
  socket.destroy();
  return { detail: `port ${port} answers${how}` };
}

async function secure(
  { host, port }: Endpoint,
  trust: ProbeTrust,
  clock: Clock,
  signal: AbortSignal,
): Promise<StepResult> {
  const socket = connectTls({ host, port }, tlsClientOptions(trust));
  await ready(socket, 'secureConnect', signal);
  const found = describeTls(socket, trust.ca, clock);
  socket.destroy();
  return found;
}

/** What a trusted connection shows: protocol and chain; a warning where it ends soon. */
export function describeTls(socket: TLSSocket, ca: Authorities | undefined, clock: Clock): StepResult {
  const leaf = socket.getPeerX509Certificate();
  const report = chainReport(issuersOf(leaf), anchorsOf(ca));
  const detail = `${socket.getProtocol()}, ${describeChain(report)}`;
  const left = report.expires.getTime() - clock.now();
  if (left < soon)
    return { detail, hint: `the certificate ends in ${Math.floor(left / day)} days; renew it on the server` };
  return { detail };
}

/** A chain in one line: whom it names, who issued it, until when, whether it is whole, and the pin of its key. */
export function describeChain({ certificates, complete, missing, expires }: ChainReport): string {
  const [leaf] = certificates;
  if (!leaf) return 'no certificate';
  const names = leaf.names.length > 0 ? ` for ${leaf.names.join(', ')}` : ' without a name';
  const end = complete ? 'complete chain' : `chain of ${certificates.length}, ending below ${missing}`;
  return `${leaf.subject}${names}, issued by ${leaf.issuer}, until ${expires.toISOString().slice(0, 10)}, ${end}, pin ${leaf.pin}`;
}

async function ready(socket: Socket, event: 'connect' | 'secureConnect', signal: AbortSignal): Promise<void> {
  try {
    await once(socket, event, { signal });
    socket.on('error', () => undefined);
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    throw error;
  }
}

/** The host of an address without the brackets of IPv6. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}
