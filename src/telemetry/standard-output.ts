/** The one writer to the standard output, shared by log and audit so that their lines do not tear one another. */
import { destination } from 'pino';

/** Bytes that wait for a reader that takes nothing; what comes after is dropped, for no log is worth the memory. */
const maxWaiting = 16 * 1024 * 1024;

let shared: ReturnType<typeof destination> | undefined;

/** Writes without blocking, in order, and to the end when the process exits. A closed or full output is survived. */
export function standardOutput(): { write(line: string): unknown } {
  shared ??= openOutput();
  return shared;
}

let isAbandoned = false;

/** Nobody reads any more: what waits is lost, and keeps the process from nothing. */
export function abandonOutput(): void {
  isAbandoned = true;
}

/**
 * At the exit what waits is written without an event loop, and sonic-boom tries again for ever: an output that took nothing
 * the last time, as a terminal that has been closed or a file on a full disk, would keep the process from its end.
 */
function openOutput(): ReturnType<typeof destination> {
  const output = destination({ dest: 1, sync: false, maxLength: maxWaiting });
  let isBroken = false;
  // There is nowhere left to report it.
  output.on('error', () => {
    isBroken = true;
  });
  output.on('write', () => {
    isBroken = false;
  });
  const flushSync = output.flushSync.bind(output);
  output.flushSync = () => {
    if (!isBroken && !isAbandoned) flushSync();
  };
  return output;
}
