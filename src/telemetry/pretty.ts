/** Log lines for people: the time, the level, the sentence, then the fields. For terminals; machines read the JSON. */
import { stripVTControlCharacters } from 'node:util';

const marks: Readonly<Record<string, string>> = { debug: 'debug', info: 'info ', warn: 'WARN ', error: 'ERROR' };

/** A destination that rewrites pino's JSON lines and hands them on. */
export function prettyLines(target: { write(line: string): void }): { write(line: string): void } {
  return { write: (line) => target.write(prettyLine(line)) };
}

/** One JSON line as one line for people; stacks follow, indented. A line that is not JSON stays as it is. */
export function prettyLine(line: string): string {
  const record = parse(line);
  if (!record) return line;
  const { level, time, message, error, ...fields } = record;
  const clock = typeof time === 'string' ? time.slice(11, 23) : '';
  const shown = Object.entries(fields).map(([name, value]) => `${name}=${show(value)}`);
  const head = [clock, marks[String(level)] ?? String(level), printable(String(message ?? '')), ...shown].join(' ');
  return `${head}${error === undefined ? '' : showError(error)}\n`;
}

function showError(error: unknown): string {
  const stack = isRecord(error) && typeof error.stack === 'string' ? error.stack : JSON.stringify(error);
  const cause = isRecord(error) && error.cause !== undefined ? `\n    caused by:${showError(error.cause)}` : '';
  return `${stack
    .split('\n')
    .map((text) => `\n    ${printable(text)}`)
    .join('')}${cause}`;
}

function show(value: unknown): string {
  if (typeof value === 'string' && /^[\w./:@+-]+$/.test(value)) return value;
  return printable(JSON.stringify(value) ?? 'undefined');
}

/** What a client sent must not move the cursor or turn the text around on an operator's terminal. */
function printable(text: string): string {
  return stripVTControlCharacters(text).replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
