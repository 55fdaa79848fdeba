/**
 * The front of a gateway of several processes: its workers, which listen together. What happens to one is mended here; what all
 * have to do, they do together or not at all.
 */
import { OperatorError } from '../core/errors.ts';
import type { Gateway } from '../gateway/build.ts';
import type { Document } from '../gateway/document.ts';
import type { Services } from '../gateway/services.ts';
import type { BreakerStanding } from '../remote/breakers.ts';
import { MachineMetrics } from '../telemetry/machine-metrics.ts';
import { makeTicketSecret } from '../tls/ticket-keys.ts';
import type { Place } from './front-listeners.ts';
import type { Front, Placing } from './host.ts';
import { actualAddresses, refuseUnopenable } from './shared-addresses.ts';
import type { Asked, ConfigurationText, Question, WorkerAnswers } from './worker-messages.ts';
import { WorkerProcess } from './worker-process.ts';
import { WorkerSlot } from './worker-slot.ts';

/** For a worker to ready a configuration: longer than any takes that comes to an end; and to put it in place. In milliseconds. */
const preparePatience = 60_000;
const takePatience = 10_000;
/** For what operators ask. */
const questionPatience = 2000;
/** How much longer than the drain a worker may take to end. */
const endPatience = 5000;
/** TLS tickets of before cost a whole handshake: who records traffic and comes by a key later reads no more than this. */
const ticketSecretLasts = 12 * 3_600_000;

/** What a pool is made with. */
export interface WorkerPoolParts {
  readonly count: number;
  /** The program of a worker. */
  readonly entry: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The configuration's. */
  readonly file: string;
  readonly output: { write(lines: string): unknown };
  readonly isTerminal: boolean;
  /** The text that a configuration was read from. */
  readonly textOf: (document: Document) => ConfigurationText;
}

/** Workers. */
export class WorkerPool implements Front<Document> {
  readonly #parts: WorkerPoolParts;
  readonly #services: Services;
  readonly #slots: readonly WorkerSlot[];
  /** Those that have not ended, whether they take requests already or not. */
  readonly #processes = new Set<WorkerProcess>();
  readonly #rotation: NodeJS.Timeout;
  #ticketSecret = makeTicketSecret();
  #document: Document;
  #places: readonly Place[] | undefined;
  #isDraining = false;
  /** A worker is started before a reload or after it, never in its midst. */
  #reloading: Promise<unknown> = Promise.resolve();
  readonly #metrics: MachineMetrics;

