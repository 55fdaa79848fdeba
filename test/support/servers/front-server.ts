/** A proxy's own program for a test: in a folder of its own, ended by its process id, its output kept for failures. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { until } from '../tools/poll.ts';

/** What is run. */
export interface FrontProgram {
  readonly program: string;
  readonly parameters: readonly string[];
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where it listens at 127.0.0.1 once it is ready. */
  readonly port: number;
}

/** Starts it and waits until it listens; it ends with the test. Throws with its output when it ends instead. */
export async function startFront(t: TestContext, front: FrontProgram): Promise<{ output(): string }> {
  const { program, parameters, folder, env = {}, port } = front;
  const child = spawn(program, parameters, {
    cwd: folder,
    env: { PATH: process.env.PATH ?? '', HOME: folder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-20_000);
    });
  const ended = once(child, 'exit');
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  });
  const state = await until(
    `${program} listens`,
    async () => (child.exitCode !== null ? 'ended' : (await accepts(port)) && 'listens'),
    60_000,
  );
  if (state === 'ended') throw new Error(`${program} did not start:\n${output}`);
  return { output: () => output };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
