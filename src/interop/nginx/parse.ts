/**
 * Reads nginx's configuration: directives and blocks with their places, and files that are included, put in their place.
 * It neither opens files itself nor knows what directives mean.
 */
import { type SourcePosition, syntaxError, type Token, Tokens } from './tokens.ts';

/** One directive. */
export interface Directive {
  readonly name: string;
  /** Its words, quotes and escapes taken off. */
  readonly args: readonly string[];
  readonly place: SourcePosition;
  /** What stands in its block, included files with it; undefined where it has none, and for Lua. */
  readonly body?: readonly Directive[];
}

/** A file and what it holds. */
export interface NginxFile {
  readonly file: string;
  readonly text: string;
}

/** An include that could not be followed. */
interface MissedInclude {
  readonly place: SourcePosition;
  readonly pattern: string;
  readonly why: string;
}

/** A configuration that has been read. */
export interface NginxSource {
  readonly directives: readonly Directive[];
  readonly missed: readonly MissedInclude[];
}

/** Finds what an include names, in nginx's order; undefined where a file that is named without a wildcard is not there. */
export type Include = (pattern: string, from: string) => readonly NginxFile[] | undefined;

const deepest = 64;
const maxFiles = 1000;
const maxDirectives = 100_000;

/** Reads a configuration; throws an OperatorError that names the place where nginx could not read on either. */
export function parseNginx(main: NginxFile, include: Include): NginxSource {
  const parser = new Parser(include);
  return { directives: parser.file(main, [], 0), missed: parser.missed };
}

class Parser {
  readonly missed: MissedInclude[] = [];
  readonly #include: Include;
  #files = 0;
  #directives = 0;

  constructor(include: Include) {
    this.#include = include;
  }

  file({ file, text }: NginxFile, through: readonly string[], depth: number): Directive[] {
    const tokens = new Tokens(text, file);
    return this.#block(tokens, [...through, file], depth, undefined);
  }

  /** Reads up to the end of the block that began at a place, or of the file. */
  #block(tokens: Tokens, files: readonly string[], depth: number, began: SourcePosition | undefined): Directive[] {
    const directives: Directive[] = [];
    for (;;) {
      const token = tokens.next();
      if (token.kind === 'end') {
        if (began) throw syntaxError(began, 'the block that begins here has no end', 'close it with }');
        return directives;
      }
      if (token.kind === '}') {
        if (!began)
          throw syntaxError(token.place, 'a } closes no block', 'take it out, or look for a { that is missing');
        return directives;
      }
      if (token.kind !== 'word')
        throw syntaxError(token.place, `a ${token.kind} stands where a directive begins`, 'take it out');
      const directive = this.#directive(tokens, token, files, depth);
      // Not spread into push: an included file may hold more directives than a call takes.
      if (directive.name !== 'include' || directive.body) directives.push(directive);
      else for (const included of this.#included(directive, files, depth)) directives.push(included);
    }
  }

  #directive(tokens: Tokens, first: Token & { kind: 'word' }, files: readonly string[], depth: number): Directive {
    const { text: name, place } = first;
    this.#directives += 1;
    if (this.#directives > maxDirectives)
      throw syntaxError(place, `there are more than ${maxDirectives} directives`, 'import fewer files at once');
    const args: string[] = [];
    for (;;) {
      const token = tokens.next();
      switch (token.kind) {
        case 'word':
          args.push(token.text);
          break;
        case ';':
          return { name, args, place };
        case '{':
          if (name.endsWith('_by_lua_block')) {
            tokens.skipLua(place);
            return { name, args, place };
          }
          if (depth >= deepest)
            throw syntaxError(
              place,
              `blocks stand more than ${deepest} deep in each other`,
              'is this a configuration of nginx?',
            );
          return { name, args, place, body: this.#block(tokens, files, depth + 1, place) };
        case '}':
        case 'end':
          throw syntaxError(place, 'the directive that begins here has no end', 'close it with ;');
        default:
          token satisfies never;
      }
    }
  }

  #included({ args, place }: Directive, files: readonly string[], depth: number): readonly Directive[] {
    const [pattern] = args;
    if (pattern === undefined || args.length > 1)
      throw syntaxError(place, 'include takes one file', 'name it, or use a wildcard such as conf.d/*.conf');
    const found = this.#include(pattern, place.file);
    if (!found) this.missed.push({ place, pattern, why: 'the file is not here, and what it says is missing' });
    return (found ?? []).flatMap((file) => {
      this.#files += 1;
      if (files.includes(file.file) || files.length > deepest || this.#files > maxFiles) {
        const why = files.includes(file.file) ? 'the file includes itself' : `more than ${maxFiles} files are included`;
        this.missed.push({ place, pattern, why });
        return [];
      }
      return this.file(file, files, depth);
    });
  }
}
