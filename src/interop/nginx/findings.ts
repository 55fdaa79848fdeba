/** What the import of a configuration has to say beside its result, each with the place that it is about. */
import { basename } from 'node:path';
import { formatPosition, type SourcePosition } from './tokens.ts';

/**
 * What became of a directive.
 *
 * `closed`: it cannot be said in our words, and what it is about is shut until somebody decides. `refused`: not translated.
 * `ignored`: left out on purpose. `note`: translated, with something to know.
 */
export type FindingKind = 'closed' | 'refused' | 'ignored' | 'note';

/** One finding. */
export interface Finding {
  readonly kind: FindingKind;
  readonly place: SourcePosition;
  readonly what: string;
  readonly why: string;
}

/** A condition by what it goes by: what it compares with may be a secret. */
export function conditionText({ args }: { readonly args: readonly string[] }): string {
  const names = args.join(' ').match(/\$\{?\w+\}?/g) ?? [];
  return `if (${[...new Set(names)].join(', ')} …)`;
}

/** Text of a file on one line, without what a terminal or a comment would take for more than text. */
export function oneLine(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]+/g, ' ').toWellFormed();
}

/** Collects findings; the same one twice, as for a server with two names, counts once. */
export class Findings {
  readonly #found = new Map<string, Finding>();
  readonly #places = new Set<string>();
  readonly #translated = new Set<string>();

  add(kind: FindingKind, place: SourcePosition, what: string, why: string): void {
    const key = JSON.stringify([kind, formatPosition(place), what, why]);
    this.#places.add(formatPosition(place));
    if (!this.#found.has(key)) this.#found.set(key, { kind, place, what, why });
  }

  /** A collector for one route: what it is told is told here, too, and it knows what to say at the route. */
  atRoute(): RouteFindings {
    return new RouteFindings(this);
  }

  /** Notes that a translation says all of what stands at a place. */
  translate(place: SourcePosition): void {
    this.#translated.add(formatPosition(place));
  }

  /** Whether a translation says all of what stands at a place, beside the table of directives. */
  isTranslated(place: SourcePosition): boolean {
    return this.#translated.has(formatPosition(place));
  }

  /** Whether something has been said about a place. */
  has(place: SourcePosition): boolean {
    return this.#places.has(formatPosition(place));
  }

  /** In the order of the files. */
  get all(): readonly Finding[] {
    const files = new Map(
      [...this.#found.values()].map(({ place }, index) => [place.file, index] as const).toReversed(),
    );
    return [...this.#found.values()].toSorted(
      ({ place: a }, { place: b }) =>
        (files.get(a.file) ?? 0) - (files.get(b.file) ?? 0) || a.line - b.line || a.column - b.column,
    );
  }
}

/** Of these, what has to be said at the route. */
const openings: Readonly<Record<Exclude<FindingKind, 'ignored'>, string>> = {
  closed: 'Closed: ',
  refused: 'Not translated: ',
  note: '',
};

/** The findings about one route. */
export class RouteFindings extends Findings {
  readonly #all: Findings;

  constructor(all: Findings) {
    super();
    this.#all = all;
  }

  override add(kind: FindingKind, place: SourcePosition, what: string, why: string): void {
    super.add(kind, place, what, why);
    this.#all.add(kind, place, what, why);
  }

  override translate(place: SourcePosition): void {
    super.translate(place);
    this.#all.translate(place);
  }

  /** A line for each, in the order of the files; what is left out on purpose by its names alone. */
  get notes(): readonly string[] {
    const said = this.all.flatMap(({ kind, place, what, why }) =>
      kind === 'ignored' ? [] : [`${openings[kind]}${what} (${basename(place.file)}:${place.line}): ${why}.`],
    );
    const names = new Set(this.all.flatMap(({ kind, what }) => (kind === 'ignored' ? [what] : [])));
    return names.size === 0 ? said : [...said, `Left out on purpose: ${[...names].join(', ')}.`];
  }
}
