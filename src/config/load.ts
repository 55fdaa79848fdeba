/**
 * Reads a configuration: YAML to plain data, overrides from the environment, the schema, and every mistake at once with its
 * place. What the values mean is the rooms' own; `values.ts` has the kinds that they share.
 */
import { dirname, resolve } from 'node:path';
import type * as z from 'zod';
import { withReadContext } from './context.ts';
import { excerptOf, type MaskedLines, maskedByLine } from './excerpt.ts';
import { firstFault } from './first-fault.ts';
import { homesOf, strayName } from './homes.ts';
import { type ConfigIssue, dottedKey, type KeyPath, legible } from './issue.ts';
import { isSecretPath, maskedLines, maskedRanges } from './mask.ts';
import { type Override, originBelow, originOf, withOverrides } from './overrides.ts';
import { type Problem, problemsOf, RawIssues } from './problems.ts';
import { isKnownKey, isMapping, requiredKeys, type Schema } from './schema.ts';
import { gatherSlips } from './slips.ts';
import { type Flaw, readSource, Source, type Span } from './source.ts';
import { doubtfulTexts, openSecrets } from './suspicions.ts';
import { parseYaml, type YamlDocument } from './yaml-document.ts';

export type { ConfigIssue, Excerpt, KeyPath } from './issue.ts';
export { nearest } from './nearest.ts';
export type { Override } from './overrides.ts';
export { formatIssue, formatIssues, type ReportOptions } from './report.ts';

/** Where a key stands: a place in the file, or where its value came from. */
export type IssuePosition = Pick<ConfigIssue, 'file' | 'line' | 'column' | 'key' | 'origin' | 'excerpt'>;

/** A configuration, or all that is wrong with it. */
export type LoadResult<T> =
  | {
      readonly kind: 'ok';
      /** Frozen, all the way down. */
      readonly value: T;
      readonly warnings: readonly ConfigIssue[];
      /** Where a key stands, or what should hold it: for warnings that only show when the parts are put together. */
      readonly locate: (path: KeyPath) => IssuePosition;
    }
  | { readonly kind: 'invalid'; readonly issues: readonly ConfigIssue[] };

/** What to read. */
interface LoadOptions<T> {
  readonly schema: z.ZodType<T>;
  /** Named in messages as it is given here; relative paths in it are relative to its folder. */
  readonly file: string;
  /** What `{ env: NAME }` reads; the process's own environment when absent. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Read instead of the file's contents. */
  readonly text?: string;
  /** Put over the file; a function is given what the file says, as plain data, undefined where it is empty. */
  readonly overrides?: readonly Override[] | ((document: unknown) => readonly Override[]);
}

/** Reads and checks a configuration file. Never throws for anything that stands in it. */
export function loadConfig<T>(options: LoadOptions<T>): LoadResult<T> {
  const { schema, file, env = process.env } = options;
  const read = options.text === undefined ? readSource(file) : { text: options.text };
  if ('flaw' in read) return { kind: 'invalid', issues: [issueOfFlaw(file, read.flaw)] };
  const source = new Source(read.text);
  const control = source.controlCharacters();
  if (control.length > 0) return { kind: 'invalid', issues: control.map((flaw) => issueOfFlaw(file, flaw)) };

  const yaml = parseYaml(source);
  const isFatal = yaml.flaws.some((flaw) => flaw.isFatal);
  const overrides = isFatal ? [] : overridesOf(options, yaml.data);
  const report = new Report({ ...options, overrides }, source, yaml);
  const shape = isFatal ? undefined : shapeProblem(yaml, overrides, schema);
  // A document that is broken or is no mapping would only give follow-up errors, which hide the one that counts.
  if (isFatal) return { kind: 'invalid', issues: [report.firstFault()] };
  if (shape) return { kind: 'invalid', issues: report.issues([shape]) };

  const document = withOverrides(yaml.data ?? {}, overrides);
  const rawIssues = new RawIssues();
  const context = { directory: dirname(resolve(file)), env };
  const result = withReadContext(context, () => schema.safeParse(document, { error: rawIssues.keep }));
  const isSecret = (path: KeyPath) => isSecretPath(schema, document, path);
  const homeOf = homesOf(schema, document);
  const found = result.success ? [] : problemsOf(result.error.issues, rawIssues, { document, isSecret, homeOf });
  const problems = gatherSlips(found, {
    document,
    isSecret,
    strayOn: (path) => strayName(schema, path),
    knows: (path, key) => isKnownKey(schema, path, key),
    isFlow: yaml.isFlow,
  });
  const issues = report.issues(problems);
  if (!result.success || issues.length > 0) return { kind: 'invalid', issues };
  // What comes from the environment is not in the file.
  const secrets = report.located(openSecrets(schema, document, context.directory)).filter(({ origin }) => !origin);
  const warnings = inOrder([...report.located(doubtfulTexts(schema, document)), ...secrets]);
  return { kind: 'ok', value: frozen(result.data), warnings, locate: (path) => report.place({ path, at: 'value' }) };
}

