/** The one way of a request through a carrier: decided, carried out, recorded; what breaks on the way is a 503. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorCodes, GatewayError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { MaybePromise } from '../../core/maybe-promise.ts';
import { isGrpcCall, writeGrpcRefusal } from '../../edge/grpc.ts';
import { writeAnswer } from '../../edge/write-answer.ts';
import { isNavigation } from '../../portal/send-page.ts';
import type { RequestResult } from '../../telemetry/recorder.ts';
import type { Answers, Asking, Declined } from '../answer.ts';
import type { Decided } from '../decided.ts';
import type { Pipeline } from '../pipeline.ts';

/** What every carrier works with. */
export interface CarryParts {
  readonly log: Log;
  readonly pipeline: Pipeline;
  readonly answers: Answers;
}

/** What is a carrier's own. */
interface Carriage<Result> {
  readonly carryOut: (decided: Decided) => Promise<Result>;
  /** Answers a request that is not forwarded. */
  readonly decline: (decided: Decided, verdict: Declined) => Promise<RequestResult>;
}

/** Carries a decision out and says what came of it. Never rejects, but for a refusal that cannot be given either. */
export async function carryOut<Result>(
  log: Log,
  decided: Decided,
  carriage: Carriage<Result>,
): Promise<Result | RequestResult> {
  try {
    return await carriage.carryOut(decided);
  } catch (cause) {
    log.error({ request: decided.request.id, error: cause }, 'a verdict could not be carried out');
    const error = new GatewayError('UNAVAILABLE', 'a verdict could not be carried out', cause);
    return carriage.decline(decided, { kind: 'refuse', error, reason: 'internal-error' });
  }
}

/** Decides, carries out, and records. */
export async function carry(
  { log, pipeline }: CarryParts,
  decide: () => MaybePromise<Decided>,
  carriage: Carriage<RequestResult>,
): Promise<void> {
  const pending = decide();
  // Where nobody has to be waited for, no turn of the loop is spent.
  const decided = pending instanceof Promise ? await pending : pending;
  pipeline.finish(decided, await carryOut(log, decided, carriage));
}

/** Answers on a response; a `form` that says undefined can no longer be kept. */
export async function respond(
  answers: Answers,
  { request: asked, client, reply }: Decided,
  verdict: Declined,
  {
    request,
    response,
    ...asking
  }: { request: IncomingMessage; response: ServerResponse } & Pick<Partial<Asking>, 'form'>,
): Promise<RequestResult> {
  const isPage = isNavigation(asked.headers);
  const answer = await answers.to({ request: asked, client, reply, isPage, form: request, ...asking }, verdict);
  if (isGrpcCall(request)) writeGrpcRefusal(response, answer, publicText(verdict));
  else writeAnswer(request, response, answer);
  return resultOf(answer.status, verdict);
}

function publicText(verdict: Declined): string {
  if (verdict.kind === 'refuse') return verdict.error.publicMessage;
  return errorCodes.LOGIN_REQUIRED.message;
}

/** How a verdict that forwards nothing is recorded. */
export function resultOf(status: number, verdict: Declined): RequestResult {
  if (verdict.kind !== 'refuse') return { status };
  return { status, reason: verdict.reason, detail: verdict.error.message };
}
