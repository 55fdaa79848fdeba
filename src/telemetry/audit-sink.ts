/** Where the lines of the audit go: a stream, or a file that can be rotated. What a line says is `audit.ts`'s. */
import type { Log } from '../core/log.ts';
import { LineFile } from './line-file.ts';

/** Takes lines, without their ends. */
interface Sink {
  write(line: string): void;
  reopen(): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** What sinks work with, as the audit has it. */
interface SinkParts {
  readonly log: Log;
  readonly onLoss?: (records: number) => void;
  readonly isShared?: boolean;
}

const nothing = (): Promise<void> => Promise.resolve();
/** Takes nothing. */
export const noSink: Sink = { write: () => undefined, reopen: () => undefined, flush: nothing, close: nothing };

/** Lines to a stream, such as the standard output. */
export function streamSink(stream: { write(line: string): unknown }, { onLoss, log }: SinkParts): Sink {
  let isFailing = false;
  const write = (line: string): void => {
    try {
      stream.write(`${line}\n`);
      isFailing = false;
    } catch (error) {
      onLoss?.(1);
      if (!isFailing) log.error({ error }, 'the audit cannot be written');
      isFailing = true;
    }
  };
  return { ...noSink, write };
}

/** Lines to a file, in the background. Throws an OperatorError where it cannot be opened. */
export function fileSink(path: string, { onLoss, log, isShared = false }: SinkParts): Sink {
  const events = {
    onFailure: (error: unknown) => log.error({ path, error }, 'the audit cannot be written; records wait for the disk'),
    onRecovery: (lost: number) => log.warn({ path, lost }, 'the audit is written again'),
    onLoss: (records: number) => onLoss?.(records),
  };
  const file = new LineFile(path, events, { isShared });
  return {
    write: (line) => file.append(line),
    reopen: () => {
      try {
        file.reopen();
      } catch (error) {
        log.error({ path, error }, 'the audit could not be reopened; the old file stays in use');
      }
    },
    flush: () => file.flush(),
    close: () => file.close(),
  };
}
