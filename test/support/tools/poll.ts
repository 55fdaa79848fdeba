/** Waiting for something to become true, without a fixed sleep. */
import { setTimeout as delay } from 'node:timers/promises';

/** Asks again and again until `ready` gives a value other than undefined and false; throws after `within` milliseconds. */
export async function until<T>(
  what: string,
  ready: () => T | undefined | false | Promise<T | undefined | false>,
  within = 60_000,
): Promise<T> {
  const end = performance.now() + within;
  for (;;) {
    const value = await ready();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`not within ${within} ms: ${what}`);
    await delay(10);
  }
}
