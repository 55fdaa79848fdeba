/**
 * Reads HOCON, the language of XiVO's `xuc.conf`, into a tree of texts that know their places. Our own reader: the ones on
 * offer fetch what a file includes, or run it (docs/decisions/0010-dependencies-of-interop.md).
 */
import {
  type HoconAssignment,
  type HoconFiles,
  type HoconPart,
  type HoconRaw,
  type LeftOut,
  parseHocon,
} from './parse.ts';
import { type HoconPlace, hoconError } from './tokens.ts';

/** A value and where it was given. Numbers and booleans stay the text that they are written as; null is null. */
export interface HoconNode {
  readonly at: HoconPlace;
  readonly value: string | null | readonly HoconNode[] | ReadonlyMap<string, HoconNode>;
  /** The environment variable that is all of it. */
  readonly variable?: string;
  /** A comment begins right behind it, without a blank, and it is not in quotes. */
  readonly isCut?: true;
}

/** A file that was read. */
export interface HoconFile {
  readonly root: ReadonlyMap<string, HoconNode>;
  readonly leftOut: readonly LeftOut[];
  /** The environment variables that stand in it. */
  readonly used: ReadonlySet<string>;
}

/** What a text is read with. */
interface HoconOptions {
  /** Named in messages. */
  readonly file: string;
  /** What `${NAME}` may stand for when the file itself has no such key. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Finds the files that are included; none are when absent. */
  readonly files?: HoconFiles;
}

/** Reads a text. Throws an OperatorError that names file, line and column. */
export function readHocon(text: string, { file, env = {}, files = () => undefined }: HoconOptions): HoconFile {
  const { assignments, leftOut } = parseHocon(text.replaceAll('\r\n', '\n'), file, files);
  const resolver = new Resolver(assignments, env);
  return { root: resolver.root(), leftOut, used: resolver.used };
}

/** The value at a path of keys; undefined when there is none. */
export function hoconAt(root: ReadonlyMap<string, HoconNode>, ...path: readonly string[]): HoconNode | undefined {
  let node: HoconNode | undefined;
  let map: ReadonlyMap<string, HoconNode> | undefined = root;
  for (const step of path) {
    node = map?.get(step);
    map = node && isMap(node) ? node.value : undefined;
  }
  return node;
}

type MapNode = HoconNode & { readonly value: ReadonlyMap<string, HoconNode> };

function isMap(node: HoconNode): node is MapNode {
  return node.value instanceof Map;
}

function isList(node: HoconNode): node is HoconNode & { readonly value: readonly HoconNode[] } {
  return Array.isArray(node.value);
}

/** Substitutions of substitutions can double with each line of a file. */
const maxSteps = 100_000;

class Resolver {
  readonly #assignments: readonly HoconAssignment[];
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly used = new Set<string>();
  /** The assignments whose values are being worked out: a substitution in one sees only what stands before it. */
  readonly #underWay = new Set<HoconAssignment>();
  #steps = 0;

  constructor(assignments: readonly HoconAssignment[], env: Readonly<Record<string, string | undefined>>) {
    this.#assignments = assignments;
    this.#env = env;
  }

  root(): ReadonlyMap<string, HoconNode> {
    return this.#tree(this.#assignments);
  }

  #tree(assignments: readonly HoconAssignment[]): ReadonlyMap<string, HoconNode> {
    let tree: HoconNode | undefined;
    for (const assignment of assignments) tree = layered(tree, this.#wrapped(assignment, assignment.path));
    return tree && isMap(tree) ? tree.value : new Map();
  }

