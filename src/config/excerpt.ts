/** Cuts the line that an issue is about out of the source, with its secrets masked and nothing in it that a terminal obeys. */
import { type Excerpt, invisible } from './issue.ts';
import type { Masked } from './mask.ts';
import type { Source, Span } from './source.ts';

const mask = '•••';
const widest = 110;

/** Masked stretches by the lines that they touch. */
export type MaskedLines = ReadonlyMap<number, readonly Masked[]>;

/** Sorts masked stretches by line, so that each excerpt looks at its own only. */
export function maskedByLine(source: Source, masked: readonly Masked[]): MaskedLines {
  const lines = new Map<number, Masked[]>();
  for (const stretch of masked) {
    const last = source.span(Math.max(stretch[0], stretch[1] - 1)).line;
    for (let line = source.span(stretch[0]).line; line <= last; line++) {
      const on = lines.get(line);
      if (on) on.push(stretch);
      else lines.set(line, [stretch]);
    }
  }
  return lines;
}

/** The line of a span; undefined where there is nothing to show on it. */
export function excerptOf(source: Source, span: Span, masked: MaskedLines): Excerpt | undefined {
  const line = source.lines[span.line - 1] ?? '';
  if (line.trim() === '') return undefined;
  const from = source.offsetOf(span.line);
  let text = '';
  let start = span.column - 1;
  let end = start + span.length;
  let position = 0;
  for (const [maskFrom, maskTo] of onLine(masked.get(span.line) ?? [], from, line.length)) {
    if (maskFrom < position) continue;
    text += line.slice(position, maskFrom);
    start = moved(span.column - 1, maskFrom, maskTo, text.length, start);
    end = moved(span.column - 1 + span.length, maskFrom, maskTo, text.length, end);
    text += mask;
    position = maskTo;
  }
  text += line.slice(position);
  return windowOf(text, start, Math.max(end, start + 1));
}

function onLine(masked: readonly Masked[], from: number, length: number): Masked[] {
  const ranges = masked.map(([start, end]): Masked => [Math.max(start - from, 0), Math.min(end - from, length)]);
  const sorted = ranges.filter(([start, end]) => start < end).sort((left, right) => left[0] - right[0]);
  const merged: [number, number][] = [];
  for (const [start, end] of sorted) {
    const last = merged.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([start, end]);
  }
  return merged;
}

/** Where a column of the line comes to stand once a stretch before it, or around it, is masked. */
function moved(column: number, maskFrom: number, maskTo: number, shownAt: number, otherwise: number): number {
  if (column <= maskFrom) return otherwise;
  return column >= maskTo ? shownAt + mask.length + (column - maskTo) : shownAt;
}

/** Long lines are cut to what stands around the part that is meant. */
function windowOf(text: string, start: number, end: number): Excerpt {
  const clean = text
    .replaceAll('\t', '→')
    .replace(/[\u0000-\u001f]/g, '·')
    .replace(invisible, '·')
    .trimEnd();
  const first = start > widest - 20 ? start - 30 : 0;
  const shown = clean.slice(first, first + widest);
  const head = first > 0 ? '…' : '';
  const tail = first + widest < clean.length ? '…' : '';
  const at = [...clean.slice(first, start)].length + head.length;
  const length = Math.max(1, Math.min([...clean.slice(start, end)].length, widest - at));
  return { text: `${head}${shown}${tail}`, start: at, length };
}
