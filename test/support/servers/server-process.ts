/** Processes of servers that end when the process that started them does, however that ends. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** The words before a program that the kernel is to kill when its parent has gone. */
export const tieToParent = ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--'] as const;

/** A server's process, with the end of what it wrote to its standard error. */
export type ServerProcess = ChildProcess & { readonly said: () => string };

/**
 * Starts a server. The kernel kills it when this process has gone: what a killed test leaves behind would go on to listen. Its
 * process id is the one of the child.
 */
export function startServer(program: string, parameters: readonly string[], options: SpawnOptions = {}): ServerProcess {
  const [setpriv, ...words] = tieToParent;
  const child = spawn(setpriv, [...words, program, ...parameters], { stdio: ['ignore', 'ignore', 'pipe'], ...options });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-20_000);
  });
  return Object.assign(child, { said: () => said });
}

/** Whether it has ended, by itself or by a signal. */
export function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Stops a server without ending it, and waits until each of its threads has stopped: until then one may still answer. */
export function freezeServer(child: ChildProcess): void {
  child.kill('SIGSTOP');
  const folder = `/proc/${child.pid}/task`;
  const end = performance.now() + 10_000;
  const isStopped = (): boolean =>
    readdirSync(folder).every((thread) => /\) [Tt] /.test(readFileSync(`${folder}/${thread}/stat`, 'utf8')));
  while (!isStopped()) {
    if (performance.now() > end) throw new Error(`process ${child.pid} does not stop`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
}

/** Ends a server by its process id, also one that is frozen, and waits for that. */
export async function endServer(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (hasEnded(child)) return;
  const exit = once(child, 'exit');
  child.kill('SIGCONT');
  child.kill(signal);
  await exit;
}
