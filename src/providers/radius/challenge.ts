/** What is kept between an Access-Challenge and its answer. It is sealed beside the login that it belongs to, and serves no other. */
import * as z from 'zod';
import type { Outcome } from '../../core/outcome.ts';
import { messageOf } from './attributes.ts';
import type { ServerAnswer } from './client.ts';
import { type RadiusAttribute, types } from './packet.ts';

/** More than any server asks for in earnest. */
const maxRounds = 5;

const challengeState = z.strictObject({
  /** Who began; the answer is theirs alone. */
  name: z.string(),
  /** The one that knows of it. */
  server: z.string(),
  /** The server's own State, as base64. Absent where it sent none. */
  state: z.string().optional(),
  round: z.int().min(1),
});

/** A challenge that waits for its answer. */
type Challenge = z.output<typeof challengeState>;

/** Reads what was kept; undefined for anything else, and for what somebody else began. */
export function readChallenge(state: unknown, name: string): Challenge | undefined {
  const { data } = challengeState.safeParse(state);
  return data?.name === name ? data : undefined;
}

/** The State that goes back with the answer. */
export function stateOf({ state }: Challenge): RadiusAttribute[] {
  return state === undefined ? [] : [{ type: types.state, value: Buffer.from(state, 'base64') }];
}

/** What a server's wish for one more answer comes to; a server that goes on and on has no end in mind. */
export function challengeOutcome(answer: ServerAnswer, name: string, before: Challenge | undefined): Outcome {
  const round = (before?.round ?? 0) + 1;
  if (round > maxRounds) return { kind: 'rejected', reason: 'login-denied' };
  const state = answer.attributes.find(({ type }) => type === types.state)?.value.toString('base64');
  const kept: Challenge = { name, server: answer.server.label, ...(state !== undefined && { state }), round };
  return { kind: 'continue', offer: { via: 'form', form: 'code', prompt: messageOf(answer) }, state: kept };
}
