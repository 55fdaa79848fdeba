/** `gatehouse check --connect` for a CAS server: name, port, TLS, login page, and a ticket that it must not accept. */

import { randomBytes } from 'node:crypto';
import type { Clock } from '../../core/clock.ts';
import { Failure } from '../../core/failure.ts';
import type { ProbeStep } from '../../core/provider.ts';
import { wayTo } from '../../remote/outbound-proxy.ts';
import { networkSteps, probeSteps, type Step, type StepResult } from '../../remote/probe.ts';
import type { CasClient, ValidationRequest } from './client.ts';
import { casFailure } from './failure.ts';
import type { CasOptions } from './options.ts';

/** What is tried. */
interface CasProbePlan {
  readonly options: CasOptions;
  readonly client: CasClient;
  /** The address under which CAS must know us, without the flow of a login. */
  readonly service: URL;
  readonly clock: Clock;
}

/** Tries one step after the other and ends after the first that fails. */
export async function* probeCas(plan: CasProbePlan, signal: AbortSignal): AsyncGenerator<ProbeStep> {
  const { url, ca, pins, timeout, version, outboundProxy = false } = plan.options;
  const older: Step = ['p3', (within) => refuseTicket(plan, 'p3/', within)];
  const steps: readonly Step[] = [
    ...networkSteps(url, { ca, pins }, plan.clock, wayTo(outboundProxy, url)),
    ['login', (within) => openLogin(plan, within)],
    ['validate', (within) => refuseTicket(plan, '', within)],
    ...(version === '3.0' ? [older] : []),
  ];
  yield* probeSteps(steps, { signal, timeout, explain: (error) => casFailure(error, plan.client.label) });
}

async function openLogin({ client, service }: CasProbePlan, signal: AbortSignal): Promise<StepResult> {
  const url = client.address('login', { service: service.href });
  const { status, text } = await client.read(url, signal, 'text/html');
  const where = `${url.origin}${url.pathname}`;
  if (status === 401 || status === 403)
    return { detail: `${where} refuses our service (status ${status})`, hint: registration(service) };
  if (status !== 200 || !/<(?:form|html)\b/i.test(text))
    throw new Failure('misconfigured', `${where} is not a login page (status ${status})`, {
      hint: 'url must be the base address of CAS, below which /login is',
    });
  return { detail: `${where} shows a login page` };
}

/** A ticket that nobody has issued: only a server that validates says so. */
async function refuseTicket(
  { client, service }: CasProbePlan,
  prefix: 'p3/' | '',
  signal: AbortSignal,
): Promise<StepResult> {
  const ticket = `ST-gatehouse-check-${randomBytes(12).toString('hex')}`;
  const question: ValidationRequest = { ticket, service: service.href, renew: false };
  const answer = await client.validateAt(prefix, question, signal);
  const address = `/${prefix}serviceValidate`;
  if (!answer) {
    const detail = `there is no ${address}`;
    if (prefix === 'p3/')
      return { detail, hint: "CAS is older than 3.0: set version: '2.0'; attributes may be missing" };
    throw new Failure('misconfigured', detail, { hint: 'url must be the base address of CAS' });
  }
  if (answer.kind === 'success')
    throw new Failure('protocol-error', `${address} accepts a ticket that nobody has issued`, {
      hint: 'do not use this server',
    });
  const detail = `${address} refuses a made-up ticket with ${answer.code}`;
  if (answer.code === 'INVALID_TICKET') return { detail };
  return { detail, hint: registration(service) };
}

function registration(service: URL): string {
  return `register ${service.href} with any query as a service in CAS`;
}
