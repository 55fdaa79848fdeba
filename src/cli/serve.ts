/** `gatehouse serve`: runs the gateway until it is told to stop; SIGHUP reloads, SIGTERM and SIGINT drain. */

import { extname, join } from 'node:path';
import { readSource } from '../config/source.ts';
import type { Document } from '../gateway/document.ts';
import { startStandalone } from '../runtime/standalone.ts';
import { startSupervised } from '../runtime/supervisor.ts';
import { planWorkers } from '../runtime/workers.ts';
import type { Command, Invocation } from './command.ts';
import { configOption, readConfiguration, requireConfiguration, xivoEnvironment } from './configuration.ts';
import { welcomeText } from './welcome.ts';

/** Ends when the process is told to stop, or with what stands in the way of a start. */
export const serve: Command = {
  usage: 'gatehouse serve [--config FILE] [--forget-sealed]',
  summary: 'run the gateway',
  help: [
    'Runs until SIGTERM or SIGINT, which let requests under way finish (a second one does not).',
    'SIGHUP reads the configuration again: a bad one is reported, and the one before goes on.',
    'The file is --config, else GATEHOUSE_CONFIG, else config/gatehouse.yaml.',
    '--forget-sealed begins anew where the sealing keys of the store are lost: what no key opens leaves the store.',
  ].join('\n'),
  options: { ...configOption, 'forget-sealed': { type: 'boolean' } },
  run: runServe,
};

async function runServe(invocation: Invocation): Promise<number> {
  const { file, document } = requireConfiguration(invocation);
  const { count, warning } = planWorkers(document);
  const running = await startGateway(invocation, { file, document, count });
  if (warning) running.log.warn({ hint: warning.hint }, `server.workers ${warning.message}`);
  running.log.info(
    {
      listen: running.front.addresses.map(String),
      admin: String(running.adminAddress),
      publicUrl: document.server.publicUrl.origin,
      ...(count > 1 && { workers: count }),
      config: file,
    },
    'the gateway is ready',
  );
  const { stderr } = invocation.terminal;
  const { publicUrl } = document.server;
  if (stderr.isTTY)
    stderr.write(welcomeText({ title: 'Gatehouse is running.', publicUrl, admin: running.adminAddress }));
  const reload = (): void => void running.reload({ actor: 'signal' });
  process.on('SIGHUP', reload);
  await stopSignal();
  await running.stop();
  // Not before: without a listener the signal, as a rotation of the audit sends it, would end the drain with the process.
  process.off('SIGHUP', reload);
  return 0;
}

/** One process, or several under this one. */
function startGateway(
  { terminal: { env }, values }: Invocation,
  { file, document, count }: { file: string; document: Document; count: number },
) {
  const forgetSealed = values['forget-sealed'] === true;
  if (count === 1) return startStandalone({ document, read: () => readConfiguration(file, env), forgetSealed });
  return startSupervised({
    count,
    forgetSealed,
    file,
    // As it is before anything is changed in it: a worker makes its own changes.
    env: { ...env },
    entry: join(import.meta.dirname, `worker-main${extname(import.meta.filename)}`),
    read: () => {
      const text = textOf(file);
      return { reading: readConfiguration(file, env, text), text };
    },
  });
}

/** Read once for all processes, so that they make the same of it; undefined where there is none, which reading it says. */
function textOf(file: string): string | undefined {
  if (file === xivoEnvironment) return undefined;
  const read = readSource(file);
  return 'text' in read ? read.text : undefined;
}

/** Resolves at the first request to stop; a second one ends the process at once. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let isAsked = false;
    const ask = (): void => {
      if (isAsked) process.exit(1);
      isAsked = true;
      resolve();
    };
    process.on('SIGTERM', ask);
    process.on('SIGINT', ask);
  });
}
