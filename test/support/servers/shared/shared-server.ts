/** A server that is started by the first who asks for it, and anew by the next one when it has ended by itself. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { SharedServerName } from './questions.ts';

/** A server that has started. */
export interface Running<T> {
  readonly child: ChildProcess;
  readonly value: T;
  /** What it wrote to its standard error, where it is known. */
  said?(): string;
  end(): Promise<void>;
}

/** One of the servers of a run. */
export class SharedServer<T> {
  readonly #name: SharedServerName;
  readonly #start: () => Promise<Running<T>>;
  readonly #ends = new Map<number, Promise<string>>();
  #running: Promise<Running<T>> | undefined;
  #isClosing = false;

  constructor(name: SharedServerName, start: () => Promise<Running<T>>) {
    this.#name = name;
    this.#start = start;
  }

  /** The server with its process id. */
  async get(): Promise<{ pid: number; value: T }> {
    if (this.#isClosing) throw new Error('the run is ending');
    this.#running ??= this.#begin();
    const { child, value } = await this.#running;
    return { pid: child.pid ?? 0, value };
  }

  /** How the start with this process id ended; undefined while it runs. */
  async endOf(pid: number): Promise<string | undefined> {
    return isEnding(pid) ? this.#ends.get(pid) : undefined;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    const running = await this.#running?.catch(() => undefined);
    await running?.end();
  }

  #begin(): Promise<Running<T>> {
    const forget = (): void => {
      if (this.#running === starting) this.#running = undefined;
    };
    const started = this.#start().then((running) => {
      const { child } = running;
      const end = once(child, 'exit').then(([code, signal]) => {
        forget();
        return this.#describe(running, signal ?? `exit code ${code}`);
      });
      this.#ends.set(child.pid ?? 0, end);
      return running;
    });
    const starting = started.catch((error: Error) => {
      forget();
      throw new Error(`The ${this.#name} that this run shares did not start: ${error.message}`);
    });
    return starting;
  }

  #describe({ child, said }: Running<T>, how: string): string {
    const words = said?.().trim();
    const text = `process ${child.pid} ended by ${how}${words ? `, having written: ${words}` : ''}`;
    if (!this.#isClosing) process.stderr.write(`The ${this.#name} that this run shares: ${text}\n`);
    return text;
  }
}

/**
 * Whether a process has ended or is about to. Its connections end before its parent hears of it, and a test may ask in between:
 * the kernel marks it as exiting (PF_EXITING) before it closes anything.
 */
function isEnding(pid: number): boolean {
  try {
    const [, state = '', flags = ''] =
      /^\d+ \(.*\) (\S)(?: -?\d+){5} (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return state === 'Z' || state === 'X' || (Number(flags) & 4) !== 0;
  } catch {
    return true;
  }
}
