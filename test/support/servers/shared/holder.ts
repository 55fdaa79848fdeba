/** Starts the process that holds the servers of a run, and ends it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** How long what a killed process held may take to end, in milliseconds. */
const settling = 4000;

/** The process that holds the servers. It ends with the process that started it, however that ends, and takes the folder along. */
export interface Holder {
  /** Ends it, and waits until the servers have ended and the folder of the run is gone. */
  end(): Promise<void>;
  /** Lets this process end without a word; the other one then ends too. */
  leave(): void;
}

/** Where it listens. */
export function socketOf(folder: string): string {
  return join(folder, 'servers.socket');
}

/** Starts it for a run; resolves when it listens. The servers start when they are asked for. */
export async function startHolder(folder: string): Promise<Holder> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'hold-servers.ts'), folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  const started = await Promise.race([once(child.stdout, 'data'), exit.then(() => undefined)]);
  if (started === undefined) throw new Error('the process that holds the shared servers did not start');
  return {
    end: async () => {
      child.stdin.on('error', () => undefined).end();
      await exit;
      // Left over where it was killed. What it held ends a moment later, and a browser makes its profile anew until then.
      const until = performance.now() + (child.signalCode === null ? 0 : settling);
      do {
        rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
        if (performance.now() < until) await delay(100);
      } while (performance.now() < until || existsSync(folder));
    },
    leave: () => {
      child.unref();
      for (const stream of [child.stdin, child.stdout]) (stream as unknown as Socket).unref();
    },
  };
}
