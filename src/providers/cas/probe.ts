/** `gatehouse check --connect` for a CAS server: name, port, TLS, login page, and a ticket that it must not accept. */
import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ProbeStep } from '../../core/provider.ts';
import { anchorsOf, chainReport, issuersOf } from '../../tls/chain-report.ts';
import { tlsClientOptions } from '../../tls/client.ts';
import type { CasClient, Question } from './client.ts';
import { CasError, casError } from './failure.ts';
import type { CasOptions } from './options.ts';

/** What is tried. */
export interface ProbePlan {
  readonly options: CasOptions;
  readonly client: CasClient;
  /** The address under which CAS must know us, without the flow of a login. */
  readonly service: URL;
}

interface Finding {
  readonly detail: string;
  /** Makes it a warning. */
  readonly hint?: string;
}

type Step = readonly [name: string, work: (signal: AbortSignal) => Promise<Finding>];

/** Tries one step after the other and ends after the first that fails. */
export async function* probeCas(plan: ProbePlan, signal: AbortSignal): AsyncGenerator<ProbeStep> {
  const { url, timeout, version } = plan.options;
  const steps: readonly Step[] = [
    ['resolve', () => resolve(url)],
    ['connect', (within) => reach(url, within)],
    ...(url.protocol === 'https:' ? [['tls', (within: AbortSignal) => secure(plan.options, within)] as const] : []),
    ['login', (within) => openLogin(plan, within)],
    ['validate', (within) => refuseTicket(plan, '', within)],
    ...(version === '3.0' ? [['p3', (within: AbortSignal) => refuseTicket(plan, 'p3/', within)] as const] : []),
  ];
  for (const [step, work] of steps) {
    const start = performance.now();
    const milliseconds = (): number => Math.round(performance.now() - start);
    try {
      const found = await work(AbortSignal.any([signal, AbortSignal.timeout(timeout)]));
      yield { step, result: found.hint === undefined ? 'ok' : 'warning', ...found, milliseconds: milliseconds() };
    } catch (error) {
      const { message, hint } = casError(error, plan.client.label);
      yield {
        step,
        result: 'failed',
        detail: message,
        ...(hint !== undefined && { hint }),
        milliseconds: milliseconds(),
      };
      return;
    }
  }
}

async function resolve({ hostname }: URL): Promise<Finding> {
  const found = await lookup(bare(hostname), { all: true });
  return { detail: found.map(({ address }) => address).join(', ') };
}

async function reach(url: URL, signal: AbortSignal): Promise<Finding> {
  const socket = connect(portOf(url), bare(url.hostname));
  await ready(socket, 'connect', signal);
  socket.destroy();
  return { detail: `port ${portOf(url)} answers` };
}

async function secure({ url, ca }: CasOptions, signal: AbortSignal): Promise<Finding> {
  const host = bare(url.hostname);
  const tls = tlsClientOptions({ ca });
  const socket = connectTls({
    ...tls,
    host,
    port: portOf(url),
    ...(isIP(host) === 0 && { servername: host }),
  });
  await ready(socket, 'secureConnect', signal);
  const report = chainReport(issuersOf(socket.getPeerX509Certificate()), anchorsOf(ca));
  const protocol = socket.getProtocol();
  socket.destroy();
  const [leaf] = report.certificates;
  return {
    detail: `${protocol}, ${leaf?.subject}, issued by ${leaf?.issuer}, chain until ${report.expires.toISOString().slice(0, 10)}`,
  };
}

async function openLogin({ client, service }: ProbePlan, signal: AbortSignal): Promise<Finding> {
  const url = client.address('login', { service: service.href });
  const { status, text } = await client.read(url, signal, 'text/html');
  const where = `${url.origin}${url.pathname}`;
  if (status === 401 || status === 403)
    return { detail: `${where} refuses our service (status ${status})`, hint: registration(service) };
  if (status !== 200 || !/<(?:form|html)\b/i.test(text))
    throw new CasError(
      'misconfigured',
      `${where} is not a login page (status ${status})`,
      'url must be the base address of CAS, below which /login is',
    );
  return { detail: `${where} shows a login page` };
}

/** A ticket that nobody has issued: only a server that validates says so. */
async function refuseTicket({ client, service }: ProbePlan, prefix: 'p3/' | '', signal: AbortSignal): Promise<Finding> {
  const ticket = `ST-gatehouse-check-${randomBytes(12).toString('hex')}`;
  const question: Question = { ticket, service: service.href, renew: false };
  const answer = await client.validateAt(prefix, question, signal);
  const address = `/${prefix}serviceValidate`;
  if (!answer) {
    const detail = `there is no ${address}`;
    if (prefix === 'p3/')
      return { detail, hint: "CAS is older than 3.0: set version: '2.0'; attributes may be missing" };
    throw new CasError('misconfigured', detail, 'url must be the base address of CAS');
  }
  if (answer.kind === 'success')
    throw new CasError(
      'protocol-error',
      `${address} vouches for a ticket that nobody has issued`,
      'do not use this server',
    );
  const detail = `${address} refuses a made-up ticket with ${answer.code}`;
  if (answer.code === 'INVALID_TICKET') return { detail };
  return { detail, hint: registration(service) };
}

function registration(service: URL): string {
  return `register ${service.href} with any query as a service in CAS`;
}

async function ready(socket: Socket, event: string, signal: AbortSignal): Promise<void> {
  try {
    await once(socket, event, { signal });
    socket.on('error', () => undefined);
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    throw error;
  }
}

function portOf({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}

/** Without the brackets that a URL has around an IPv6 address. */
function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}
