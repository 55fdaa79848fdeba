/** The place of one worker: whoever dies there is followed by another, after a while that grows with each early death. */
import type { Log } from '../core/log.ts';
import type { Place } from './front-listeners.ts';
import type { WorkerEnd, WorkerProcess } from './worker-process.ts';

/** Until a worker that ended is started again, in milliseconds; doubles with each that ends soon. */
const firstDelay = 100;
const maxDelay = 30_000;
/** Who has lived so long has not ended soon. */
const longLife = 60_000;
/** For a worker to begin to listen. */
const startPatience = 120_000;

/** What a place is made with. */
interface WorkerSlotParts {
  readonly worker: number;
  readonly log: Log;
  /** Starts a process. */
  readonly fork: () => Promise<WorkerProcess>;
  /** Told when the number of those that take requests has changed; of an end, too. */
  readonly onChange: (ended?: WorkerProcess) => void;
}

/** One of the workers. */
export class WorkerSlot {
  readonly #parts: WorkerSlotParts;
  #process: WorkerProcess | undefined;
  #isLive = false;
  #isClosing = false;
  #early = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: WorkerSlotParts) {
    this.#parts = parts;
  }

  /** The process that takes requests here; undefined while none does. */
  get live(): WorkerProcess | undefined {
    return this.#isLive ? this.#process : undefined;
  }

  /** The first start: where it fails, so does that of the gateway. Gives where it listens. */
  begin(): Promise<readonly Place[]> {
    return this.#start();
  }

  /** Nobody follows from here on. */
  close(): void {
    this.#isClosing = true;
    clearTimeout(this.#timer);
  }

  async #start(): Promise<readonly Place[]> {
    const process = await this.#parts.fork();
    const startedAt = performance.now();
    this.#process = process;
    const late = setTimeout(() => process.kill(), startPatience);
    let hasBegun = false;
    void process.ended.then((end) => {
      this.#isLive = false;
      this.#process = undefined;
      this.#parts.onChange(process);
      if (hasBegun) this.#follow(process, end, performance.now() - startedAt);
    });
    try {
      const places = await process.ready;
      hasBegun = true;
      this.#isLive = true;
      this.#parts.onChange();
      return places;
    } catch (error) {
      process.kill();
      await process.ended;
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  #follow({ worker, pid }: WorkerProcess, { code, signal }: WorkerEnd, lived: number): void {
    if (this.#isClosing) return;
    const delay = this.#delayAfter(lived);
    const fields = { worker, pid, ...(signal ? { signal } : { code }), seconds: Math.round(lived / 1000), delay };
    const { log } = this.#parts;
    if (code === 0) log.warn(fields, 'a worker was told to end, and has finished its requests; another is started');
    else log.error(fields, 'a worker has ended: its connections are cut; another is started');
    this.#startAfter(delay);
  }

  #delayAfter(lived: number): number {
    this.#early = lived >= longLife ? 0 : this.#early;
    const delay = Math.min(maxDelay, firstDelay * 2 ** this.#early);
    this.#early += 1;
    return delay;
  }

  #startAfter(delay: number): void {
    this.#timer = setTimeout(() => {
      const { log, worker } = this.#parts;
      this.#start().then(
        () => log.info({ worker, pid: this.#process?.pid }, 'a worker has been started again'),
        (error: unknown) => {
          if (this.#isClosing) return;
          const next = this.#delayAfter(0);
          log.error({ worker, error, delay: next }, 'a worker cannot be started; it is tried again');
          this.#startAfter(next);
        },
      );
    }, delay);
  }
}
