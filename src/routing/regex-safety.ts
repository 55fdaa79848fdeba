/**
 * Whether matching a regular expression against a path that somebody has made for it can take very long. JavaScript tries one
 * reading of a text after the other: the checks count how the number of readings grows with the text. What passes JavaScript
 * matches at once on a text of some length; a longer one is read by the machine of `core/regex-machine.ts`.
 */

import { machineOf } from '../core/regex-machine.ts';
import { anything, type RegexNode, readRegex } from '../core/regex-syntax.ts';
import { maxPath } from './path.ts';
import { alphabetOf } from './regex-alphabet.ts';
import { type Automaton, automatonOf } from './regex-automaton.ts';
import { LoopGraph } from './regex-loops.ts';
import { Budget, mostWork } from './regex-readings.ts';

/** What is found of a pattern. */
interface Judgement {
  /** Why it can take very long. */
  readonly why?: string;
  /** The length of text up to which JavaScript matches it at once, in some `quickTime`. */
  readonly quickUpTo: number;
}

/** Why a pattern (of `~`, or without regard to case of `~*`) can take very long; undefined where it cannot. */
export function blowUp(source: string, isInsensitive: boolean): string | undefined {
  return judgementOf(source, isInsensitive).why;
}

/** The length of text up to which JavaScript matches a pattern at once; none of one that can take very long. */
export function quickUpTo(source: string, isInsensitive: boolean): number {
  return judgementOf(source, isInsensitive).quickUpTo;
}

function judgementOf(source: string, isInsensitive: boolean): Judgement {
  const key = `${isInsensitive}${source}`;
  const known = judged.get(key);
  if (known) return known;
  if (judged.size > 1000) judged.clear();
  const judgement = judge(source, isInsensitive);
  judged.set(key, judgement);
  return judgement;
}

/** A configuration is checked more than once before its routes are made. */
const judged = new Map<string, Judgement>();

const nested = 'repeats what can be read in more than one way as a repetition already, such as (a+)+ or (a|a)*';
const adjacent = 'repeats one thing right behind another that takes the same characters, such as a+a+ or .*.*';
const manyLoops = 'has several repetitions that take the same characters one after the other, such as .*a.*b.*c';

const manyOptions =
  'has parts that one text can be shared out among in too many ways, such as (a?){30}a{30} or (\\w{1,20}){5}';
const alone =
  'refers back to what it has read (such as \\1) or has very many parts, and is slow where much has to be tried';
const unjudged =
  'cannot be judged: too much of it is optional, repeated or nested (or a part that it looks behind at varies in length)';

/** Repetitions beyond these count as unbounded, for their readings grow alike: the second where the first is too much work. */
const maxCounted = [100, 8];

/** The work of one judgement, in steps of some nanoseconds. */
const maxWork = 150_000;

/**
 * Readings of one text at once, each with its weight, that still end in time: behind so many loops that follow each other on the
 * same text. A weight of one behind two takes some 6 ms on the longest path.
 */
const maxAtOnce = [40_000, 3000, 5.5];

/**
 * What JavaScript does at once: the product of a weight, of how far its readings go on, and of the places that they begin at. It takes
 * less than a millisecond, or some five when it meets a pattern for the first time, which it does not compile for then.
 */
const quickWork = 600_000;

/** Of the same, what JavaScript may take on the longest path where no machine reads a pattern: some 30 ms. */
const workAlone = 34_000_000;

