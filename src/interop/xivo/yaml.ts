/** Prints a translation as `gatehouse.yaml`: every value with a comment that says where it came from. */
import { Document, isMap, isNode, isScalar, isSeq, type Pair, visit } from 'yaml';
import { namesSecret } from '../../config/mask.ts';
import { withOverrides } from '../../config/overrides.ts';
import { isPlain, type Translated } from './translation.ts';
import type { XivoTranslation } from './xivo.ts';

/** Printed YAML, and what has to be put into the environment for it. */
interface XivoYaml {
  readonly text: string;
  /** The variables that hold the secrets. */
  readonly variables: readonly { readonly name: string; readonly key: string }[];
}

const order = ['server', 'login', 'session', 'providers', 'routes'];
const heading = [
  ' Made of XiVO\'s settings by "gatehouse import xivo". Each comment says where a value came from.',
  ' Look through it, then try it with: gatehouse check --connect',
].join('\n');

/** Prints it. Secrets are left out, as `{ env: NAME }`, unless they are asked for. */
export function xivoYaml({ values, cautions }: XivoTranslation, withSecrets: boolean): XivoYaml {
  const variables: { name: string; key: string }[] = [];
  const shown = withSecrets ? values : values.map((value) => ({ ...value, value: withoutSecrets(value, variables) }));
  const data = withOverrides({}, shown);
  const document = new Document(sorted(isPlain(data) ? data : {}));
  document.commentBefore = heading;
  visit(document, {
    Map: (_, node) => {
      node.flow = node.has('env') || node.has('rejected');
    },
    Seq: (_, node) => {
      node.flow = node.items.every((item) => isScalar(item));
    },
  });
  for (const { key, origin } of shown) comment(document, key, ` ${origin}`);
  for (const { key, message, hint } of cautions) caution(document, key, ` ${message}.\n ${hint}.`);
  return { text: document.toString({ lineWidth: 120, flowCollectionPadding: true }), variables };
}

function sorted(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const rank = (name: string): number => (order.indexOf(name) + order.length + 1) % (order.length + 1);
  return Object.fromEntries(Object.entries(data).toSorted(([left], [right]) => rank(left) - rank(right)));
}

function withoutSecrets({ key, value, variable }: Translated, variables: { name: string; key: string }[]): unknown {
  const replaced = (...names: readonly string[]): { env: string } => {
    const path = [...key, ...names];
    // The site's own name for it, where it has one.
    const made = path
      .slice(1)
      .join('_')
      .replace(/([a-z])([A-Z])/g, '$1_$2')
      .replaceAll('-', '_')
      .toUpperCase();
    const name = variable ?? made;
    variables.push({ name, key: path.join('.') });
    return { env: name };
  };
  const last = String(key.at(-1));
  if (namesSecret(last) && typeof value === 'string') return replaced();
  if (!isPlain(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [
      name,
      namesSecret(name) && typeof part === 'string' ? replaced(name) : part,
    ]),
  );
}

/** Puts a comment behind a value; behind the last part of one that goes over several lines. */
function comment(document: Document, key: Translated['key'], text: string): void {
  let node = document.getIn(key, true);
  while (isNode(node) && ((isMap(node) && !node.flow) || (isSeq(node) && !node.flow))) {
    const last: unknown = node.items.at(-1);
    node = isMap(node) ? (last as Pair | undefined)?.value : last;
  }
  if (isNode(node)) node.comment = text;
}

/** Puts a comment above a key. */
function caution(document: Document, key: Translated['key'], text: string): void {
  const holder = key.length > 1 ? document.getIn(key.slice(0, -1), true) : document.contents;
  const name = key.at(-1);
  if (!isMap(holder)) return;
  const pair = holder.items.find((item) => isScalar(item.key) && item.key.value === name);
  if (pair && isScalar(pair.key)) pair.key.commentBefore = text;
}
