/**
 * Turns what zod found into what an operator did wrong: a union's branches become the one that was meant, a misspelt key
 * and the key that is missing for it become one mistake.
 */
import type * as z from 'zod';
import type { KeyPath } from './issue.ts';
import { describeValue } from './mask.ts';
import { nearest } from './nearest.ts';
import { definitionOf, inputOf, isMapping, type Schema, valueAt } from './schema.ts';
import { valueHint } from './value-hints.ts';
import { demand, type RawIssue } from './wording.ts';

/** One mistake. */
export interface Problem {
  readonly path: KeyPath;
  /** Which place to show: the value, the key itself, or, for a key that is missing, what it should stand in. */
  readonly at: 'value' | 'key' | 'parent';
  readonly message: string;
  readonly hint?: string;
  /** An unknown key's likely meaning, so that this one is not reported as missing too. */
  readonly meant?: string;
  /** True: the key is not known where it stands. */
  readonly isUnknown?: true;
  /** Another key that the message is about: its line is said too. */
  readonly other?: KeyPath;
}

/** What is asked of the document while its issues are put into words. */
interface Questions {
  readonly document: unknown;
  isSecret(path: KeyPath): boolean;
  /** Where in the whole configuration a key of this name belongs. */
  homeOf(key: string, path: KeyPath): string | undefined;
}

type Issue = z.core.$ZodIssue;

/**
 * Keeps each issue as zod raised it, with the schema at fault, which the finished issue no longer has. The message is the
 * number by which it is found again; a schema with words of its own has none.
 */
export class RawIssues {
  readonly #raw: RawIssue[] = [];

  /** For zod's `error` option. */
  readonly keep = (raw: RawIssue): string => `\u0000${this.#raw.push(raw) - 1}`;

  /** The issue as raised. */
  find(issue: Issue): RawIssue | undefined {
    return issue.message.startsWith('\u0000') ? this.#raw[Number(issue.message.slice(1))] : undefined;
  }
}

/** The mistakes behind zod's issues, in no order. */
export function problemsOf(
  issues: readonly Issue[],
  rawIssues: RawIssues,
  questions: Questions,
  base: KeyPath = [],
): Problem[] {
  const found = issues.flatMap((issue) => problemOf(issue, rawIssues, questions, base));
  const meant = new Set(
    found.flatMap((problem) => (problem.meant ? [`${parentOf(problem.path)}\u0000${problem.meant}`] : [])),
  );
  return found.filter(({ at, path }) => at !== 'parent' || !meant.has(`${parentOf(path)}\u0000${String(path.at(-1))}`));
}

function parentOf(path: KeyPath): string {
  return JSON.stringify(path.slice(0, -1));
}

function problemOf(issue: Issue, rawIssues: RawIssues, questions: Questions, base: KeyPath): Problem[] {
  const path = [...base, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))];
  const raw = rawIssues.find(issue);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(key, path, raw?.schema, questions));
    case 'invalid_key': {
      const words = issue.issues.map((inner) => wordsOf(inner as Issue, rawIssues));
      return [{ path, at: 'key', message: `the name ${words.join(' and ')}` }];
    }
    case 'invalid_element':
      return problemsOf(issue.issues as Issue[], rawIssues, questions, path);
    case 'invalid_union':
      if (raw && 'discriminator' in raw && raw.discriminator)
        return [valueProblem(discriminatorWords(raw), path, raw, questions)];
      if (raw && issue.errors.length > 0) return branchProblems(issue.errors, raw, path, rawIssues, questions);
      break;
    default:
  }
  const problem = valueProblem(wordsOf(issue, rawIssues), path, raw, questions);
  return [issue.code === 'custom' ? { ...problem, ...remarks(issue.params) } : problem];
}

/** What a check of ours may add to an issue: `params: { hint, at: 'key', other: [...] }`. */
function remarks(params: Readonly<Record<string, unknown>> | undefined): Partial<Problem> {
  const { hint, at, other } = params ?? {};
  return {
    ...(typeof hint === 'string' && { hint }),
    ...(at === 'key' && { at }),
    ...(Array.isArray(other) && { other: other as KeyPath }),
  };
}

function wordsOf(issue: Issue, rawIssues: RawIssues): string {
  const raw = rawIssues.find(issue);
  return raw ? demand(raw) : issue.message;
}

