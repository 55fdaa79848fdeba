/**
 * nginx's locations as one flat list that chooses alike. nginx looks into the location it has found for locations within,
 * tries regular expressions from the inside out, and lets `^~` hold for its own level only; a flat list says the same with
 * conditions in front of the expressions.
 */
import type { Redirect } from './answering.ts';
import type { Directive } from './parse.ts';
import { escapePattern, hasOuterAlternatives, type PatternReading, readPattern } from './pattern.ts';

/** A location as it stands in nginx. */
interface NginxLocation {
  readonly modifier: '' | '=' | '^~' | '~' | '~*' | '@';
  readonly path: string;
}

/** One location of the flat list. */
export interface FlatLocation {
  readonly modifier: '' | '=' | '^~' | '~' | '~*';
  /** The path as nginx compares it, decoded; of a regular expression, its source in JavaScript's words. */
  readonly path: string;
  readonly directive: Directive;
  /** The blocks of the locations around it and its own, outermost first. */
  readonly blocks: readonly (readonly Directive[])[];
  /** Why nobody could say in JavaScript what it takes: then it takes more. */
  readonly unreadable?: string;
  /** What rewrite rules put in the place of the path. */
  readonly rewritten?: string;
  /** Where rewrite rules send browsers that ask for it. */
  readonly redirect?: Redirect;
  /** The rule that this part of a location follows; `why` where no route can say what comes of it. */
  readonly branch?: { readonly what: string; readonly why?: string };
}

/** A flat list, and the locations that no request reaches. */
interface FlatLocations {
  readonly locations: readonly FlatLocation[];
  readonly dead: readonly Directive[];
  readonly named: readonly Directive[];
}

/** Reads the words behind `location`. */
export function readLocation({ args }: Directive): NginxLocation {
  const text = args.length > 1 ? `${args[0]} ${args.slice(1).join(' ')}` : (args[0] ?? '');
  const [, modifier = '', path = ''] = /^(=|\^~|~\*|~|@)?\s*(.*)$/s.exec(text) ?? [];
  return { modifier: modifier as NginxLocation['modifier'], path };
}

/** The paths that a prefix takes: those that begin with it, but for those of longer ones beside it. */
interface Region {
  readonly prefix: string;
  readonly except: readonly string[];
}

interface Entry extends NginxLocation {
  readonly directive: Directive;
  readonly body: readonly Directive[];
}

interface Surroundings {
  readonly blocks: readonly (readonly Directive[])[];
  /** The prefix locations around, outermost first, up to the expression around. */
  readonly regions: readonly Region[];
  /** What holds within the expressions around, as what stands behind `^`. */
  readonly conditions: readonly string[];
}

/** Flattens the locations of a server. */
export function flattenLocations(server: readonly Directive[]): FlatLocations {
  const entries = entriesOf(server);
  const needsGuards = hasPatterns(entries) && entries.some(isKnotted);
  const flattening = new Flattening(needsGuards);
  const { exact, patterns, prefixes } = flattening.level(entries, { blocks: [], regions: [], conditions: [] });
  const { dead, named } = flattening;
  // In file order wherever that is enough: only among regular expressions does the order count.
  const all = [...distinct(exact), ...distinct(prefixes.toReversed()).toReversed(), ...distinct(patterns)];
  const places = new Map(inOrder(server).map((directive, index) => [directive, index]));
  const byPlace = (a: FlatLocation, b: FlatLocation): number =>
    (places.get(a.directive) ?? 0) - (places.get(b.directive) ?? 0);
  const lost = [...exact, ...prefixes, ...patterns].filter((location) => !all.includes(location));
  return {
    locations: needsGuards ? all : all.toSorted(byPlace),
    dead: [...dead, ...lost.map(({ directive }) => directive)],
    named,
  };
}

/** Of those that take the same, the first. Of prefixes that is the innermost, being last in its list. */
function distinct(locations: readonly FlatLocation[]): FlatLocation[] {
  const seen = new Set<string>();
  return locations.filter(({ modifier, path }) => {
    const key = `${modifier.startsWith('~') ? modifier : ''} ${path}`;
    return !seen.has(key) && seen.add(key);
  });
}

function inOrder(body: readonly Directive[]): Directive[] {
  return entriesOf(body).flatMap(({ directive, body: own }) => [directive, ...inOrder(own)]);
}

function entriesOf(body: readonly Directive[]): Entry[] {
  return body
    .filter(({ name, body: own }) => name === 'location' && own)
    .map((directive) => ({ directive, body: directive.body ?? [], ...readLocation(directive) }));
}

/** Whether what stands within decides together with what stands around, and not by its own path alone. */
function isKnotted({ modifier, body }: Entry): boolean {
  const within = entriesOf(body);
  if (within.length === 0) return false;
  return (
    modifier !== '' || within.some((entry) => entry.modifier !== '' && entry.modifier !== '=') || within.some(isKnotted)
  );
}

function hasPatterns(entries: readonly Entry[]): boolean {
  return entries.some(({ modifier, body }) => modifier.startsWith('~') || hasPatterns(entriesOf(body)));
}

/** What a level and all within it come to, in the order in which nginx weighs them. */
interface Level {
  readonly exact: readonly FlatLocation[];
  readonly patterns: readonly FlatLocation[];
  readonly prefixes: readonly FlatLocation[];
}

class Flattening {
  readonly dead: Directive[] = [];
  readonly named: Directive[] = [];
  /** True: `^~` is said by conditions in the regular expressions it holds off, since it holds for its level only. */
  readonly #guards: boolean;

  constructor(guards: boolean) {
    this.#guards = guards;
  }