  private constructor(parts: WorkerPoolParts, document: Document, services: Services) {
    this.#parts = parts;
    this.#document = document;
    this.#services = services;
    const { log } = services;
    this.#metrics = new MachineMetrics(services.metrics);
    this.#slots = Array.from({ length: parts.count }, (_, index) => {
      const worker = index + 1;
      const onChange = (ended?: WorkerProcess): void => this.#changed(ended);
      return new WorkerSlot({ worker, log, onChange, fork: () => this.#fork(worker) });
    });
    this.#rotation = setInterval(() => this.#rotateTickets(), ticketSecretLasts).unref();
    process.on('exit', this.#killAll);
  }

  /** Starts all, or none: the first finds out where they listen. */
  static async open(parts: WorkerPoolParts, gateway: Gateway, services: Services): Promise<WorkerPool> {
    const pool = new WorkerPool(parts, gateway.document, services);
    try {
      const [first, ...others] = pool.#slots;
      pool.#places = await first?.begin();
      await Promise.all(others.map((slot) => slot.begin()));
      return pool;
    } catch (error) {
      await pool.drain(0);
      throw error;
    }
  }

  /** Where they really listen. */
  get addresses(): readonly URL[] {
    return actualAddresses(this.#document, this.#places);
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Those that take requests. */
  get live(): readonly WorkerProcess[] {
    return this.#slots.flatMap(({ live }) => live ?? []);
  }

  /** How many take requests, of how many that there are to be. */
  get counts(): { readonly live: number; readonly of: number } {
    return { live: this.live.length, of: this.#slots.length };
  }

  /** The metrics of all processes as those of one, in Prometheus' text format. */
  async renderMetrics(): Promise<string> {
    return this.#metrics.render(await this.ask<'metrics'>({ asked: 'metrics' }));
  }

  /** What each that takes requests answers; who gives no answer is left out. */
  async ask<A extends Asked>(
    question: Question<A>,
  ): Promise<readonly (readonly [pid: number, answer: WorkerAnswers[A]['answer']])[]> {
    const answers = await Promise.all(
      this.live.map((process) =>
        process.ask<A>(question, questionPatience).then(
          (answer) => [[process.pid ?? 0, answer] as const],
          (error: unknown) => {
            this.#services.log.warn(
              { worker: process.worker, asked: question.asked, error },
              'a worker gave no answer',
            );
            return [];
          },
        ),
      ),
    );
    return answers.flat();
  }

  /** Says how a circuit breaker stands to all, each by what it has said itself of it. */
  tellStanding(standing: BreakerStanding): void {
    for (const process of this.#processes)
      process.tell({ kind: 'standing', standing, heard: process.heard.get(standing.identity) ?? 0 });
  }

  /** Every worker readies it, or none puts it in place. One that has yet to be started again is given what is in place then. */
  async prepare(document: Document): Promise<Placing> {
    const done = Promise.withResolvers<void>();
    const before = this.#reloading;
    this.#reloading = done.promise;
    await before;
    await Promise.allSettled([...this.#processes].map(({ ready }) => ready));
    await refuseUnopenable(this.#document, document).catch((error: unknown) => {
      done.resolve();
      throw error;
    });
    const workers = this.live;
    const drop = (): void => {
      for (const worker of workers) void worker.ask<'drop'>({ asked: 'drop' }, takePatience).catch(() => undefined);
      done.resolve();
    };
    const text = this.#parts.textOf(document);
    const prepared = await Promise.allSettled(
      workers.map((worker) => worker.ask<'prepare'>({ asked: 'prepare', text }, preparePatience)),
    );
    const failed = prepared.find((result) => result.status === 'rejected');
    if (failed) {
      drop();
      throw failed.reason;
    }
    return { put: () => this.#put(document, workers).finally(done.resolve), drop };
  }

  async #put(document: Document, workers: readonly WorkerProcess[]): Promise<void> {
    this.#document = document;
    const taken = workers.map((worker) =>
      worker.ask<'take'>({ asked: 'take' }, takePatience).catch((error: unknown) => {
        // Whoever goes on with the configuration before must not take requests any more: another begins with this one.
        this.#services.log.error(
          { worker: worker.worker, error },
          'a worker did not take the configuration, and is ended',
        );
        worker.kill();
      }),
    );
    await Promise.all(taken);
  }

  /** Takes no more connections; each lets its requests finish, for as long as the configuration gives them or `patience`. */
  async drain(patience = this.#document.server.drain): Promise<void> {
    this.#isDraining = true;
    clearInterval(this.#rotation);
    for (const slot of this.#slots) slot.close();
    const processes = [...this.#processes];
    for (const process of processes) process.tell({ kind: 'drain' });
    const late = setTimeout(() => this.#killAll(), patience === 0 ? 0 : patience + endPatience);
    await Promise.all(processes.map(({ ended }) => ended));
    clearTimeout(late);
    process.off('exit', this.#killAll);
  }

  /** As when this process is told to end a second time: nobody is left behind. */
  readonly #killAll = (): void => {
    for (const process of this.#processes) process.kill();
  };

  #changed(ended: WorkerProcess | undefined): void {
    this.#services.metrics.workers(this.live.length);
    if (!ended) return;
    void this.#metrics.ended(ended.pid ?? 0);
    if (!this.#isDraining) this.#services.metrics.workerEnded();
  }

  #rotateTickets(): void {
    this.#ticketSecret = makeTicketSecret();
    for (const process of this.#processes) process.tell({ kind: 'tickets', secret: this.#ticketSecret });
  }

  async #fork(worker: number): Promise<WorkerProcess> {
    for (let reload: unknown; reload !== this.#reloading; ) {
      reload = this.#reloading;
      await reload;
    }
    if (this.#isDraining) throw new OperatorError('the gateway is stopping');
    const { entry, env, file, output, isTerminal, count, textOf } = this.#parts;
    const made: WorkerProcess = new WorkerProcess({
      ...{ entry, env, output },
      start: {
        worker,
        workers: count,
        file,
        text: textOf(this.#document),
        places: this.#places,
        ticketSecret: this.#ticketSecret,
        breakers: this.#services.breakers.standings(),
        isTerminal,
      },
      onMessage: ({ identity, news, said }) => {
        made.heard.set(identity, said);
        const standing = this.#services.breakers.hear(identity, news);
        if (standing) this.tellStanding(standing);
      },
    });
    this.#processes.add(made);
    void made.ended.then(() => this.#processes.delete(made));
    return made;
  }
}
