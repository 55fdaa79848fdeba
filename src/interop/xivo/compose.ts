/** The parts of a compose file (`docker-xivocc.yml`) that XiVO's settings stand in: environment and volumes of its services. */
import { dirname, resolve } from 'node:path';
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, parseDocument } from 'yaml';
import { OperatorError } from '../../core/errors.ts';
import { Variables } from './env-file.ts';
import type { Setting, Settings } from './settings.ts';

/** What a compose file says. */
interface ComposeReading {
  readonly settings: Settings;
  /** Where the host has what a container names by this path; the path itself when no volume holds it. */
  readonly hostPath: (path: string) => string;
  /** The variables that others are made of. */
  readonly used: ReadonlySet<string>;
}

/** The services whose settings are read; what the first says counts before what the second says. */
const services = ['xuc', 'xucmgt'] as const;

/** Reads a compose file; `${NAME}` stands for what `variables` say. Throws an OperatorError for what is no compose file. */
export function readCompose(text: string, file: string, known: Settings): ComposeReading {
  const variables = new Variables((name) => known.get(name)?.value);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error)
    throw new OperatorError(`${file}:${lines.linePos(error.pos[0]).line}  ${error.message}`, 'is this a compose file?');
  const place = (node: unknown): string => {
    const range = (node as { range?: [number, number, number] | null } | null)?.range;
    return range ? `${file}:${lines.linePos(range[0]).line}` : file;
  };
  const settings = new Map<string, Setting>();
  const volumes: (readonly [inside: string, outside: string])[] = [];
  const root = { document, node: document.contents };
  const all = document.has('services') ? partOf(root, 'services') : root;
  for (const service of services) {
    const at = partOf(all, service);
    for (const { name, value, node } of entriesOf(partOf(at, 'environment'))) {
      const filled = variables.fill(value);
      if (filled === '' || settings.has(name)) continue;
      settings.set(name, { value: filled, origin: place(node), ...(filled !== value && { written: value }) });
    }
    for (const written of writtenVolumes(partOf(at, 'volumes').node)) {
      const [outside = '', inside = ''] = written.flatMap((part) => variables.fill(part).split(':'));
      if (!/^\.{0,2}\//.test(outside) || !inside.startsWith('/')) continue;
      volumes.push([inside, outside.startsWith('/') ? outside : resolve(dirname(file), outside)]);
    }
  }
  mergeClients(settings, entriesOf(partOf(partOf(all, 'xucmgt'), 'environment')), variables);
  const byLength = volumes.toSorted(([left], [right]) => right.length - left.length);
  return { settings, hostPath: (path) => hostPathOf(path, byLength), used: variables.used };
}

/** The client that browsers sign in with is xucmgt's; those whose tokens xuc takes are accepted beside it. */
function mergeClients(settings: Map<string, Setting>, entries: readonly Entry[], variables: Variables): void {
  const written = entries.find(({ name }) => name === 'OIDC_CLIENT_ID')?.value;
  const own = written && variables.fill(written);
  const all = settings.get('OIDC_CLIENT_ID');
  if (!own || !all) return;
  const others = all.value.split(',').filter((id) => id.trim() !== own);
  settings.set('OIDC_CLIENT_ID', { ...all, value: [own, ...others].join(',') });
}

interface Entry {
  readonly name: string;
  readonly value: string;
  readonly node: unknown;
}

/** A part of a document: an anchor stands for what it names, and `<<` for the keys that are not there themselves. */
interface Part {
  readonly document: Document;
  readonly node: unknown;
}

function partOf({ document, node }: Part, name: string): Part {
  const found = pairsOf({ document, node }).find(({ key }) => isScalar(key) && String(key.value) === name);
  const value: unknown = isAlias(found?.value) ? found.value.resolve(document) : found?.value;
  return { document, node: value };
}

/** The keys of a mapping, its own before those that are merged in. */
function pairsOf({ document, node }: Part): readonly Pair[] {
  const map: unknown = isAlias(node) ? node.resolve(document) : node;
  if (!isMap(map)) return [];
  const isMerge = ({ key }: Pair): boolean => isScalar(key) && key.value === '<<';
  const merged = map.items.filter(isMerge).flatMap(({ value }) => (isSeq(value) ? value.items : [value]));
  return [...map.items.filter((pair) => !isMerge(pair)), ...merged.flatMap((one) => pairsOf({ document, node: one }))];
}

/** `environment:` as a list of NAME=VALUE or as a mapping. */
function entriesOf({ document, node }: Part): Entry[] {
  if (isMap(node))
    return pairsOf({ document, node }).flatMap(({ key, value }) =>
      isScalar(key) && isScalar(value)
        ? [{ name: String(key.value), value: String(value.value ?? ''), node: key }]
        : [],
    );
  if (!isSeq(node)) return [];
  return node.items.flatMap((item) => {
    const [, name, value] = /^([^=\s]+)=(.*)$/s.exec(isScalar(item) ? String(item.value) : '') ?? [];
    return name === undefined ? [] : [{ name, value: value ?? '', node: item }];
  });
}

/** `volumes:` as `outside:inside`, which is one part, or as a mapping, which is two. */
function writtenVolumes(node: unknown): string[][] {
  if (!isSeq(node)) return [];
  return node.items.map((item) =>
    isMap(item)
      ? [item.get('source'), item.get('target')].map((value) => String(value ?? ''))
      : [String(isScalar(item) ? item.value : '')],
  );
}

function hostPathOf(path: string, volumes: readonly (readonly [inside: string, outside: string])[]): string {
  for (const [inside, outside] of volumes) {
    if (path === inside) return outside;
    const folder = inside.endsWith('/') ? inside : `${inside}/`;
    if (path.startsWith(folder)) return `${outside.replace(/\/$/, '')}/${path.slice(folder.length)}`;
  }
  return path;
}