  level(entries: readonly Entry[], around: Surroundings): Level {
    const live = entries.filter((entry) => this.#isLive(entry, around));
    const prefixes = live.filter(({ modifier }) => modifier === '' || modifier === '^~');
    const regionOf = ({ path }: Entry): Region => ({
      prefix: path,
      except: prefixes
        .filter((other) => other.path !== path && other.path.startsWith(path))
        .map(({ path: one }) => one),
    });
    const firm = prefixes
      .filter(({ modifier }) => modifier === '^~')
      .map((entry) => regionSource(regionOf(entry), around));
    const inner = prefixes.map((entry) =>
      this.#within(entry, around, { regions: [...around.regions, regionOf(entry)] }),
    );
    const own = live
      .filter(({ modifier }) => modifier.startsWith('~'))
      .flatMap((entry) => this.#pattern(entry, around, this.#guards ? firm : []));
    const exact = live.filter(({ modifier }) => modifier === '=').map((entry) => this.#fixed(entry, around));
    return {
      exact: [...exact, ...inner.flatMap((level) => level.exact)],
      patterns: [...inner.flatMap((level) => level.patterns), ...own],
      prefixes: [...prefixes.map((entry) => this.#fixed(entry, around)), ...inner.flatMap((level) => level.prefixes)],
    };
  }

  #isLive(entry: Entry, { regions }: Surroundings): boolean {
    const { modifier, path, directive } = entry;
    if (modifier === '@') this.named.push(directive);
    if (modifier === '@') return false;
    if (modifier.startsWith('~')) return true;
    const isTaken = regions.some(({ except }) => except.some((other) => path.startsWith(other)));
    if (isTaken) this.dead.push(directive);
    return !isTaken;
  }

  #within(entry: Entry, around: Surroundings, more: Partial<Surroundings>): Level {
    return this.level(entriesOf(entry.body), { ...around, blocks: [...around.blocks, entry.body], ...more });
  }

  #fixed({ modifier, path, directive, body }: Entry, around: Surroundings): FlatLocation {
    const blocks = [...around.blocks, body];
    if (around.conditions.length > 0) {
      const conditions = around.conditions.join('');
      return {
        modifier: '~',
        path: `^${conditions}${escapePattern(path)}${modifier === '=' ? '$' : ''}`,
        directive,
        blocks,
      };
    }
    const kept = modifier === '=' ? '=' : this.#guards || modifier !== '^~' ? '' : '^~';
    return { modifier: kept, path, directive, blocks };
  }

  /** Several expressions in one would count each other's groups. */
  #readable({ path }: Entry, { conditions }: Surroundings): PatternReading {
    const reading = readPattern(path);
    const refersBack = (source: string): boolean => /\\(?:k<|[1-9])/.test(source);
    return reading.kind === 'ok' && conditions.length > 0 && [reading.source, ...conditions].some(refersBack)
      ? { kind: 'unreadable', why: 'nested expressions cannot refer back to groups', begins: '' }
      : reading;
  }

  /** Its own expression comes after those within it. */
  #pattern(entry: Entry, around: Surroundings, firm: readonly string[]): FlatLocation[] {
    const reading = this.#readable(entry, around);
    const { directive, body } = entry;
    const blocks = [...around.blocks, body];
    const [region] = around.regions.slice(-1).map((last) => regionSource(last, around));
    const all = [
      ...around.conditions,
      ...firm.map((source) => `(?!${source})`),
      ...(region === undefined ? [] : [`(?=${region})`]),
    ];
    const conditions = all.join('');
    if (reading.kind === 'unreadable') {
      const begins = escapePattern(reading.begins === '' ? '/' : reading.begins);
      const path = `^${conditions}${entry.modifier === '~*' ? `(?i:${begins})` : begins}`;
      return [{ modifier: '~', path, directive, blocks, unreadable: reading.why }];
    }
    const isInsensitive = reading.insensitive || entry.modifier === '~*';
    const bare = (source: string): string => (isInsensitive ? `(?i:${source})` : source);
    // What begins at the beginning needs no search, which would be a loop more to judge.
    const isAnchored = reading.source.startsWith('^') && !hasOuterAlternatives(reading.source);
    const rest = isAnchored ? bare(reading.source.slice(1)) : `.*?(?:${bare(reading.source)})`;
    const condition = withoutNames(rest);
    const inner = this.#within(entry, around, { regions: [], conditions: [...all, `(?=${condition})`] });
    const own: FlatLocation =
      conditions === ''
        ? { modifier: isInsensitive ? '~*' : '~', path: reading.source, directive, blocks }
        : { modifier: '~', path: `^${conditions}${rest}`, directive, blocks };
    // Within an expression all are expressions, the longest prefix first.
    const last = inner.prefixes.toSorted((a, b) => b.path.length - a.path.length);
    return [...inner.exact, ...inner.patterns, ...last, own];
  }
}

/** Groups of a condition need no names, which the expression behind it may use itself. */
function withoutNames(source: string): string {
  return source.replace(/(?<!\\)\(\?<[A-Za-z_]\w*>/g, '(?:');
}

/** What a region takes, for use behind `^`: less what longer prefixes beside it, and beside those around it, take. */
function regionSource({ prefix, except }: Region, { regions }: Surroundings): string {
  const others = [...except, ...regions.flatMap((region) => region.except)].filter((path) => path.startsWith(prefix));
  const rests = [...new Set(others)].map((path) => escapePattern(path.slice(prefix.length)));
  return escapePattern(prefix) + (rests.length > 0 ? `(?!${rests.join('|')})` : '');
}
