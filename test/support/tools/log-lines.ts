/** A log that keeps its records, so that a test can look for what must or must not stand in them. */
import { inspect } from 'node:util';
import type { Log } from '../../../src/core/log.ts';

/** One record: its level, its sentence, and its fields with those of the log it was written to. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: object;
}

/** A log whose records can be read back. */
export interface KeptLog extends Log {
  readonly lines: LogLine[];
  /** Everything written, errors with their causes and stacks included, as one text. */
  text(): string;
}

/** A log that keeps every record, at every level. */
export function keptLog(lines: LogLine[] = [], own: object = {}): KeptLog {
  const write = (level: LogLine['level']) => (fields: object, message: string) => {
    lines.push({ level, message, fields: { ...own, ...fields } });
  };
  return {
    lines,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => keptLog(lines, { ...own, ...fields }),
    text: () => lines.map((line) => inspect(line, { depth: 12, maxStringLength: null })).join('\n'),
  };
}
