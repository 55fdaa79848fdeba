/** What binds the cookies of a test's routes to people, over a store of its own. */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../../src/core/clock.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { Log } from '../../../src/core/log.ts';
import type { Route } from '../../../src/core/route.ts';
import { Sealer, SealKey } from '../../../src/core/seal.ts';
import type { Store } from '../../../src/core/store.ts';
import { isOwnCookie } from '../../../src/gateway/composer.ts';
import { BoundCookies } from '../../../src/proxy/bound-cookies.ts';
import { CookieMarks } from '../../../src/proxy/cookie-marks.ts';
import { CookieNames } from '../../../src/proxy/cookie-names.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { keptLog } from '../tools/log-lines.ts';

/** What a test may give of its own. */
interface BoundCookiesOptions {
  readonly clock?: Clock;
  readonly log?: Log;
  readonly store?: Store;
  readonly sealer?: Sealer;
  readonly hosts?: readonly string[];
}

/** The cookies of some routes, and the names that were learned. */
export function boundCookies(
  routes: readonly Route[],
  { clock = systemClock, log = keptLog(), hosts = [], ...given }: BoundCookiesOptions = {},
) {
  const store = given.store ?? new MemoryStore(clock);
  const sealer = given.sealer ?? new Sealer([new SealKey(randomBytes(32))]);
  const names = new CookieNames({ store, log, routes: routes.map(({ name }) => name) });
  const cookies = new BoundCookies({
    ...{ clock, log, names, routes, isOwnCookie },
    marks: new CookieMarks(sealer),
    isSecure: false,
    hasHostBelow: (host) => hosts.some((name) => name.endsWith(`.${host}`)),
  });
  return { cookies, names, store, sealer };
}