function discriminatorWords(raw: RawIssue): string {
  const options = Array.isArray(raw.options) ? raw.options.map(String) : [];
  return `must be one of ${options.join(', ')}`;
}

function valueProblem(words: string, path: KeyPath, raw: RawIssue | undefined, questions: Questions): Problem {
  const value = valueAt(questions.document, path);
  const isMissing = value === undefined && raw !== undefined;
  if (isMissing && path.length > 0) {
    const { description } = raw.schema ? inputOf(raw.schema) : {};
    const what = description === undefined ? '' : ` (${description})`;
    return { path, at: 'parent', message: `is missing${what}; ${words}` };
  }
  const says = words.startsWith('must') && value !== undefined;
  const isSecret = questions.isSecret(path);
  // What a reference leads to is at fault, not that it is one.
  const isReference = isSecret && isMapping(value) && ('env' in value || 'file' in value);
  const message =
    says && !(isReference && raw === undefined) ? `${words}, is ${describeValue(value, isSecret)}` : words;
  const hint = raw && valueHint(value, raw, isSecret);
  return { path, at: 'value', message, ...(hint && { hint }) };
}

const seeReference = 'docs/configuration.md has every key';

function unknownKey(key: string, path: KeyPath, schema: Schema | undefined, questions: Questions): Problem {
  const definition = schema && definitionOf(schema);
  const known = definition?.type === 'object' ? Object.keys(definition.shape) : [];
  const present = valueAt(questions.document, path);
  const missing = known.filter((name) => !isMapping(present) || !Object.hasOwn(present, name));
  const meant = nearest(key, missing) ?? nearest(key, known);
  const home = meant ? undefined : questions.homeOf(key, path);
  const hint =
    meant !== undefined
      ? `did you mean "${meant}"?`
      : (home ??
        (known.length === 0 ? undefined : known.length <= 16 ? `known here: ${known.join(', ')}` : seeReference));
  return {
    path: [...path, key],
    at: 'key',
    message: 'is not a known key',
    isUnknown: true,
    ...(hint && { hint }),
    ...(meant && missing.includes(meant) && { meant }),
  };
}

/** Takes the branch of a union that the value comes nearest to; where none does, says all that would be right. */
function branchProblems(
  branches: readonly Issue[][],
  raw: RawIssue,
  path: KeyPath,
  rawIssues: RawIssues,
  questions: Questions,
): Problem[] {
  const value = valueAt(questions.document, path);
  const rivals = isMapping(value) ? rivalKeys(Object.keys(value), branches) : [];
  if (rivals.length > 1) {
    const message = `has ${rivals.slice(0, -1).join(', ')} and ${rivals.at(-1)}, which exclude each other`;
    return [{ path, at: 'value', message, hint: 'keep the one that is meant' }];
  }
  const near = branches.filter((issues) => !issues.some((issue) => missesAltogether(issue)));
  const solved = near.map((issues) => problemsOf(issues, rawIssues, questions, path));
  const [best] = solved.toSorted((left, right) => cost(left) - cost(right));
  const union = raw.schema;
  const isUnclear = best && best.length > 1 && solved.length > 1 && union && inputOf(union).kind;
  return best && !isUnclear ? best : [valueProblem(demand(raw), path, raw, questions)];
}

/** Those of the keys of a mapping that no branch of a union takes together, such as those of `{ env, file }`. */
function rivalKeys(keys: readonly string[], branches: readonly Issue[][]): string[] {
  const unknown = branches
    .filter((issues) => !issues.some((issue) => missesAltogether(issue)))
    .map((issues) =>
      issues.flatMap((issue) => (issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys : [])),
    );
  const isMisspelt = keys.some((key) => unknown.every((names) => names.includes(key)));
  if (isMisspelt || unknown.some((names) => names.length === 0)) return [];
  return keys.filter((key) => unknown.some((names) => names.includes(key)));
}

/** A hint says that we know what was meant, which makes its branch the likelier one. */
function cost(problems: readonly Problem[]): number {
  return problems.reduce((sum, { meant }) => sum + (meant ? 1 : 3), 0);
}

/** True when the value is of another type than the branch: nothing in this branch can have been meant. */
function missesAltogether(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === 'invalid_union') return issue.errors.every((branch) => branch.some(missesAltogether));
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}
