/** Says what is wrong with a line that YAML refuses and what to write; which line that is, `line-faults.ts` finds. */
import type { KeyPath } from './issue.ts';
import type { Source, Span } from './source.ts';

/** The first slip of a text. */
export interface LineFault {
  readonly message: string;
  readonly hint: string;
  readonly span: Span;
  /** The keys that lead to the value that is wrong; empty where the line itself is. */
  readonly path: KeyPath;
  /** The line to compare it with; the one before it when absent. */
  readonly beside?: number;
}

/** What a reader of lines asks: is a key known below these names, and may a word of the text be said? */
export interface LineQuestions {
  knows(path: KeyPath, key: string): boolean;
  mayShow(offset: number): boolean;
}

/** A mapping or list that is open at a line: where its keys or dashes begin, and the last of them. */
export interface Level {
  readonly column: number;
  readonly isList: boolean;
  /** From 0. */
  line: number;
  name: string | undefined;
  /** Its first key or dash. */
  first: Beginning | undefined;
  /** Of a list: the position of its last item. */
  index: number;
  /** True: what the key holds is still to come, below it. */
  isOpen: boolean;
  /** The columns of the mappings and lists that the last key has ended. */
  left: readonly number[];
}

/** The key or dash that a line begins with. Lines and columns count from 0. */
export interface Beginning {
  readonly line: number;
  readonly column: number;
  /** Of a key. */
  readonly name?: string | undefined;
}

/** Puts slips into words. */
export class LineWords {
  readonly #source: Source;
  readonly #questions: LineQuestions;

  constructor(source: Source, questions: LineQuestions) {
    this.#source = source;
    this.#questions = questions;
  }

