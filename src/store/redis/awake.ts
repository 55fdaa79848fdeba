/**
 * Patience with a server, which counts only while this process runs: where it was stopped, or had no turn on a busy machine, the answer has
 * come meanwhile and waits to be read. A timer alone would find the server silent, and everybody would leave a connection that is well.
 */
import type { Redis } from 'ioredis';

/** A limit of time is counted in so many parts; however long one takes, it counts as what it was to take. */
const parts = 4;

/** Calls back when this process has been awake for so many milliseconds, and has read what had come by then. Gives the way to stop. */
function whenAwakeFor(milliseconds: number, work: () => void): () => void {
  let left = parts;
  let timer: NodeJS.Timeout;
  let reading: NodeJS.Immediate | undefined;
  const wait = (): void => {
    timer = setTimeout(() => {
      left -= 1;
      if (left > 0) wait();
      else reading = setImmediate(work);
    }, milliseconds / parts);
  };
  wait();
  return () => {
    clearTimeout(timer);
    if (reading) clearImmediate(reading);
  };
}

/** Has each command of a client answered within a time, in milliseconds, or rejected as the library does it. */
export function answerWithin(client: Redis, milliseconds: number): void {
  const send = client.sendCommand.bind(client);
  client.sendCommand = (command, stream) => {
    const sent = send(command, stream);
    const stop = whenAwakeFor(milliseconds, () => command.reject(new Error('Command timed out')));
    command.promise.then(stop, stop);
    return sent;
  };
}
