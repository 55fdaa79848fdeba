/** Prints the reference of a configuration as Markdown: every key, what it takes, what stands there when it is left out. */
import { fallbackWords, typeWords } from './reference-words.ts';
import { discriminatorValues, inputOf, type Schema } from './schema.ts';

export { type JsonSchemaOptions, jsonSchema } from './json-schema.ts';

/** What stands around the tables. */
interface ReferenceOptions {
  readonly title?: string;
  /** Markdown below the title. */
  readonly introduction?: string;
}

interface Section {
  readonly heading: string;
  readonly description?: string;
  readonly rows: string[][];
  /** Sections for each type of a union that a `type:` tells apart. */
  readonly below: Section[];
}

/** The whole reference: a section for each key at the top, in the order of the schema. */
export function printReference(schema: Schema, options: ReferenceOptions = {}): string {
  const { definition } = inputOf(schema);
  if (definition.type !== 'object') throw new TypeError('a reference is printed of an object schema');
  const kinds = new Map<string, string>();
  const sections = Object.entries(definition.shape).map(([key, child]) => {
    const input = inputOf(child);
    const section: Section = {
      heading: `\`${key}\``,
      ...(input.description && { description: input.description }),
      rows: [],
      below: [],
    };
    new Collector(section, kinds).top(key, child);
    return section;
  });
  const contents = Object.entries(definition.shape).map(([key, child]) => {
    const { description } = inputOf(child);
    return `- [\`${key}\`](#${slug(key)})${description ? `: ${cell(description)}` : ''}`;
  });
  const parts = [
    `# ${options.title ?? 'Configuration'}`,
    ...(options.introduction ? [options.introduction.trim()] : []),
    contents.join('\n'),
    ...sections.map((section) => printed(section, 2)),
    ...(kinds.size > 0 ? [printedKinds(kinds)] : []),
  ];
  return `${parts.join('\n\n')}\n`;
}

function printed({ heading, description, rows, below }: Section, level: number): string {
  const table = rows.length > 0 ? [printedTable(['key', 'takes', 'default', 'what it is'], rows)] : [];
  const parts = [`${'#'.repeat(level)} ${heading}`, ...(description ? [sentence(description)] : []), ...table];
  return [...parts, ...below.map((section) => printed(section, level + 1))].join('\n\n');
}

function printedTable(head: readonly string[], rows: readonly string[][]): string {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return lines.join('\n');
}

function printedKinds(kinds: ReadonlyMap<string, string>): string {
  const rows = [...kinds].toSorted().map(([title, kind]) => [title, cell(kind)]);
  return `## Kinds of values\n\n${printedTable(['kind', 'is written as'], rows)}`;
}

/** Gathers the rows of one section, and the sections below it. */
class Collector {
  readonly #section: Section;
  readonly #kinds: Map<string, string>;

  constructor(section: Section, kinds: Map<string, string>) {
    this.#section = section;
    this.#kinds = kinds;
  }

  /** The key that the section is about: a mapping needs no row of its own. */
  top(path: string, schema: Schema): void {
    if (inputOf(schema).definition.type === 'object') this.#under(path, schema, new Set());
    else this.key(path, schema, new Set());
  }

  key(path: string, schema: Schema, above: ReadonlySet<Schema>): void {
    const input = inputOf(schema);
    this.#note(schema);
    this.#section.rows.push([
      `\`${path}\``,
      typeWords(schema),
      cell(fallbackWords(input)),
      cell(input.description ?? ''),
    ]);
    this.#under(path, schema, above);
  }

  #under(path: string, schema: Schema, above: ReadonlySet<Schema>): void {
    const { definition, schema: inner } = inputOf(schema);
    if (above.has(inner)) return;
    const inside = new Set(above).add(inner);
    switch (definition.type) {
      case 'object':
        for (const [key, child] of Object.entries(definition.shape)) this.key(`${path}.${key}`, child, inside);
        break;
      case 'record':
        this.#under(`${path}.<name>`, definition.valueType, inside);
        break;
      case 'array':
        this.#under(`${path}[]`, definition.element, inside);
        break;
      case 'union':
        if (inputOf(schema).title) break;
        if ('discriminator' in definition)
          this.#types(path, definition.options, String(definition.discriminator), inside);
        else for (const option of definition.options) this.#under(path, option, inside);
        break;
      default:
    }
  }

  #types(path: string, options: readonly Schema[], discriminator: string, above: ReadonlySet<Schema>): void {
    const shapes = options.map((option) => shapeOf(option));
    const [first = {}] = shapes;
    // Keys that all types were given from one and the same object are told once.
    const isShared = (key: string) => options.length > 1 && shapes.every((shape) => shape[key] === first[key]);
    const shared = Object.keys(first).filter(isShared);
    if (shared.length > 0)
      this.#part(`\`${path}\`, whatever its \`${discriminator}\``, path, pick(first, shared), above);
    for (const [index, option] of options.entries()) {
      const own = Object.keys(shapes[index] ?? {}).filter((key) => key !== discriminator && !shared.includes(key));
      const heading = `\`${path}\` with \`${discriminator}: ${discriminatorValues(option, discriminator).join(' | ')}\``;
      this.#part(heading, path, pick(shapes[index] ?? {}, own), above, inputOf(option).description);
    }
  }

  #part(heading: string, path: string, shape: Shape, above: ReadonlySet<Schema>, description?: string): void {
    const isBare = Object.keys(shape).length === 0;
    const words = description ?? (isBare ? 'takes no keys of its own' : undefined);
    const section: Section = { heading, ...(words && { description: words }), rows: [], below: [] };
    const collector = new Collector(section, this.#kinds);
    for (const [key, child] of Object.entries(shape)) collector.key(`${path}.${key}`, child, above);
    this.#section.below.push(section);
  }

  #note(schema: Schema): void {
    const { title, kind, definition } = inputOf(schema);
    if (title && kind) this.#kinds.set(title, kind);
    else if (definition.type === 'union') for (const option of definition.options) this.#note(option);
    else if (definition.type === 'array') this.#note(definition.element);
    else if (definition.type === 'record') this.#note(definition.valueType);
  }
}

type Shape = Readonly<Record<string, Schema>>;

function shapeOf(option: Schema): Shape {
  const { definition } = inputOf(option);
  return definition.type === 'object' ? definition.shape : {};
}

function pick(shape: Shape, keys: readonly string[]): Shape {
  return Object.fromEntries(Object.entries(shape).filter(([key]) => keys.includes(key)));
}

/** Text for a cell of a table; outside of code, `<name>` must not become HTML. */
function cell(text: string): string {
  const parts = text
    .replaceAll('|', '\\|')
    .replaceAll(/\s*\n\s*/g, ' ')
    .split(/(`[^`]*`)/);
  return parts.map((part) => (part.startsWith('`') ? part : part.replaceAll('<', '&lt;'))).join('');
}

function sentence(text: string): string {
  const words = text.trim();
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?:]$/.test(words) ? '' : '.'}`;
}

function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');
}
