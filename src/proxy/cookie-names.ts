/**
 * Which cookies of each route are bound to people: learned of what applications set, and kept in the store, so that a restart or
 * another worker knows them too. What is done about them is `bound-cookies.ts`'s.
 */
import { hash } from 'node:crypto';
import * as z from 'zod';
import type { Log } from '../core/log.ts';
import type { Store } from '../core/store.ts';
import { Journal } from '../store/journal.ts';

/** A cookie that was bound on a route. */
export interface LearnedCookie {
  readonly name: string;
  /** Where it was set, as browsers see it. */
  readonly paths: readonly string[];
  readonly httpOnly: boolean;
  /** True: its `Domain` is the host itself, so that only another with it takes its place. */
  readonly domain: boolean;
  readonly partitioned: boolean;
  /** True: the application sets it in a way, too, in which it cannot be bound. */
  readonly isMixed: boolean;
}

/** Names of one route; the rest are bound all the same. */
const maxNames = 32;
/** Paths of one name. */
const maxPaths = 4;

const prefix = 'cookie-names:';
const learnedSchema = z.looseObject({
  names: z.array(
    z.looseObject({
      name: z.string(),
      paths: z.array(z.string()),
      httpOnly: z.boolean(),
      domain: z.boolean().default(false),
      partitioned: z.boolean().default(false),
      isMixed: z.boolean().default(false),
    }),
  ),
});

interface CookieNamesParts {
  readonly store: Store;
  readonly log: Log;
  /** The names of the routes that bind cookies. */
  readonly routes: readonly string[];
}

/** What is known of a route: by folded name. */
type Learned = ReadonlyMap<string, LearnedCookie>;

/** The cookies that were learned of. */
export class CookieNames {
  readonly #parts: CookieNamesParts;
  readonly #routeOf: ReadonlyMap<string, string>;
  readonly #learned = new Map<string, Learned>();
  readonly #writing = new Map<string, Promise<void>>();
  #journal: Journal | undefined;
  #version = 0;

  constructor(parts: CookieNamesParts) {
    this.#parts = parts;
    this.#routeOf = new Map(parts.routes.map((route) => [keyOf(route), route]));
  }

  /** Reads what the store knows, and follows what other workers learn. */
  async open(): Promise<void> {
    if (this.#routeOf.size === 0) return;
    await this.#readAll();
    const { store, log } = this.#parts;
    this.#journal = new Journal({ store, log, onChange: (keys) => this.#hear(keys) });
  }

  /** Another number after each change. */
  get version(): number {
    return this.#version;
  }

  /** A cookie of a route, in whatever spelling an application may take for its name. */
  find(route: string, name: string): LearnedCookie | undefined {
    return this.#learned.get(route)?.get(foldName(name));
  }

  /** All of a route. */
  of(route: string): Iterable<LearnedCookie> {
    return this.#learned.get(route)?.values() ?? [];
  }

  /** Every cookie of a name, on any route. */
  named(name: string): readonly LearnedCookie[] {
    const folded = foldName(name);
    return [...this.#learned.values()].flatMap((known) => known.get(folded) ?? []);
  }

  /** Learns of a cookie that was set; at once here, with every worker in a moment. False where a route has no room for it. */
  learn(route: string, cookie: LearnedCookie): boolean {
    const known = this.#learned.get(route) ?? new Map<string, LearnedCookie>();
    const next = withCookie(known, cookie);
    if (next === known) return known.has(foldName(cookie.name));
    this.#set(route, next);
    void this.#write(route);
    return true;
  }

  /** Resolves when what was learned is in the store, or could not be written. */
  async close(): Promise<void> {
    this.#journal?.close();
    await Promise.all(this.#writing.values());
  }

  /** One write of a route at a time: it takes along what was learned meanwhile. */
  #write(route: string): Promise<void> {
    const before = this.#writing.get(route) ?? Promise.resolve();
    const writing = before
      .then(() => this.#merge(route))
      .catch((error: unknown) => {
        this.#parts.log.warn(
          { route, error },
          'the names of bound cookies could not be stored; this process knows them',
        );
      });
    this.#writing.set(route, writing);
    void writing.then(() => this.#writing.get(route) === writing && this.#writing.delete(route));
    return writing;
  }

  async #merge(route: string): Promise<void> {
    const { store } = this.#parts;
    const key = keyOf(route);
    for (;;) {
      const stored = await store.get(key);
      const before: Learned = stored ? parse(stored.value) : new Map();
      let merged = before;
      for (const cookie of this.of(route)) merged = withCookie(merged, cookie);
      if (merged === before) return;
      const value = JSON.stringify({ route, names: [...merged.values()] });
      if (await store.replace(key, stored?.version, value, undefined, { announced: true })) return;
    }
  }

  #hear(keys: readonly string[] | undefined): void {
    const routes = keys?.flatMap((key) => this.#routeOf.get(key) ?? []);
    if (routes?.length === 0) return;
    this.#readAll(routes).catch((error: unknown) => {
      this.#parts.log.warn({ error }, 'the names of bound cookies cannot be read; those that are known count');
    });
  }

  async #readAll(routes: readonly string[] = this.#parts.routes): Promise<void> {
    for (const route of routes) {
      const stored = await this.#parts.store.get(keyOf(route));
      if (!stored) continue;
      let known = parse(stored.value);
      // What this process has learned meanwhile is on its way to the store.
      for (const cookie of this.of(route)) known = withCookie(known, cookie);
      this.#set(route, known);
    }
  }

  #set(route: string, learned: Learned): void {
    this.#version += 1;
    this.#learned.set(route, learned);
  }
}

/**
 * A name as the most forgiving of applications reads it: PHP takes `my.sid` for `my_sid` and some frameworks `SID` for `sid`. Who
 * takes a mark off by hand could spell the name anew.
 */
export function foldName(name: string): string {
  const plain = name.replace(/%[0-7][0-9a-f]/gi, (octet) => String.fromCharCode(Number.parseInt(octet.slice(1), 16)));
  return plain
    .trim()
    .toLowerCase()
    .replace(/[.\s[]/g, '_');
}

/** The same where nothing is new in it. */
function withCookie(known: Learned, cookie: LearnedCookie): Learned {
  const folded = foldName(cookie.name);
  const before = known.get(folded);
  if (!before) return known.size >= maxNames ? known : new Map([...known, [folded, cookie]]);
  const paths = [...new Set([...before.paths, ...cookie.paths])].slice(0, maxPaths);
  const either = (key: 'httpOnly' | 'domain' | 'partitioned' | 'isMixed'): boolean => before[key] || cookie[key];
  const next = {
    ...before,
    paths,
    httpOnly: either('httpOnly'),
    domain: either('domain'),
    partitioned: either('partitioned'),
    isMixed: either('isMixed'),
  };
  return JSON.stringify(next) === JSON.stringify(before) ? known : new Map([...known, [folded, next]]);
}

/** What an unreadable value says nobody knows: it is written anew with what is learned. */
function parse(value: string): Learned {
  let written: unknown;
  try {
    written = JSON.parse(value);
  } catch {
    return new Map();
  }
  const { data } = learnedSchema.safeParse(written);
  return new Map((data?.names ?? []).map((cookie) => [foldName(cookie.name), cookie]));
}

/** Hashed, so that no sign of a route's name has a meaning in a key. */
function keyOf(route: string): string {
  return prefix + hash('sha256', route, 'base64url');
}
