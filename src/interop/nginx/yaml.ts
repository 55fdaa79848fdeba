/** Prints what was imported of nginx as `gatehouse.yaml`: each route with a comment that says where it came from. */
import { Document, isMap, isScalar, isSeq, visit, type YAMLMap } from 'yaml';
import { openNote } from './access.ts';
import { oneLine } from './findings.ts';
import type { NginxImport } from './import.ts';

const heading = [
  ' Made of nginx\'s configuration by "gatehouse import nginx". Each comment says where a route came from.',
  ' Look through it, then try it with: gatehouse check, and gatehouse explain --url /path --user NAME',
  ' Limits that nginx has without being told are not copied, such as 1 MB for a body (maxBody).',
].join('\n');
const login = [
  ' nginx does not say how users sign in. These are local accounts (gatehouse users add NAME): put the providers of the',
  ' site in their place, such as ldap, kerberos, cas or oidc.',
].join('\n');
const open = [
  ' Routes without access: ask for a login. Those that are marked as open in nginx do so now, too: "access: public" would',
  ' leave one open; the import with --public does where a server asks nobody for a login.',
].join('\n');

const rest = ' Of nginx, beside single locations, and not here:';

/** Prints it. */
export function nginxYaml({ server, serverNotes, notes: general, routes }: NginxImport): string {
  const document = new Document({
    server,
    login: { chain: ['local'] },
    providers: { local: { type: 'local', users: 'users.yaml' } },
    routes: routes.map(({ data }) => data),
  });
  document.commentBefore = heading;
  visit(document, {
    Seq: (_, node) => {
      node.flow = node.items.every((item) => isScalar(item));
    },
  });
  const { contents } = document;
  if (isMap(contents)) {
    commentKey(contents, 'server', serverNotes.map((note) => ` ${oneLine(note)}`).join('\n'));
    commentKey(contents, 'login', login);
    const ofRoutes = [
      ...(routes.some(({ notes }) => notes.includes(openNote)) ? [open] : []),
      ...(general.length > 0 ? [rest, ...general.map((note) => ` - ${oneLine(note)}`)] : []),
    ];
    commentKey(contents, 'routes', ofRoutes.join('\n'));
    for (const name of ['login', 'providers', 'routes']) spaceKey(contents, name);
  }
  const items = document.get('routes', true);
  for (const [index, { place, written, notes }] of routes.entries()) {
    const item = isSeq(items) ? items.items[index] : undefined;
    if (!isMap(item)) continue;
    const lines = [`${place.file}:${place.line}  ${written}`, ...notes];
    item.commentBefore = lines.map((line) => ` ${oneLine(line)}`).join('\n');
    item.spaceBefore = index > 0;
  }
  return document.toString({ lineWidth: 120, flowCollectionPadding: true });
}

function commentKey(map: YAMLMap, name: string, text: string): void {
  const key = map.items.find((item) => isScalar(item.key) && item.key.value === name)?.key;
  if (isScalar(key) && text !== '') key.commentBefore = text;
}

function spaceKey(map: YAMLMap, name: string): void {
  const key = map.items.find((item) => isScalar(item.key) && item.key.value === name)?.key;
  if (isScalar(key)) key.spaceBefore = true;
}
