/** `gatehouse check --connect` for RADIUS: every server's name, Status-Server, and what it says of a user whom nobody has. */
import { Failure } from '../../core/failure.ts';
import type { ProbeStep } from '../../core/provider.ts';
import { withDeadline } from '../../remote/deadline.ts';
import { addressesOf, probeSteps, type Step, type StepResult } from '../../remote/probe.ts';
import { type RadiusClient, type RadiusServer, radiusFailure } from './client.ts';
import { codes, type Question, type RadiusAnswer } from './packet.ts';
import { nobodysRequest, statusRequest } from './requests.ts';

/** What is tried. */
interface RadiusProbePlan {
  readonly servers: readonly RadiusServer[];
  readonly client: RadiusClient;
  readonly nasIdentifier: string;
  readonly requireMessageAuthenticator: boolean;
  /** For each step, in milliseconds. */
  readonly timeout: number;
}

/** Tries each server of the plan; each up to the first step that fails. */
export async function* probeRadius(plan: RadiusProbePlan, signal: AbortSignal): AsyncGenerator<ProbeStep> {
  for (const server of plan.servers) {
    const steps: readonly Step[] = [
      ['resolve', async () => ({ detail: (await addressesOf(server.host)).join(', ') })],
      ['status', (within) => askStatus(plan, server, within)],
      ['request', (within) => askAboutNobody(plan, server, within)],
    ];
    const terms = { signal, timeout: plan.timeout, explain: (error: unknown) => radiusFailure(error, server.label) };
    for await (const step of probeSteps(steps, terms))
      yield step.detail.startsWith(server.label) ? step : { ...step, detail: `${server.label}: ${step.detail}` };
  }
}

/** Silence here is no failure: servers need not know the question. */
async function askStatus(plan: RadiusProbePlan, server: RadiusServer, signal: AbortSignal): Promise<StepResult> {
  try {
    const answer = await ask(plan, server, statusRequest(plan), signal);
    return { detail: `answers Status-Server, ${markOf(answer)}` };
  } catch (error) {
    const failure = radiusFailure(error, server.label);
    if (failure.reason !== 'timed-out') throw error;
    return {
      detail: 'does not answer Status-Server',
      hint: 'no harm where it answers the next step; an open circuit breaker then looks by asking about a user whom nobody has',
    };
  }
}

async function askAboutNobody(plan: RadiusProbePlan, server: RadiusServer, signal: AbortSignal): Promise<StepResult> {
  const answer = await ask(plan, server, nobodysRequest(plan), signal);
  if (answer.code === codes.accessAccept)
    throw new Failure('protocol-error', `${server.label}: lets in a user whom nobody has`, {
      hint: 'it takes anybody with any password; do not use it',
    });
  const detail = `refuses a made-up user, ${markOf(answer)}`;
  if (answer.hasMessageAuthenticator) return { detail };
  return {
    detail,
    hint: 'such answers can be forged (CVE-2024-3596); have the server send one, then set requireMessageAuthenticator: true',
  };
}

function ask(
  { client, timeout }: RadiusProbePlan,
  server: RadiusServer,
  question: Question,
  signal: AbortSignal,
): Promise<RadiusAnswer> {
  // Before the step's own limit, so that it can say what it was waiting for.
  return withDeadline(signal, timeout * 0.9, (deadline) => client.askOne(question, server, deadline));
}

function markOf({ hasMessageAuthenticator }: RadiusAnswer): string {
  return `${hasMessageAuthenticator ? 'with' : 'without'} a Message-Authenticator`;
}
