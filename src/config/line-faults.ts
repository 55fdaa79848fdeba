/**
 * Reads a text that YAML refuses line by line, as a person does, and finds the first line that is wrong. The parser's own
 * complaint often stands lines below the slip, and is one of many. What it says is `line-words.ts`'s.
 */
import { readFlow, readQuoted, readRest } from './flow.ts';
import { type Beginning, type Level, type LineFault, type LineQuestions, LineWords } from './line-words.ts';
import type { Source } from './source.ts';

/** The first slip up to a line (from 1) and the one after it; undefined where none shows that way. */
export function firstLineFault(source: Source, upTo: number, questions: LineQuestions): LineFault | undefined {
  return new LineReader(source, new LineWords(source, questions)).read(upTo);
}

class LineReader {
  readonly #source: Source;
  readonly #words: LineWords;
  readonly #levels: Level[] = [];
  #line = 0;

  constructor(source: Source, words: LineWords) {
    this.#source = source;
    this.#words = words;
  }

  read(upTo: number): LineFault | undefined {
    const { lines } = this.#source;
    let hasPassed = false;
    while (this.#line < lines.length && !hasPassed) {
      const text = lines[this.#line] ?? '';
      if (/^(?:---|\.\.\.|%)/.test(text)) return undefined;
      if (!isBare(text)) {
        hasPassed = this.#line >= upTo;
        const fault = this.#readLine(text);
        if (fault) return fault;
      }
      this.#line += 1;
    }
    return undefined;
  }

  #readLine(text: string): LineFault | undefined {
    const line = this.#line;
    const blank = /^\s*/.exec(text)?.[0] ?? '';
    const odd = blank.search(/[^ ]/);
    if (odd !== -1) return this.#words.oddBlank({ line, column: odd }, blank, this.#levels.at(-1));
    let column = blank.length;
    for (let isFirst = true; ; isFirst = false) {
      const rest = text.slice(column);
      const dash = /^-(?: +|$)/.exec(rest)?.[0];
      const key = dash === undefined ? keyOf(rest) : undefined;
      if (dash === undefined && key === undefined) return isFirst ? this.#readText(rest, column) : this.#value(column);
      const fault = isFirst ? this.#enter({ line, column, name: key?.name }) : this.#open(column, dash !== undefined);
      if (fault) return fault;
      const level = this.#levels.at(-1);
      if (level) {
        level.first ??= { line, column, name: key?.name };
        Object.assign(level, { line, name: key?.name, isOpen: true, index: level.index + 1 });
      }
      if (key) return this.#value(column + key.length);
      column += dash?.length ?? 0;
      if (column >= text.length) return undefined;
    }
  }

