/** How many processes take requests, and whether this machine has room for them. */
import { availableParallelism, totalmem } from 'node:os';
import type { Document } from '../gateway/document.ts';

/** What a worker takes after many requests, in bytes, as docs/production.md has it measured; the process that leads takes as much. */
const bytesEach = 250 * 1024 * 1024;

/** The machine's, and its container's, where that has less. */
interface Machine {
  readonly platform: string;
  readonly cores: number;
  readonly memory: number;
}

/** This machine. */
function thisMachine(): Machine {
  // Without a limit it is 0, or far more than there is.
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return {
    platform: process.platform,
    cores: availableParallelism(),
    memory: Math.min(totalmem(), limit),
  };
}

/** How many there are to be, and what is to be said of it. */
interface WorkerPlan {
  readonly count: number;
  readonly warning?: { readonly message: string; readonly hint: string };
}

/** What a configuration comes to on a machine. */
export function planWorkers({ server }: Pick<Document, 'server'>, machine: Machine = thisMachine()): WorkerPlan {
  const { platform, cores, memory } = machine;
  const wanted = server.workers === 'auto' ? cores : server.workers;
  if (wanted === 1) return { count: 1 };
  if (platform !== 'linux')
    return {
      count: 1,
      warning: {
        message: `is ${server.workers}, and only Linux spreads connections over several processes: there is one here`,
        hint: 'leave server.workers out on this machine',
      },
    };
  const room = Math.floor(memory / bytesEach);
  if (wanted + 1 <= room) return { count: wanted };
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MB`;
  return {
    count: wanted,
    warning: {
      message: `asks for ${wanted} workers, which may take ${megabytes((wanted + 1) * bytesEach)}, and this machine has ${megabytes(memory)}`,
      hint: `set server.workers to ${Math.max(1, room - 1)}, or give the machine or the container more memory`,
    },
  };
}