function overridesOf({ overrides = [] }: LoadOptions<unknown>, data: unknown): readonly Override[] {
  return typeof overrides === 'function' ? overrides(data ?? undefined) : overrides;
}

function shapeProblem(yaml: YamlDocument, overrides: readonly Override[], schema: Schema): Problem | undefined {
  const at = { path: [], at: 'value' } as const;
  if (isMapping(yaml.data)) return undefined;
  const needs = requiredKeys(schema).join(', ');
  if (yaml.data !== null && yaml.data !== undefined) {
    const isNginx = typeof yaml.data === 'string' && /[{;]\s*$|;\s/.test(yaml.data);
    const hint = isNginx
      ? 'is this a configuration of nginx? "gatehouse import nginx FILE" makes one for the gateway of it'
      : 'write "key: value" lines; config/examples/ has whole files';
    return { ...at, message: 'the file must hold a mapping of keys to values', hint };
  }
  if (overrides.length > 0) return undefined;
  const message = `the file is empty${needs && `: it needs at least ${needs}`}`;
  return { ...at, message, hint: 'begin with a copy of one from config/examples/' };
}

function issueOfFlaw(file: string, { message, hint, span }: Flaw): ConfigIssue {
  const { line = 0, column = 0 } = span ?? {};
  return { file, line, column, key: '', message: span ? message : `the file ${message}`, ...(hint && { hint }) };
}

/** Options with the overrides themselves. */
type Settled<T> = Omit<LoadOptions<T>, 'overrides'> & { readonly overrides: readonly Override[] };

/** Gives mistakes their places. */
class Report<T> {
  readonly #options: Settled<T>;
  readonly #source: Source;
  readonly #yaml: YamlDocument;
  #masked: MaskedLines | undefined;

  constructor(options: Settled<T>, source: Source, yaml: YamlDocument) {
    this.#options = options;
    this.#source = source;
    this.#yaml = yaml;
  }

  /** The YAML's own flaws and the problems, in the order of the file. */
  issues(problems: readonly Problem[]): ConfigIssue[] {
    const flaws = this.#yaml.flaws.map(({ path, span, message, hint }) => ({
      ...this.#placeOf(this.#shownPath(path), span),
      message,
      ...(hint && { hint }),
    }));
    // What is wrong with a value that was not read as it was written is only a consequence.
    const misread = new Set(this.#yaml.flaws.flatMap(({ isMisread, path }) => (isMisread ? [dottedKey(path)] : [])));
    const own = problems.filter(({ path }) => !misread.has(dottedKey(path)));
    return inOrder([...flaws, ...this.located(own)]);
  }

  /** Of a text that YAML cannot read: the first slip, with the line that it does not fit. */
  firstFault(): ConfigIssue {
    const { message, hint, span, path, beside } = firstFault(
      this.#source,
      this.#yaml.flaws,
      this.#options.schema,
      (offset) => this.#isHidden(offset),
    );
    const place = this.#placeOf(this.#shownPath(path), span);
    const other = this.#lineOf(beside);
    const excerpt = place.excerpt && { ...place.excerpt, ...(other && { beside: other }) };
    return { ...place, ...(excerpt && { excerpt }), message, ...(hint && { hint }) };
  }

  #lineOf(line: number): { line: number; text: string } | undefined {
    const excerpt = line > 0 ? excerptOf(this.#source, { line, column: 1, length: 1 }, this.#hidden()) : undefined;
    return excerpt && { line, text: excerpt.text };
  }

  #isHidden(offset: number): boolean {
    const { line } = this.#source.span(offset);
    return (this.#hidden().get(line) ?? []).some(([from, to]) => from <= offset && offset < to);
  }

  located(problems: readonly Problem[]): ConfigIssue[] {
    return problems.map((problem) => ({
      ...this.place(problem),
      message: legible(`${problem.message}${this.#lineWords(problem.other)}`),
      ...(problem.hint && { hint: legible(problem.hint) }),
    }));
  }

  #lineWords(path: KeyPath | undefined): string {
    const span = path && this.#yaml.keySpan(path);
    return span ? ` (line ${span.line})` : '';
  }

  place({ path, at }: Pick<Problem, 'path' | 'at'>): IssuePosition {
    const { overrides, file } = this.#options;
    const holder = at === 'parent' ? path.slice(0, -1) : path;
    const isInFile = path.length === 0 || this.#yaml.valueSpan(holder) !== undefined;
    const origin = originOf(holder, overrides) ?? (isInFile ? undefined : originBelow(holder, overrides));
    if (origin) return { file, line: 0, column: 0, key: dottedKey(path), origin };
    return this.#placeOf(path, this.#span(holder, at));
  }

  /** The place of a path, or of the nearest thing around it that stands in the file. */
  #span(path: KeyPath, at: Problem['at']): Span {
    const part = at === 'value' ? this.#yaml.valueSpan(path) : this.#yaml.keySpan(path);
    if (part) return part;
    for (let depth = path.length - 1; depth >= 0; depth--) {
      const around = this.#yaml.keySpan(path.slice(0, depth));
      if (around) return around;
    }
    return { line: 1, column: 1, length: 1 };
  }

  /** In a broken text a piece of a secret can pass for a key: the path ends before it. */
  #shownPath(path: KeyPath): KeyPath {
    const isHidden = (depth: number) => {
      const span = this.#yaml.keySpan(path.slice(0, depth));
      return span !== undefined && this.#isHidden(this.#source.offsetOf(span.line) + span.column - 1);
    };
    const end = path.findIndex((step, index) => typeof step === 'string' && isHidden(index + 1));
    return end === -1 ? path : path.slice(0, end);
  }

  #placeOf(path: KeyPath, span: Span): IssuePosition {
    const excerpt = excerptOf(this.#source, span, this.#hidden());
    const { line, column } = span;
    return { file: this.#options.file, line, column, key: dottedKey(path), ...(excerpt && { excerpt }) };
  }

  #hidden(): MaskedLines {
    if (this.#masked) return this.#masked;
    const { data, root, flaws } = this.#yaml;
    const known = data === undefined ? [] : maskedRanges(root, data, this.#options.schema);
    const guessed = flaws.length > 0 ? maskedLines(this.#source.lines, (line) => this.#source.offsetOf(line)) : [];
    this.#masked = maskedByLine(this.#source, [...known, ...guessed]);
    return this.#masked;
  }
}

function inOrder(issues: readonly ConfigIssue[]): ConfigIssue[] {
  const sorted = issues.toSorted((left, right) => left.line - right.line || left.column - right.column);
  const seen = new Set<string>();
  return sorted.filter(({ line, column, key, message, hint }) => {
    // The same mistake twice in one value, such as two backslashes, is told once.
    const name = JSON.stringify([line, key === '' ? column : 0, key, message, hint]);
    return !seen.has(name) && seen.add(name);
  });
}

/** Freezes plain objects and lists; what has a class of its own (URL, Secret, Map) guards itself. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null && !Array.isArray(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) frozen(part);
  return value;
}