function judge(source: string, isInsensitive: boolean): Judgement {
  if (!isReadable(source)) return { quickUpTo: Infinity };
  for (const most of maxCounted)
    try {
      const node = readRegex(source);
      if (hasVaryingLookBehind(node)) return { why: unjudged, quickUpTo: 0 };
      return judgeParts(node, most, source, isInsensitive);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  return { why: unjudged, quickUpTo: 0 };
}

/** The parts of a pattern are matched one after the other: what each takes adds up. */
function judgeParts(node: RegexNode, most: number, source: string, isInsensitive: boolean): Judgement {
  const budget = new Budget(maxWork);
  const left = [...maxAtOnce];
  let reach = 0;
  for (const part of matchedApart(node)) {
    const automaton = automatonOf(searched(part), most);
    const why = judgeAutomaton(automaton, source, isInsensitive, { budget, left });
    if (why !== undefined) return { why, quickUpTo: 0 };
    // Readings that no loop keeps up have gone by after so many characters.
    reach = Math.max(reach, longestWay(automaton));
  }
  const [few = 0, oneLoop = 0, twoLoops = 0] = maxAtOnce.map((weight, depth) => weight - (left[depth] ?? 0));
  const work = few * reach + 2 * oneLoop * reach * maxPath + twoLoops * maxPath ** 2;
  if (work > workAlone && !machineOf(source, isInsensitive)) return { why: alone, quickUpTo: 0 };
  return {
    quickUpTo: Math.min(
      few * reach <= quickWork ? Infinity : quickWork / few,
      Math.max(quickWork / (oneLoop * reach), Math.min(reach, Math.sqrt(quickWork / oneLoop))),
      Math.sqrt(quickWork / twoLoops),
    ),
  };
}

/** The most positions that follow each other without one of a loop, or to another round. */
function longestWay({ next }: Automaton): number {
  const lengths = new Map<number, number>();
  const from = (at: number): number => {
    const known = lengths.get(at);
    if (known !== undefined) return known;
    // Of a loop each position counts once.
    lengths.set(at, 0);
    const length = 1 + Math.max(0, ...[...(next[at]?.keys() ?? [])].map(from));
    lengths.set(at, length);
    return length;
  };
  return Math.max(1, ...[...next.keys()].map(from));
}

/** What a pattern that is held at the start looks ahead at there is matched once, and not again when the rest fails. */
function matchedApart(node: RegexNode): readonly RegexNode[] {
  const parts = node.kind === 'sequence' ? node.parts : [];
  const [start, ...more] = parts;
  if (start?.kind !== 'start') return [node];
  const looks: RegexNode[] = [];
  for (const part of more) {
    if (part.kind !== 'look' || part.isBehind) break;
    looks.push(part.part);
  }
  const held = (part: RegexNode): RegexNode => ({
    kind: 'sequence',
    parts: [start, ...(part.kind === 'sequence' ? part.parts : [part])],
  });
  return [
    ...looks.flatMap((look) => matchedApart(held(look))),
    held({ kind: 'sequence', parts: more.slice(looks.length) }),
  ];
}

function judgeAutomaton(
  automaton: Automaton,
  source: string,
  isInsensitive: boolean,
  { budget, left }: { readonly budget: Budget; readonly left: number[] },
): string | undefined {
  const takes = alphabetOf(automaton, source, isInsensitive, budget);
  const graph = new LoopGraph(automaton, takes, budget);
  if (graph.isAmbiguousLoop()) return nested;
  const loops = graph.loops;
  const pairs = loops.map((one) => loops.map((other) => one !== other && graph.joins(one, other)));
  const isSearch = (index: number) => loops[index]?.includes(0) === true && automaton.atoms[0] === '[^]';
  for (const [one, row] of pairs.entries())
    for (const [other, isJoined] of row.entries())
      if (isJoined && !isSearch(one) && graph.isAdjacent(loops[one] ?? [], loops[other] ?? [])) return adjacent;
  const depths = graph.depths(pairs);
  if (Math.max(...depths) >= maxAtOnce.length) return manyLoops;
  const bounds = { depths, maxAtOnce: left, component: graph.component, weights: weightsOf(automaton) };
  const most = mostWork(automaton, takes, bounds, budget);
  for (const [depth, readings] of most.entries()) left[depth] = (left[depth] ?? 0) - readings;
  return left.some((readings) => readings < 0) ? manyOptions : undefined;
}

/** What reading each position takes, by measure: ways on that are tried, groups that are kept, and characters that a class lists. */
function weightsOf({ atoms, captures, next }: Automaton): readonly number[] {
  const isClass = atoms.map((atom) => /\[|\\[A-Za-z]|^\.$/.test(atom));
  return atoms.map((atom, at) => {
    if (atom === '[]') return 1 / 4;
    const listed = atom.includes('[') ? (atom.match(/\\.|[^\\]-[^\]]|[^\\]/gsu) ?? []).length - 2 : 1;
    const ways = [...(next[at]?.keys() ?? [])];
    const singles = ways.filter((to) => !isClass[to]).length;
    // Of many single characters, most are ruled out together.
    const tried = (ways.length - singles) / 4 + Math.min(singles, 4) / 6 + Math.max(singles - 4, 0) / 24;
    return 1 + tried + 2 * (captures[at] ?? 0) + listed / 10;
  });
}

/** What is looked behind at is read backwards: it is judged only where it is of one length. */
function hasVaryingLookBehind(node: RegexNode, isBehind = false): boolean {
  if (node.kind === 'capture') return hasVaryingLookBehind(node.part, isBehind);
  if (node.kind === 'repeat') return (isBehind && node.min !== node.max) || hasVaryingLookBehind(node.part, isBehind);
  if (node.kind === 'look') return hasVaryingLookBehind(node.part, isBehind || node.isBehind);
  return 'parts' in node && node.parts.some((part) => hasVaryingLookBehind(part, isBehind));
}

/** A pattern as it is searched for: from every place on, unless it begins at the start; nothing after it has to match. */
function searched(node: RegexNode): RegexNode {
  if (node.kind === 'either') return { kind: 'either', parts: node.parts.map(searched) };
  const parts = node.kind === 'sequence' ? node.parts : [node];
  const isFixed = parts[0]?.kind === 'start';
  // A search that is written out, ^(?=…).*?…, is one too.
  const behind = parts.findIndex((part, index) => index > 0 && part.kind !== 'look');
  const written = isFixed ? parts[behind] : undefined;
  const isWritten = written?.kind === 'repeat' && isAny(written.part) && written.max === Infinity && written.min === 0;
  const rest = isWritten ? [...parts.slice(behind + 1)] : parts;
  const looks: RegexNode[] = isWritten ? parts.slice(0, behind) : [];
  const kept = withoutTail(rest);
  return { kind: 'sequence', parts: [...(isFixed && !isWritten ? [] : [anything]), ...looks, ...kept] };
}

/** What JavaScript does not read is another mistake. */
function isReadable(source: string): boolean {
  try {
    return new RegExp(source, 'u') !== undefined;
  } catch {
    return false;
  }
}

function isAny(node: RegexNode): boolean {
  return node.kind === 'one' && (node.source === '.' || node.source === '[^]');
}

/** Once the rest has matched, what may be left out at the end is not needed; it is tried first, so it must not fail midway. */
function withoutTail(parts: readonly RegexNode[]): readonly RegexNode[] {
  const last = parts.at(-1);
  if (last?.kind !== 'repeat' || !isCertain(last.part)) return parts;
  if (last.min === 0) return withoutTail(parts.slice(0, -1));
  return last.max === last.min ? parts : [...parts.slice(0, -1), { ...last, max: last.min }];
}

/** Whether a part that has read its first character has matched. */
function isCertain(node: RegexNode): boolean {
  if (node.kind === 'capture') return isCertain(node.part);
  if (node.kind === 'either') return node.parts.every(isCertain);
  if (node.kind !== 'sequence') return node.kind === 'one';
  const [first, ...rest] = node.parts;
  const canEnd = (part: RegexNode) => part.kind === 'repeat' && part.min === 0 && isCertain(part.part);
  return first !== undefined && isCertain(first) && rest.every(canEnd);
}
