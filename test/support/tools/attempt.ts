/** Attempts as the gateway makes them, for tests that ask a provider directly. */
import type { Attempt } from '../../../src/core/provider.ts';
import { HeaderLines } from '../../../src/core/request-head.ts';
import { Secret } from '../../../src/core/secret.ts';

/** What a test says about an attempt; the rest is a plain GET on a location. */
export type AttemptParts = Partial<Omit<Attempt, 'headers'>> & { readonly headers?: Readonly<Record<string, string>> };

/** A whole attempt out of its telling parts; without a signal, one that gives up after 20 s. */
export function attemptOf({ headers = {}, ...parts }: AttemptParts): Attempt {
  return {
    stage: 'ambient',
    url: new URL('http://gate.test/ccagent'),
    headers: new HeaderLines(Object.entries(headers).flat()),
    address: '127.0.0.1',
    callbackUrl: new URL('http://gate.test/_gate/callback/under-test'),
    signal: AbortSignal.timeout(20_000),
    ...parts,
  };
}

/** The parts of a login form that was sent. */
export function passwordParts(username: string, password: string): AttemptParts {
  return {
    stage: 'credentials',
    url: new URL('http://gate.test/_gate/login'),
    credentials: { username, password: new Secret(password) },
  };
}

/** An attempt with a user name and a password. */
export function passwordAttempt(username: string, password: string, signal?: AbortSignal): Attempt {
  return attemptOf({ ...passwordParts(username, password), ...(signal && { signal }) });
}
