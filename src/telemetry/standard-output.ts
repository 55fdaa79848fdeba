/** The one writer to the standard output, shared by log and audit so that their lines do not tear one another. */
import { destination } from 'pino';

/** Bytes that wait for a reader that takes nothing; what comes after is dropped, for no log is worth the memory. */
const maxWaiting = 16 * 1024 * 1024;

let shared: ReturnType<typeof destination> | undefined;

/** Writes without blocking, in order, and to the end when the process exits. A closed or full output is survived. */
export function standardOutput(): { write(line: string): unknown } {
  if (!shared) {
    shared = destination({ dest: 1, sync: false, maxLength: maxWaiting });
    // There is nowhere left to report it.
    shared.on('error', () => undefined);
  }
  return shared;
}
