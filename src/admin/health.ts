/** Whether the gateway can serve, and how its providers stand; read by load balancers and people. */
import type { Clock } from '../core/clock.ts';
import type { Store } from '../core/store.ts';
import type { BreakerSnapshot } from '../remote/circuit-breaker.ts';
import { withDeadline } from '../remote/deadline.ts';

/** Where the health comes from; `runtime/host.ts` has it all at hand. */
export interface HealthSource {
  /** True from SIGTERM on. */
  readonly isDraining: () => boolean;
  /** The store's own, by which what is put there expires. */
  readonly clock: Clock;
  readonly store: Pick<Store, 'get' | 'put' | 'waiting' | 'outage'>;
  /** Those of the chain, in the configuration of the moment. */
  readonly providers: () => readonly {
    readonly provider: string;
    readonly snapshot: BreakerSnapshot;
    readonly isOffline: boolean;
  }[];
  /** Of the servers that second factors ask. */
  readonly factorServers: () => readonly { readonly factor: string; readonly snapshot: BreakerSnapshot }[];
  /** Whether the store may have lost what accounts had set up of second factors. */
  readonly enrolmentsLost?: () => Promise<boolean>;
  /** How many of the processes that take requests are there; absent where this one takes them. */
  readonly workers?: () => Workers;
}

/** Processes that take requests: those that live, of all that there are to be. */
interface Workers {
  readonly live: number;
  readonly of: number;
}

/**
 * How a provider stands: `degraded` after failures that have not closed it off, `down` while nobody is sent to it, `unknown`
 * where nobody has been sent to it yet.
 */
interface ProviderHealth {
  readonly state: 'ok' | 'unknown' | 'degraded' | 'down';
  readonly reason?: string;
  /** When it is tried again. */
  readonly retryAt?: string;
  /** Its users sign in without it meanwhile. */
  readonly offline?: true;
}

/**
 * `read-only` when it takes nothing, as on a full disk: who is signed in goes on and can sign out, nobody else can sign in. `away`
 * when it does not answer, and sessions go on without it for a while: the same, and balancers need not turn away.
 */
type StoreHealth = 'ok' | 'read-only' | 'away' | 'down';

/** The answer of `/health/ready`. */
interface Readiness {
  /** Only `unavailable` is a reason to send requests elsewhere: with a provider down, all who are signed in still work. */
  readonly status: 'ready' | 'degraded' | 'unavailable';
  readonly draining: boolean;
  readonly store: StoreHealth;
  /** What is wrong with a store that does not answer. */
  readonly storeProblem?: string;
  /** Ends of sessions that count, and wait for the store to take them; absent where there are none. */
  readonly waiting?: number;
  /** Present where the store is not the one in which second factors were set up: first ones take a code until an operator has seen to it. */
  readonly enrolments?: 'lost';
  /** Absent where one process is all. */
  readonly workers?: Workers;
  readonly providers: Readonly<Record<string, ProviderHealth>>;
  /** Second factors that ask a server; absent where there are none. */
  readonly factors?: Readonly<Record<string, ProviderHealth>>;
}

/** What balancers are told on the public listeners. */
export type PublicHealth = 'ok' | 'unavailable';

/** How long what was seen of the store is told again, in milliseconds: many balancers may ask, and anybody else. */
const publicHealthKept = 1000;

const storeTimeout = 2000;
const probeKey = 'health:probe';
/** How long the probe's own entry stays, in milliseconds. */
const probeKept = 60_000;

/** Makes the function behind `/health/ready`; questions asked at once share one look at the store. */
export function createReadiness(source: HealthSource): () => Promise<Readiness> {
  let looking: Promise<StoreHealth> | undefined;
  return async () => {
    looking ??= lookAtStore(source).finally(() => {
      looking = undefined;
    });
    const store = await looking;
    // What cannot be asked shows as the store's own state.
    const isLost = (await source.enrolmentsLost?.().catch(() => false)) === true;
    const providers = Object.fromEntries(
      source
        .providers()
        .map(({ provider, snapshot, isOffline }) => [
          provider,
          { ...healthOf(snapshot), ...(isOffline && { offline: true as const }) },
        ]),
    );
    const factors = Object.fromEntries(
      source.factorServers().map(({ factor, snapshot }) => [factor, healthOf(snapshot)]),
    );
    const hasFactors = Object.keys(factors).length > 0;
    const draining = source.isDraining();
    const waiting = source.store.waiting();
    const workers = source.workers?.();
    const isWell =
      store === 'ok' &&
      !isLost &&
      waiting === 0 &&
      (workers === undefined || workers.live === workers.of) &&
      [...Object.values(providers), ...Object.values(factors)].every(
        ({ state }) => state === 'ok' || state === 'unknown',
      );
    const isOut = draining || store === 'down' || workers?.live === 0;
    const status = isOut ? 'unavailable' : isWell ? 'ready' : 'degraded';
    const problem = source.store.outage()?.message;
    const said = {
      ...(store !== 'ok' && problem !== undefined && { storeProblem: problem }),
      ...(waiting > 0 && { waiting }),
      ...(isLost && { enrolments: 'lost' as const }),
      ...(workers && { workers }),
    };
    return { status, draining, store, ...said, providers, ...(hasFactors && { factors }) };
  };
}

/** Makes the function behind `server.health`: whether requests may come here. It writes nothing, and reads once in a second. */
export function createPublicHealth(source: Pick<HealthSource, 'isDraining' | 'store'>): () => Promise<PublicHealth> {
  let seen: Promise<boolean> | undefined;
  let seenAt = Number.NEGATIVE_INFINITY;
  const look = async (): Promise<boolean> => {
    const isUp = (await worksInTime(() => source.store.get(probeKey))) || goesOn(source);
    seenAt = performance.now();
    return isUp;
  };
  return async () => {
    if (source.isDraining()) return 'unavailable';
    if (performance.now() - seenAt >= publicHealthKept) {
      // Until the look has ended, all who ask wait for it.
      seenAt = Number.POSITIVE_INFINITY;
      seen = look();
    }
    return (await seen) ? 'ok' : 'unavailable';
  };
}

function healthOf({ state, failures, reason, retryAt, isUntried }: BreakerSnapshot): ProviderHealth {
  const unfailed = isUntried ? 'unknown' : 'ok';
  const health = state === 'open' ? 'down' : state === 'half-open' || failures > 0 ? 'degraded' : unfailed;
  return {
    state: health,
    ...(health !== 'ok' && reason && { reason }),
    ...(retryAt !== undefined && { retryAt: new Date(retryAt).toISOString() }),
  };
}

/** Without the store, for a while. */
function goesOn({ store }: Pick<HealthSource, 'store'>): boolean {
  return (store.outage()?.goesOn ?? 0) > 0;
}

async function lookAtStore(source: HealthSource): Promise<StoreHealth> {
  const { clock, store } = source;
  if (!(await worksInTime(() => store.get(probeKey)))) return goesOn(source) ? 'away' : 'down';
  const now = clock.now();
  return (await worksInTime(() => store.put(probeKey, String(now), now + probeKept))) ? 'ok' : 'read-only';
}

function worksInTime(work: () => unknown): Promise<boolean> {
  return withDeadline(undefined, storeTimeout, async () => work()).then(
    () => true,
    () => false,
  );
}
