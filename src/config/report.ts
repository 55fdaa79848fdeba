/** Prints issues for people: one line each, and below it the line of the file with the part that is meant. */
import type { ConfigIssue, Excerpt } from './issue.ts';

export type { ConfigIssue } from './issue.ts';

/** How a list of issues is printed. */
export interface ReportOptions {
  /** True shows the lines of the file. */
  readonly excerpts?: boolean;
  /** At most this many issues are printed; the rest is counted. */
  readonly most?: number;
}

/** One line: `file:line:column  key: message — hint`. */
export function formatIssue(issue: ConfigIssue): string {
  return `${placeOf(issue)}  ${wordsOf(issue)}`;
}

/**
 * All issues, their places in one column; a blank string when there is none. Where the YAML itself is wrong the lines are
 * shown in any case: a column says little without them.
 */
export function formatIssues(issues: readonly ConfigIssue[], options: ReportOptions = {}): string {
  const { excerpts = false, most = 50 } = options;
  const shown = issues.slice(0, most);
  const width = excerpts ? 0 : Math.min(60, Math.max(0, ...shown.map((issue) => placeOf(issue).length)));
  const gutter = Math.max(
    0,
    ...shown.map(({ line, excerpt }) => String(Math.max(line, excerpt?.beside?.line ?? 0)).length),
  );
  const parts = shown.map((issue) => {
    const line = `${placeOf(issue).padEnd(width)}  ${wordsOf(issue)}`;
    return issue.excerpt && (excerpts || issue.excerpt.beside)
      ? `${line}\n${drawn(issue.excerpt, issue.line, gutter)}`
      : line;
  });
  const rest = issues.length - shown.length;
  if (rest > 0) parts.push(`… and ${rest} more`);
  return parts.join(excerpts ? '\n\n' : '\n');
}

function placeOf({ file, line, column, origin }: ConfigIssue): string {
  if (origin) return origin;
  return line > 0 ? `${file}:${line}:${column}` : file;
}

function wordsOf({ key, message, hint }: ConfigIssue): string {
  return `${key ? `${key}: ` : ''}${message}${hint ? ` — ${hint}` : ''}`;
}

function drawn({ text, start, length, beside }: Excerpt, line: number, gutter: number): string {
  const numbered = (number: number | string, words: string) => `  ${String(number).padStart(gutter)} | ${words}`;
  const shown = [numbered(line, text), numbered('', `${' '.repeat(start)}${'^'.repeat(length)}`)];
  if (!beside) return shown.join('\n');
  const other = numbered(beside.line, beside.text);
  return (beside.line < line ? [other, ...shown] : [...shown, other]).join('\n');
}