  /** An assignment's value under the keys that are left of its path; undefined when it says nothing. */
  #wrapped(assignment: HoconAssignment, path: readonly string[]): HoconNode | undefined {
    this.#underWay.add(assignment);
    const inner = this.#resolve(assignment.value);
    this.#underWay.delete(assignment);
    const { at } = assignment.value;
    return (
      inner && path.toReversed().reduce<HoconNode>((value, key) => ({ at, value: new Map([[key, value]]) }), inner)
    );
  }

  /** What `${path}` stands for at this moment. */
  #find(path: readonly string[]): HoconNode | undefined {
    let found: HoconNode | undefined;
    for (const assignment of this.#assignments) {
      const isAbove = assignment.path.every((step, index) => index >= path.length || step === path[index]);
      if (!isAbove) continue;
      if (this.#underWay.has(assignment)) break;
      const tree = this.#wrapped(assignment, assignment.path);
      const value = tree && isMap(tree) ? hoconAt(tree.value, ...path) : undefined;
      const isReplaced = assignment.path.length < path.length && value === undefined && !isObjectText(assignment.value);
      found = isReplaced ? undefined : layered(found, value);
    }
    return found;
  }

  #resolve({ parts, at }: HoconRaw): HoconNode | undefined {
    this.#steps += 1;
    if (this.#steps > maxSteps)
      throw hoconError(at, 'the substitutions lead to too many others', 'write the values out');
    const [only] = parts;
    const nodes = parts.map((part) => this.#part(part, at));
    const solid = nodes.filter((node) => node !== undefined);
    if (solid.some((node) => isMap(node) || isList(node)))
      return joined(
        solid.filter((node) => !isBlank(node)),
        at,
      );
    if (solid.length === 0) return undefined;
    const text = solid.map(({ value }) => (value === null ? 'null' : String(value))).join('');
    const isPlain = parts.every((part) => part.kind === 'text' && !part.isQuoted);
    if (isPlain && text.trim() === 'null') return { at, value: null };
    // Blanks around a value that is not in quotes are not a part of it.
    const start = only?.kind === 'text' && !only.isQuoted ? text.trimStart() : text;
    const last = parts.at(-1);
    const variable = only?.kind === 'substitution' && parts.length === 1 ? solid[0]?.variable : undefined;
    return {
      at,
      value: last?.kind === 'text' && !last.isQuoted ? start.trimEnd() : start,
      ...(variable !== undefined && { variable }),
      ...(last?.kind === 'text' && last.isCut && { isCut: true }),
    };
  }

  #part(part: HoconPart, at: HoconPlace): HoconNode | undefined {
    switch (part.kind) {
      case 'text':
        return { at, value: part.text };
      case 'object':
        return { at, value: this.#tree(part.assignments) };
      case 'list':
        return { at, value: part.items.flatMap((item) => this.#resolve(item) ?? []) };
      case 'substitution': {
        const name = part.path.join('.');
        const value = this.#find(part.path) ?? this.#fromEnvironment(name, at);
        if (value || part.isOptional) return value;
        throw hoconError(
          part.at,
          'this substitution stands for nothing: the file has no such key, and no such environment variable is set',
          'set it, or write a question mark before its name',
        );
      }
      default:
        return part satisfies never;
    }
  }

  #fromEnvironment(name: string, at: HoconPlace): HoconNode | undefined {
    const value = this.#env[name];
    if (value === undefined) return undefined;
    this.used.add(name);
    return { at, value, variable: name };
  }
}

/** A later value over an earlier one: objects are merged, anything else is replaced. */
function layered(before: HoconNode | undefined, after: HoconNode | undefined): HoconNode | undefined {
  if (!after || !before || !isMap(after) || !isMap(before)) return after ?? before;
  const merged = new Map(before.value);
  for (const [key, value] of after.value) merged.set(key, layered(merged.get(key), value) ?? value);
  return { at: before.at, value: merged };
}

function joined(nodes: readonly HoconNode[], at: HoconPlace): HoconNode {
  if (nodes.every(isMap))
    return nodes.reduce<HoconNode>((before, after) => layered(before, after) ?? after, { at, value: new Map() });
  if (nodes.every(isList)) return { at, value: nodes.flatMap(({ value }) => value as readonly HoconNode[]) };
  throw hoconError(at, 'a list, an object and text cannot be joined', 'put a comma or a new line between them');
}

function isBlank({ value }: HoconNode): boolean {
  return typeof value === 'string' && value.trim() === '';
}

function isObjectText({ parts }: HoconRaw): boolean {
  return parts.length === 1 && parts[0]?.kind === 'object';
}
