/** The parts of a compose file (`docker-xivocc.yml`) that XiVO's settings stand in: environment and volumes of its services. */
import { dirname, resolve } from 'node:path';
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { OperatorError } from '../../core/errors.ts';
import type { Setting, Settings } from './settings.ts';

/** What a compose file says. */
export interface ComposeReading {
  readonly settings: Settings;
  /** Where the host has what a container names by this path; the path itself when no volume holds it. */
  readonly hostPath: (path: string) => string;
}

/** The services whose settings are read; what the first says counts before what the second says. */
const services = ['xuc', 'xucmgt'] as const;

/** Reads a compose file; `${NAME}` stands for what `variables` say. Throws an OperatorError for what is no compose file. */
export function readCompose(text: string, file: string, variables: Settings): ComposeReading {
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
  for (const service of services) {
    const at = ['services', service].slice(document.has('services') ? 0 : 1);
    for (const { name, value, node } of entriesOf(document.getIn([...at, 'environment'], true))) {
      const filled = fill(value, variables);
      if (filled !== '' && !settings.has(name)) settings.set(name, { value: filled, origin: place(node) });
    }
    for (const written of writtenVolumes(document.getIn([...at, 'volumes'], true))) {
      const [outside = '', inside = ''] = written.flatMap((part) => fill(part, variables).split(':'));
      if (!/^\.{0,2}\//.test(outside) || !inside.startsWith('/')) continue;
      volumes.push([inside, outside.startsWith('/') ? outside : resolve(dirname(file), outside)]);
    }
  }
  mergeClients(
    settings,
    entriesOf(document.getIn(['services', 'xucmgt', 'environment'].slice(document.has('services') ? 0 : 1), true)),
    variables,
  );
  const byLength = volumes.toSorted(([left], [right]) => right.length - left.length);
  return { settings, hostPath: (path) => hostPathOf(path, byLength) };
}

/** The client that browsers sign in with is xucmgt's; those whose tokens xuc takes are accepted beside it. */
function mergeClients(settings: Map<string, Setting>, entries: readonly Entry[], variables: Settings): void {
  const written = entries.find(({ name }) => name === 'OIDC_CLIENT_ID')?.value;
  const own = written && fill(written, variables);
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

/** `environment:` as a list of NAME=VALUE or as a mapping. */
function entriesOf(node: unknown): Entry[] {
  if (isMap(node))
    return node.items.flatMap(({ key, value }) =>
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

/** Compose's `${NAME}`, `${NAME:-default}` and `$NAME`; `$$` is a dollar sign. */
function fill(text: string, variables: Settings): string {
  return text.replace(
    /\$(?:\$|\{(\w+)(?::?-([^}]*))?\}|(\w+))/g,
    (whole, braced?: string, fallback?: string, plain?: string) =>
      whole === '$$' ? '$' : (variables.get(braced ?? plain ?? '')?.value ?? fallback ?? ''),
  );
}
