/** Finds the one slip behind several mistakes: a comma without quotes, a section or a key in the wrong column. */
import type { StrayName } from './homes.ts';
import { dottedKey, type KeyPath, quoted } from './issue.ts';
import type { Problem } from './problems.ts';
import { isMapping, valueAt } from './schema.ts';

interface SlipQuestions {
  readonly document: unknown;
  isSecret(path: KeyPath): boolean;
  /** A name on the path that is a section of its own. */
  strayOn(path: KeyPath): StrayName | undefined;
  knows(path: KeyPath, key: string): boolean;
  /** Whether a mapping stands in braces. */
  isFlow(path: KeyPath): boolean;
}

/** The mistakes, those that follow from one slip as one. */
export function gatherSlips(problems: readonly Problem[], questions: SlipQuestions): Problem[] {
  return [strayNames, cutValues, emptyHolders, misspeltPartners].reduce<readonly Problem[]>(
    (left, gather) => gather(left, questions),
    problems,
  ) as Problem[];
}

/** `roles:` one step too far to the right is read as a provider called roles, and what follows as more of them. */
function strayNames(problems: readonly Problem[], { strayOn, document }: SlipQuestions): Problem[] {
  const strays = new Map<string, Problem>();
  for (const { path } of problems) {
    const stray = strayOn(path);
    if (!stray) continue;
    const holder = stray.path.slice(0, -1);
    const message = `is read as a name under "${dottedKey(holder)}"`;
    const found: Problem = { path: stray.path, at: 'key', message, hint: stray.hint };
    const other = strays.get(dottedKey(holder));
    if (!other || place(document, stray.path) < place(document, other.path)) strays.set(dottedKey(holder), found);
  }
  const isBehind = ({ path }: Problem) =>
    [...strays.values()].some((stray) => {
      const depth = stray.path.length;
      const isBeside = dottedKey(path.slice(0, depth - 1)) === dottedKey(stray.path.slice(0, -1));
      return isBeside && path.length >= depth && place(document, path.slice(0, depth)) >= place(document, stray.path);
    });
  return [...problems.filter((problem) => !isBehind(problem)), ...strays.values()];
}

/** Where a key stands among those beside it. */
function place(document: unknown, path: KeyPath): number {
  const holder = valueAt(document, path.slice(0, -1));
  return isMapping(holder) ? Object.keys(holder).indexOf(String(path.at(-1))) : 0;
}

/** `{ base: ou=groups,dc=example }`: what follows the comma is a key without a value. */
function cutValues(problems: readonly Problem[], { document, isSecret, isFlow }: SlipQuestions): Problem[] {
  const gathered = new Map<string, { path: KeyPath; value: string; rest: string[] }>();
  const left = problems.filter(({ isUnknown, path }) => {
    const holder = path.slice(0, -1);
    if (!isUnknown || valueAt(document, path) !== null || !isFlow(holder)) return true;
    const before = keyBefore(document, path, (value) => value === null);
    if (before === undefined) return true;
    const owner = [...holder, before];
    const value = valueAt(document, owner);
    if (typeof value !== 'string' || value === '') return true;
    const entry = gathered.get(dottedKey(owner)) ?? { path: owner, value, rest: [] };
    entry.rest.push(String(path.at(-1)));
    gathered.set(dottedKey(owner), entry);
    return false;
  });
  const cut = [...gathered.values()].map(({ path, value, rest }): Problem => {
    const whole = quoted([value, ...rest].join(','), 200);
    const hint = isSecret(path) ? 'put the value in quotes' : `put it in quotes: ${path.at(-1)}: ${whole}`;
    return { path, at: 'value', message: 'ends at the comma: inside { } a comma begins another key', hint };
  });
  return [...left, ...cut];
}

/** `access:` with nothing behind it, and its keys beside it instead of below it. */
function emptyHolders(problems: readonly Problem[], { document, knows }: SlipQuestions): Problem[] {
  const holders = new Set<string>();
  const moved = problems.flatMap((problem): readonly Problem[] => {
    const { isUnknown, path } = problem;
    const parent = path.slice(0, -1);
    const key = String(path.at(-1));
    const unknown = new Set(problems.flatMap((other) => (other.isUnknown ? [dottedKey(other.path)] : [])));
    const holder = isUnknown && keyBefore(document, path, (_, name) => unknown.has(dottedKey([...parent, name])));
    if (!holder || valueAt(document, [...parent, holder]) !== null || !knows([...parent, holder], key))
      return [problem];
    const name = dottedKey([...parent, holder]);
    const isFirst = !holders.has(name);
    holders.add(name);
    const message = `stands beside "${holder}", which is empty, and belongs below it`;
    return isFirst ? [{ path, at: 'key', message, hint: `indent it two more than ${holder}` }] : [];
  });
  return moved.filter(({ path }) => !holders.has(dottedKey(path)));
}

/** A key that is misspelt, and a complaint of what holds it that the key is not there. */
function misspeltPartners(problems: readonly Problem[]): Problem[] {
  const isLacking = (problem: Problem, { meant, path }: Problem) => {
    const holder = dottedKey(path.slice(0, -1));
    const isHere = [problem.path, problem.path.slice(0, -1)].some((at) => dottedKey(at) === holder);
    return meant !== undefined && !problem.isUnknown && isHere && problem.message.includes(meant);
  };
  return problems.filter((problem) => !problems.some((other) => isLacking(problem, other)));
}

/** The nearest key in front of one that is not to be passed over. */
function keyBefore(
  document: unknown,
  path: KeyPath,
  isPassed: (value: unknown, name: string) => boolean,
): string | undefined {
  const mapping = valueAt(document, path.slice(0, -1));
  if (!isMapping(mapping)) return undefined;
  const names = Object.keys(mapping);
  return names.slice(0, names.indexOf(String(path.at(-1)))).findLast((name) => !isPassed(mapping[name], name));
}
