/** One worker as the process that leads sees it: its life, what is said to it, and the lines that it writes. */
import { type ChildProcess, fork } from 'node:child_process';
import { OperatorError } from '../core/errors.ts';
import type { MaybePromise } from '../core/maybe-promise.ts';
import type { Place } from './front-listeners.ts';
import type {
  Asked,
  FromWorker,
  Question,
  ToWorker,
  WorkerAnswers,
  WorkerFault,
  WorkerStart,
} from './worker-messages.ts';

/** How a process ended. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a worker is made with. */
interface WorkerProcessParts {
  /** The program of a worker. */
  readonly entry: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly start: WorkerStart;
  /** Takes whole lines. */
  readonly output: { write(lines: string): unknown };
  readonly onMessage: (message: Extract<FromWorker, { kind: 'breaker' }>) => void;
}

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** A process of its own. */
export class WorkerProcess {
  readonly worker: number;
  /** Where it listens, once it does; rejects with what stood in the way. */
  readonly ready: Promise<readonly Place[]>;
  /** Resolves with its end, once all that it wrote is out. */
  readonly ended: Promise<WorkerEnd>;
  /** How much of what it said of each breaker has been heard. */
  readonly heard = new Map<string, number>();
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;
  #end: OperatorError | undefined;

  constructor({ entry, env, start, output, onMessage }: WorkerProcessParts) {
    this.worker = start.worker;
    this.#child = fork(entry, [], {
      env: { ...env },
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    passLines(this.#child, output);
    const readiness = Promise.withResolvers<readonly Place[]>();
    this.ready = readiness.promise;
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        const error = new OperatorError(`worker ${this.worker} has ended (${signal ?? code})`);
        this.#end = error;
        readiness.reject(error);
        for (const { reject } of this.#waiting.values()) reject(error);
        this.#waiting.clear();
        resolve({ code, signal });
      };
      this.#child.once('close', end);
      this.#child.once('error', () => this.#child.pid === undefined && end(null, null));
    });
    // Whoever waits hears of it; nobody has to.
    this.ready.catch(() => undefined);
    this.#child.on('message', (message: FromWorker) => {
      switch (message.kind) {
        case 'ready':
          return readiness.resolve(message.places);
        case 'failed':
          return readiness.reject(errorOf(this.worker, message.fault));
        case 'answer':
          return this.#settle(message.id, ({ resolve }) => resolve(message.answer));
        case 'refusal':
          return this.#settle(message.id, ({ reject }) => reject(errorOf(this.worker, message.fault)));
        case 'breaker':
          return onMessage(message);
        default:
          return message satisfies never;
      }
    });
    this.tell({ kind: 'start', start });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Asks; rejects where it refuses, ends, or lets so many milliseconds pass. */
  ask<A extends Asked>(question: Question<A>, patience: number): Promise<WorkerAnswers[A]['answer']> {
    // One that has ended hears nothing, and nothing would end the waiting.
    if (this.#end) return Promise.reject(this.#end);
    this.#asked += 1;
    const id = this.#asked;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => {
      this.#settle(id, (waiting) =>
        waiting.reject(new OperatorError(`worker ${this.worker} gave no answer within ${patience / 1000} s`)),
      );
    }, patience);
    this.#waiting.set(id, { resolve, reject });
    this.tell({ kind: 'question', id, question: question as Question });
    return promise.finally(() => clearTimeout(timer)) as Promise<WorkerAnswers[A]['answer']>;
  }

  /** What cannot be said any more is said to nobody. */
  tell(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #settle(id: number, act: (waiting: Waiting) => MaybePromise<void>): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (waiting) void act(waiting);
  }
}

function errorOf(worker: number, { message, hint }: WorkerFault): OperatorError {
  return new OperatorError(`worker ${worker}: ${message}`, hint);
}

/** Lines of several processes in one output: each goes on whole, whatever parts it came in. */
function passLines({ stdout }: ChildProcess, output: { write(lines: string): unknown }): void {
  let rest: Buffer[] = [];
  stdout?.on('data', (chunk: Buffer) => {
    const end = chunk.lastIndexOf('\n') + 1;
    if (end === 0) return void rest.push(chunk);
    output.write(Buffer.concat([...rest, chunk.subarray(0, end)]).toString());
    rest = end < chunk.length ? [chunk.subarray(end)] : [];
  });
  stdout?.once('end', () => {
    if (rest.length > 0) output.write(`${Buffer.concat(rest).toString()}\n`);
  });
}
