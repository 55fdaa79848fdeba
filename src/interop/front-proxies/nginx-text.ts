/** nginx's configuration language: blocks, directives, and words quoted so that nginx reads them back as they were. */

/** A directive, a comment (`#` first), or a block with what stands in it. */
export type Line = string | { readonly head: string; readonly body: readonly Line[] };

/** A block. */
export function block(head: string, ...body: readonly (Line | readonly Line[])[]): Line {
  return { head, body: body.flat() };
}

/** Writes lines with their indentation; an empty string is an empty line. */
export function writeLines(lines: readonly Line[], depth = 0): string {
  const indent = '  '.repeat(depth);
  return lines
    .map((line) => {
      if (line === '') return '\n';
      if (typeof line === 'string') return `${indent}${line}${line.startsWith('#') ? '' : ';'}\n`;
      return `${indent}${line.head} {\n${writeLines(line.body, depth + 1)}${indent}}\n`;
    })
    .join('');
}

/** A word of a directive that takes no variables, such as a location's path or pattern. */
export function word(text: string): string {
  // In quotes nginx drops one backslash before a quote or another one, and makes line ends and tabs of \n, \r and \t.
  return /^[\w./:@%+,=~^*?()|[\]!&<>-]+$/.test(text) && !text.startsWith('#')
    ? text
    : `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** A time for nginx. It knows no "never" here; a day is as good. */
export function time(milliseconds: number): string {
  if (milliseconds === 0) return '1d';
  return milliseconds % 1000 === 0 ? `${milliseconds / 1000}s` : `${milliseconds}ms`;
}