  /** A fault of some characters from a place on. */
  at({ line, column }: Beginning, length: number, message: string, hint: string): LineFault {
    const from = this.#source.offsetOf(line + 1) + column;
    return { message, hint, span: this.#source.span(from, from + length), path: [] };
  }

  /** The names that lead to the last key, as far as they may be said. */
  path(levels: readonly Level[]): KeyPath {
    const path: (string | number)[] = [];
    for (const level of levels) {
      const step = level.isList ? Math.max(level.index, 0) : this.#said(level);
      if (step === undefined) return path;
      path.push(step);
    }
    return path;
  }

  /** A blank other than a space, at a column of the indentation. */
  oddBlank(place: Beginning, blank: string, level: Level | undefined): LineFault {
    const mark = blank[place.column] ?? '';
    const code = (mark.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    const what = mark === '\t' ? 'a tab' : `a blank that is no space (U+${code})`;
    const column = (level?.column ?? 0) + (level?.isOpen ? 2 : 0);
    const shown = level && this.#said(level);
    const like = shown ? `, ${level.isOpen ? 'two more than' : 'as'} ${shown} in line ${level.line + 1} has` : '';
    const hint = column === 0 ? 'remove it' : `put ${column} spaces in its place${like}`;
    const message = `${what} stands in the indentation, where YAML takes only spaces`;
    return this.at(place, blank.length - place.column, message, hint);
  }

  /** A key below one that has a value. */
  tooDeep(place: Beginning, levels: readonly Level[], level: Level): LineFault {
    const isHeld = place.name !== undefined && this.#questions.knows(this.path(levels), place.name);
    if (!isHeld && level.left.includes(place.column)) return this.#tooShallow(place.column, level);
    const above = this.#said(level) ?? `line ${level.line + 1}`;
    if (isHeld && this.#isItem(levels, [level.name, place.name])) {
      const message = `begins an item of the list ${this.#said(levels.at(-2) ?? level) ?? 'above'} and has no dash`;
      return this.#about(level, message, `write "- " in front of it: "- ${above}: …"`);
    }
    const hint = isHeld
      ? `remove the value of ${above}: its keys stand below it`
      : `begin it in column ${level.column + 1}, as ${above} does`;
    const fault = isHeld ? 'stands' : 'is indented too far: it stands';
    const message = `${fault} below ${above}, which has a value on its own line`;
    return { ...this.#about(place, message, hint), beside: level.line + 1 };
  }

  /** Whether keys belong to an item of the list that the key around them holds. */
  #isItem(levels: readonly Level[], names: readonly (string | undefined)[]): boolean {
    const holder = this.path(levels.slice(0, -1));
    const knows = (path: KeyPath) => names.every((name) => name !== undefined && this.#questions.knows(path, name));
    return holder.length > 0 && !levels.at(-1)?.isList && knows([...holder, 0]);
  }

  /** The line before is to blame: it left a mapping that goes on here. */
  #tooShallow(column: number, level: Level): LineFault {
    const message = `is indented too little: the lines before and after it begin in column ${column + 1}`;
    return this.#about(level, message, `begin it in column ${column + 1} too`);
  }

  /** A key or dash in a column where nothing that is open begins; `inner` is what it has left, `outer` what is around it. */
  between(place: Beginning, levels: readonly Level[], inner: Level | undefined): LineFault {
    const lost = this.firstDashMissing(place, levels, inner);
    if (lost) return lost;
    const outer = levels.at(-1);
    const { column, name } = place;
    const columnOf = (level: Level | undefined) => (level?.column ?? 0) + 1;
    const known = (path: KeyPath) => name !== undefined && this.#questions.knows(path, name);
    const isOuter = outer !== undefined && !outer.isList && known(this.path(levels.slice(0, -1)));
    const among = inner && (inner.isList ? 'the dash' : this.#said(inner));
    const where = among ? `, where ${among} above it begins in column ${columnOf(inner)}` : '';
    const other =
      outer && !outer.isList && name !== undefined
        ? `, or in column ${columnOf(outer)} to stand beside ${this.#said(outer) ?? `line ${outer.line + 1}`}`
        : '';
    const hint = isOuter ? `begin it in column ${columnOf(outer)}` : `begin it in column ${columnOf(inner)}${other}`;
    const beside = (isOuter ? outer.line : (inner?.line ?? 0)) + 1;
    return { ...this.#about(place, `begins in column ${column + 1}${where}`, hint), beside };
  }

  /** A dash behind keys that belong to an item themselves: `inner` has them. Undefined where it is something else. */
  firstDashMissing(dash: Beginning, levels: readonly Level[], inner: Level | undefined): LineFault | undefined {
    const first = inner?.first;
    if (dash.name !== undefined || first?.name === undefined || levels.at(-1)?.isList) return undefined;
    const holder = this.path(levels);
    if (!this.#questions.knows([...holder, 0], first.name)) return undefined;
    const list = holder.at(-1) ?? 'above';
    const hint = `write "- " in front of it, with the dash in column ${dash.column + 1}: "- ${this.#said(first) ?? 'key'}: …"`;
    const message = `begins an item of the list ${list} and has no dash`;
    return { ...this.#about(first, message, hint), beside: dash.line + 1 };
  }

  /** A key in the column of the dashes of a list; `inner` is the item that it may belong to. */
  dashMissing(place: Beginning, level: Level, inner: Level | undefined): LineFault {
    if (place.name?.startsWith('-')) return this.spaceBehindDash(place);
    const other = inner ? `, or begin it in column ${inner.column + 1} if it belongs to the item above` : '';
    const message = 'stands where the list has its dashes';
    return { ...this.#about(place, message, `write "- " in front of it${other}`), beside: level.line + 1 };
  }

  /** A dash in the column of keys; `inner` is the list that it may belong to. */
  dashAmongKeys(place: Beginning, level: Level, list: Level | undefined): LineFault {
    const message = 'a dash stands among keys';
    const hint = list
      ? `begin it in column ${list.column + 1}, as the dash in line ${list.line + 1} does`
      : 'remove the dash, or indent it below the key whose list it belongs to';
    return { ...this.at(place, 1, message, hint), beside: (list ?? level).line + 1 };
  }

  /** `-name: x`, which is a key called `-name`. */
  spaceBehindDash(place: Beginning): LineFault {
    return this.at(place, 1, 'a space is missing behind the dash', 'write "- key: value"');
  }

  /** A line of text where a key should stand. */
  noKey(place: Beginning, text: string, levels: readonly Level[]): LineFault {
    if (/^-[A-Za-z]/.test(text)) return this.spaceBehindDash(place);
    const word = /^[\w-]+/.exec(text)?.[0] ?? '';
    const isKnown = this.#questions.knows(this.path(levels.slice(0, -1)), word);
    const as = isKnown && this.#said({ ...place, name: word }) ? `write "${word}: …"` : 'write "key: value"';
    const length = Math.max(1, word.length);
    const isRemark = !isKnown && /^[\w-]+(?:\s|$)/.test(text);
    if (/^[\w-]+:\S/.test(text) && (isKnown || !/^[\w-]+:\/\//.test(text)))
      return this.at(place, length, 'a space is missing behind the colon', as);
    if (/^[\w-]+\s*=/.test(text)) return this.at(place, length, 'an = stands where YAML has a colon', as);
    const hint = isRemark ? `${as}, or begin a remark with #` : as;
    return this.at(place, length, 'this line has no colon behind a key', hint);
  }

  #about(place: Beginning, words: string, hint: string): LineFault {
    const length = place.name?.length ?? 1;
    return this.at(
      place,
      length,
      `${place.name === undefined ? 'the dash' : (this.#said(place) ?? 'this key')} ${words}`,
      hint,
    );
  }

  /** A key of the text, unless a piece of a secret could pass for it. */
  #said({ line, column, name }: Beginning): string | undefined {
    if (name === undefined || !/^[\w-]{1,64}$/.test(name)) return undefined;
    return this.#questions.mayShow(this.#source.offsetOf(line + 1) + column) ? name : undefined;
  }
}
