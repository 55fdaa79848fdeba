/** Providers for tests of the chain: each says what it is told to say, as slowly as it is told to. */
import type { Outcome } from '../../../src/core/outcome.ts';
import type { Attempt, Provider } from '../../../src/core/provider.ts';
import { type ChainLink, onOptions } from '../../../src/providers/chain.ts';
import type { CircuitBreaker } from '../../../src/remote/circuit-breaker.ts';
import { type AttemptParts, attemptOf, passwordParts } from '../tools/attempt.ts';

const callbackUrl = new URL('http://gate.test/_gate/callback/');

/** What a scripted provider does when asked. */
export type Script = Outcome | ((attempt: Attempt) => unknown);

/** A link whose attempts are kept, in order. */
export interface ScriptedLink extends ChainLink {
  readonly attempts: Attempt[];
}

/** A link of the chain with a provider that follows the script. */
export function scripted(
  name: string,
  script: Script,
  more: { on?: Partial<ChainLink['on']>; timeout?: number; needsNetwork?: boolean; breaker?: CircuitBreaker } = {},
): ScriptedLink {
  const attempts: Attempt[] = [];
  const provider: Provider = {
    attempt: (attempt) => {
      attempts.push(attempt);
      return (typeof script === 'function' ? script(attempt) : Promise.resolve(script)) as Promise<Outcome>;
    },
  };
  const { on = {}, timeout = 2000, needsNetwork = true, breaker } = more;
  return { name, provider, attempts, timeout, needsNetwork, breaker, on: { ...onOptions.parse({}), ...on } };
}

/** A form that alice sent, on its way to the chain; each provider gets its own callback address from there. */
export function form(more: AttemptParts = {}): Attempt {
  return attemptOf({ ...passwordParts('alice', 'right'), callbackUrl, ...more });
}

/** A request without a session, on its way to the chain. */
export function ambient(more: AttemptParts = {}): Attempt {
  return attemptOf({ callbackUrl, ...more });
}

/** A provider's word for a user. */
export function vouched(subject: string, more: Partial<Extract<Outcome, { kind: 'authenticated' }>> = {}): Outcome {
  return { kind: 'authenticated', assertion: { realm: 'example', subject, amr: ['pwd'], attributes: {} }, ...more };
}

/** Never answers, and pays no heed to its signal. */
export const deaf = (): Promise<Outcome> => new Promise(() => undefined);