  /** Finds the level that a key or dash belongs to by its column. */
  #enter(place: Beginning): LineFault | undefined {
    const { column, name } = place;
    const isList = name === undefined;
    const left: Level[] = [];
    while ((this.#levels.at(-1)?.column ?? -1) > column) left.push(...this.#levels.splice(-1));
    const above = this.#levels.at(-2);
    // The dashes of a list may stand in the column of the key that holds it.
    if (!isList && this.#levels.at(-1)?.isList && above?.column === column) this.#levels.pop();
    const level = this.#levels.at(-1);
    if (level?.column === column) {
      if (level.isList !== isList && !(isList && level.isOpen))
        return level.isList
          ? this.#words.dashMissing(place, level, left.at(-1))
          : this.#words.dashAmongKeys(place, level, above?.isList ? above : undefined);
      if (level.isList !== isList)
        return this.#words.firstDashMissing(place, this.#levels, left.at(-1)) ?? this.#open(column, true);
      level.left = left.map((ended) => ended.column);
      return undefined;
    }
    if (left.length > 0) return this.#words.between(place, this.#levels, left.at(-1));
    return !level || level.isOpen ? this.#open(column, isList) : this.#words.tooDeep(place, this.#levels, level);
  }

  #open(column: number, isList: boolean): undefined {
    const begun = { line: this.#line, name: undefined, first: undefined, index: -1, isOpen: true, left: [] };
    this.#levels.push({ column, isList, ...begun });
  }

  /** A line without a key and without a dash: more of a value, or a key that lacks its colon. */
  #readText(text: string, column: number): LineFault | undefined {
    const levels = this.#levels.filter((level) => level.column <= column);
    const top = levels.at(-1);
    if (top && top.column < column) {
      if (!top.isOpen) return undefined;
      // A value on a line of its own; where a key follows beside it, it was meant as one too.
      const next = this.#source.lines.slice(this.#line + 1).find((line) => !isBare(line)) ?? '';
      if (next.search(/\S/) !== column || keyOf(next.trim()) === undefined) return this.#value(column);
      levels.push({ ...top, column });
    }
    if (/^["'[{|>&*!]/.test(text)) return undefined;
    return this.#words.noKey({ line: this.#line, column }, text, levels);
  }

  /** The value that begins at a column of the line, and lines that belong to it. */
  #value(column: number): LineFault | undefined {
    const level = this.#levels.at(-1);
    const line = this.#source.lines[this.#line] ?? '';
    const lead = /^\s*(?:[&!]\S+\s*)*/.exec(line.slice(column))?.[0].length ?? 0;
    const text = line.slice(column + lead);
    if (!level || text === '' || text.startsWith('#')) return undefined;
    level.isOpen = false;
    if (/^[|>]/.test(text)) return this.#skipBlock(level.column);
    if (/^["'[{]/.test(text)) return this.#readMarked(this.#source.offsetOf(this.#line + 1) + column + lead, level);
    const plain = text.replace(/\s#.*$/, '').trimEnd();
    if (!/:(?:\s|$)/.test(plain)) return undefined;
    const message = 'the value holds a colon with a space behind it, which begins another key';
    const hint = 'put the value in quotes, or start a new line';
    const place = { line: this.#line, column: column + lead };
    return { ...this.#words.at(place, plain.length, message, hint), path: this.#words.path(this.#levels) };
  }

  /** A value in quotes or brackets, with what stands behind it on its last line. */
  #readMarked(from: number, { column }: Level): LineFault | undefined {
    const isQuote = /["']/.test(this.#source.text[from] ?? '');
    const reading = isQuote ? readQuoted(this.#source, from, column) : readFlow(this.#source, from, column);
    if (reading.kind === 'ends') this.#line = this.#source.span(reading.at - 1).line - 1;
    const fault = reading.kind === 'fault' ? reading.fault : readRest(this.#source, reading.at);
    if (!fault) return undefined;
    const { message, hint } = fault;
    return { message, hint, span: this.#source.span(fault.from, fault.to), path: this.#words.path(this.#levels) };
  }

  #skipBlock(column: number): undefined {
    const { lines } = this.#source;
    while (this.#line + 1 < lines.length) {
      const next = lines[this.#line + 1] ?? '';
      if (next.trim() !== '' && next.search(/\S/) <= column) return;
      this.#line += 1;
    }
  }
}

/** True for a line that is blank or only a remark. */
function isBare(line: string): boolean {
  return /^\s*(?:#|$)/.test(line);
}

/** The key that a text begins with, and how far it reaches, its colon included. */
function keyOf(text: string): { name: string; length: number } | undefined {
  const quoted = /^(?:"((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)')\s*:(?=\s|$)/.exec(text);
  if (quoted) return { name: quoted[1] ?? quoted[2] ?? '', length: quoted[0].length };
  if (/^["'[\]{}#&*!|>%@`,]/.test(text)) return undefined;
  const colon = text.search(/:(?:\s|$)/);
  const remark = text.search(/\s#/);
  if (colon <= 0 || (remark !== -1 && remark < colon)) return undefined;
  return { name: text.slice(0, colon).trimEnd(), length: colon + 1 };
}
