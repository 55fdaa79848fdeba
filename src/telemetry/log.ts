/** The log: pino's JSON lines, every record scrubbed of secrets first. What to write is the other rooms' business. */
import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino';
import type { Log } from '../core/log.ts';
import { visibleJson } from './json-line.ts';
import type { LogLevel } from './options.ts';
import { prettyLines } from './pretty.ts';
import { scrubFields } from './scrub.ts';
import { scrubText } from './scrub-text.ts';
import { standardOutput } from './standard-output.ts';

/** Where lines go; anything with a `write`, such as a stream. */
interface LogDestination {
  write(line: string): unknown;
}

/** The log that the program holds; the rooms get it, or a child of it, as `Log`. */
export interface RootLog extends Log {
  /** Takes effect at once for all children too. */
  setLevel(level: LogLevel): void;
}

/** Makes a log; without a destination it writes to the standard output without blocking. */
export function createLog(options: {
  readonly level?: LogLevel;
  readonly destination?: LogDestination;
  readonly pretty?: boolean;
  /** Keeps warnings and errors, as JSON, wherever the lines go. */
  readonly recent?: { keep(line: string): void };
  /** In every line: which of several processes says it. */
  readonly worker?: number | undefined;
}): RootLog {
  const target = asStream(options.destination ?? standardOutput());
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: null,
      messageKey: 'message',
      timestamp: stdTimeFunctions.isoTime,
      serializers: { err: (value: unknown) => value },
      formatters: { level: (label) => ({ level: label }) },
    },
    options.pretty ? prettyLines(target) : { write: (line) => target.write(visibleLine(line)) },
  );
  return new ScrubbedLog(logger, options.worker === undefined ? {} : { worker: options.worker }, options.recent);
}

/** Names that the record itself uses: a field of that name must not look like the record's own. */
const ownNames: ReadonlySet<string> = new Set(['level', 'time', 'message']);

type Recent = { keep(line: string): void } | undefined;

class ScrubbedLog implements RootLog {
  readonly #logger: Logger;
  readonly #bindings: Readonly<Record<string, unknown>>;
  readonly #recent: Recent;

  constructor(logger: Logger, bindings: Readonly<Record<string, unknown>>, recent: Recent) {
    this.#logger = logger;
    this.#bindings = bindings;
    this.#recent = recent;
  }

  debug(fields: object, message: string): void {
    this.#write('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.#write('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#write('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#write('error', fields, message);
  }

  child(fields: object): Log {
    return new ScrubbedLog(this.#logger, this.#merge(fields), this.#recent);
  }

  setLevel(level: LogLevel): void {
    this.#logger.level = level;
  }

  #write(level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string): void {
    if (!this.#logger.isLevelEnabled(level)) return;
    const [merged, text] = [this.#merge(fields), scrubText(message)];
    this.#logger[level](merged, text);
    if (level === 'warn' || level === 'error')
      this.#recent?.keep(JSON.stringify({ level, time: new Date().toISOString(), ...merged, message: text }));
  }

  /** Merged here, not by pino's children, so that no key stands twice in a line. */
  #merge(fields: object): Record<string, unknown> {
    const merged: Record<string, unknown> = Object.assign(Object.create(null), this.#bindings);
    for (const [name, value] of Object.entries(scrubFields(fields)))
      merged[ownNames.has(name) ? `${name}_` : name] = value;
    return merged;
  }
}

/** Without its end, which is no part of the JSON. */
function visibleLine(line: string): string {
  return `${visibleJson(line.trimEnd())}\n`;
}

function asStream(destination: LogDestination): DestinationStream {
  return { write: (line) => void destination.write(line) };
}
