/** What a command is: the words of its help, the options it takes, and what it does. */
import type { ParseArgsConfig } from 'node:util';
import { OperatorError } from '../core/errors.ts';

/** Exit codes: what scripts may rely on. The last is `EX_UNAVAILABLE` of sysexits.h: no gateway answers. */
export const exitCodes = { good: 0, failed: 1, usage: 2, unavailable: 69 } as const;

/** Where a command reads and writes. */
export interface Terminal {
  readonly stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  readonly stdout: { write(text: string): unknown; isTTY?: boolean };
  readonly stderr: { write(text: string): unknown; isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A command line that has been read. */
export interface Invocation {
  readonly values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
  readonly positionals: readonly string[];
  readonly terminal: Terminal;
}

/** One command. */
export interface Command {
  readonly usage: string;
  readonly summary: string;
  readonly help: string;
  readonly options: NonNullable<ParseArgsConfig['options']>;
  /** Whether there are words besides options; else one is a mistake, such as a file without `--config`. */
  readonly takesWords?: true;
  /** Yields the exit code; throws an OperatorError for what the operator has to mend. */
  run(invocation: Invocation): Promise<number>;
}

/** A command line that lacks something, or says too much; the hint is the command's usage. */
export class UsageError extends OperatorError {}

/** No gateway answers where one was to be asked. */
export class NoGatewayError extends OperatorError {
  constructor(path: string, detail: string) {
    super(`no gateway answers at ${path}: ${detail}`, 'start it, or name its configuration: --config FILE');
  }
}

/** An option that was given with a value. */
export function textOption({ values }: Invocation, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}
