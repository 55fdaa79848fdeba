/**
 * Roles in a solution package definition of Genesys: elements called `role`, each with its privileges by their keys. Whatever else
 * such a file deploys is named with its line, and nothing is made of it.
 */
import { SaxesParser } from 'saxes';
import { addPrivilege, emptyDraft, type RolesDraft } from './draft.ts';

/** The namespace of such files, in each version of the vendor's name, and those of its parts. */
const namespace = /^https?:\/\/[^/]+\/gax\/asd(?:\/[a-z]+)?$/;
const maxCharacters = 10 * 1024 * 1024;
const maxDepth = 64;

/** Elements in which others stand, and that say nothing by themselves. */
const wrappers: ReadonlySet<string> = new Set(['solutionDefinition', 'profile', 'execution', 'roles', 'privileges']);
/** What is said of the file as a whole, or of a role or privilege beside its name. */
const remarks: ReadonlySet<string> = new Set(['deploymentkey', 'description', 'summary']);

interface Open {
  readonly name: string;
  readonly line: number;
  readonly attributes: ReadonlyMap<string, string>;
  /** What is within it is skipped: it is a remark, or was not understood. */
  readonly isSkipped: boolean;
  /** Texts of the elements `name`, `key` and `label` directly below. */
  readonly said: Map<string, string>;
  readonly privileges: { readonly key: string; readonly label: string | undefined }[];
  text: string;
}

/** Whether a text begins as XML. */
export function isXml(text: string): boolean {
  return /^\ufeff?\s*<[?!a-z]/i.test(text);
}

/** Reads one. A text that is not well-formed, or is something else, is named as that; no DTD is followed. */
export function readRolesXml(text: string): RolesDraft {
  const draft = emptyDraft();
  const note = (line: number, what: string, why: string): void => void draft.notUnderstood.push({ line, what, why });
  if (text.length > maxCharacters) {
    note(1, 'the file', 'is larger than 10 MB');
    return draft;
  }
  const parser = new SaxesParser({ xmlns: true, position: true });
  const open: Open[] = [];
  const stop = (line: number, why: string): never => {
    throw new NotReadable(line, why);
  };
  parser.on('error', () => stop(parser.line, 'is not well-formed XML'));
  parser.on('doctype', () => stop(parser.line, 'has a DTD, which is not followed'));
  parser.on('text', (piece) => append(open, piece));
  parser.on('cdata', (piece) => append(open, piece));
  parser.on('opentag', ({ uri, local, attributes }) => {
    const { line } = parser;
    const parent = open.at(-1);
    if (open.length >= maxDepth) stop(line, 'is nested too deeply');
    if (!parent && !(local === 'solutionDefinition' && namespace.test(uri)))
      stop(line, `begins with ${local}, not with a solutionDefinition of …/gax/asd`);
    const isKnown = namespace.test(uri) && (isPlaced(local, parent?.name) || remarks.has(local));
    const isWithin = parent?.isSkipped === true;
    if (!isKnown && !isWithin) note(line, `<${local}>`, 'is not about a role or its privileges');
    const own = Object.values(attributes).map((attribute) => [attribute.local, attribute.value] as const);
    const isSkipped = isWithin || !isKnown || remarks.has(local);
    open.push({ name: local, line, attributes: new Map(own), isSkipped, said: new Map(), privileges: [], text: '' });
  });
  parser.on('closetag', () => {
    const element = open.pop();
    if (element && !element.isSkipped) close(element, open, draft);
  });
  try {
    parser.write(text).close();
  } catch (error) {
    if (!(error instanceof NotReadable)) throw error;
    note(error.line, 'the file', error.message);
  }
  return draft;
}

class NotReadable extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** Whether an element stands where it means something. */
function isPlaced(name: string, parent: string | undefined): boolean {
  switch (name) {
    case 'role':
      return parent === 'solutionDefinition' || parent === 'roles' || parent === 'execution';
    case 'privilege':
      return parent === 'role' || parent === 'privileges';
    case 'privileges':
      return parent === 'role';
    case 'name':
    case 'label':
    case 'key':
      return parent === 'role' || parent === 'privilege' || (parent === 'solutionDefinition' && name === 'name');
    case 'version':
      return parent === 'solutionDefinition';
    default:
      return wrappers.has(name);
  }
}

function append(open: readonly Open[], piece: string): void {
  const inside = open.at(-1);
  if (inside) inside.text += piece;
}

function close(element: Open, open: readonly Open[], draft: RolesDraft): void {
  const parent = open.at(-1);
  const text = element.text.trim();
  const said = (name: string): string | undefined => element.attributes.get(name)?.trim() || element.said.get(name);
  switch (element.name) {
    case 'name':
    case 'label':
    case 'key':
    case 'version':
      if (parent && text !== '') parent.said.set(element.name, text);
      return;
    case 'privilege': {
      // Beside a key the name is what people read.
      const key = said('key') ?? said('name') ?? text;
      const label = said('label') ?? (said('key') === undefined ? undefined : said('name'));
      if (key === '') draft.notUnderstood.push({ line: element.line, what: '<privilege>', why: 'has no key' });
      else parent?.privileges.push({ key, label });
      return;
    }
    case 'privileges':
      parent?.privileges.push(...element.privileges);
      return;
    case 'role': {
      const name = said('name');
      if (name === undefined) {
        draft.notUnderstood.push({ line: element.line, what: '<role>', why: 'has no name' });
        return;
      }
      if (!draft.roles.has(name)) draft.roles.set(name, new Set());
      for (const { key, label } of element.privileges) addPrivilege(draft, name, key, label);
      return;
    }
    case 'solutionDefinition': {
      const version = element.said.get('version');
      if (version !== undefined) draft.version = version;
      return;
    }
    default:
  }
}
