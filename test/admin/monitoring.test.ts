/** The board of Grafana and the alert rules of Prometheus in the examples: what they ask for is what `/metrics` has. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { optionsFor } from '../support/scenes/ldap-provider.ts';
import { passwords, site } from '../support/scenes/site.ts';
import { needsSlapd, shareSlapd } from '../support/servers/slapd.ts';
import { testCertificates } from '../support/tools/certificates.ts';

const root = path.resolve(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const folder = 'config/examples/monitoring';

interface Board {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}
interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}

/** Every expression by what it is for. */
function expressions(): (readonly [string, string])[] {
  const board: Board = JSON.parse(read(`${folder}/grafana-dashboard.json`));
  const rules: Rules = parse(read(`${folder}/alerts.yml`));
  const panels = board.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const));
  return [...panels, ...rules.groups.flatMap((group) => group.rules.map(({ alert, expr }) => [alert, expr] as const))];
}

const namesIn = (expr: string): string[] => expr.match(/\bgatehouse_\w+/g) ?? [];

test('monitoring: every metric of board and alerts is one of /metrics, and every one of ours is on the board', async (t) => {
  const started = await site(t);
  await started.visitor().mustSignIn('agent1', passwords.agent1);
  const text = await (await fetch(new URL('/metrics', started.admin))).text();
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
  const known = [...types].flatMap(([name, type]) => (type === 'histogram' ? [`${name}_bucket`] : [name]));
  for (const [title, expr] of expressions())
    for (const name of namesIn(expr)) assert.ok(known.includes(name), `${title}: there is no metric ${name}`);
  const shown = new Set(expressions().flatMap(([, expr]) => namesIn(expr)));
  const ours = known.filter((name) => name.startsWith('gatehouse_'));
  assert.deepEqual(
    ours.filter((name) => !shown.has(name)),
    [],
  );
});

test('monitoring: every label of board and alerts is one that the metric has, and every word of ours is one', () => {
  const table = [...read('docs/operations.md').matchAll(/^\| `(gatehouse_\w+)` \| \w+ \| ([^|]*) \|/gm)];
  const labels = new Map(table.map(([, name = '', cell = '']) => [name, cell.match(/\w+/g) ?? []]));
  const common = ['job', 'instance', 'le'];
  for (const [title, expr] of expressions()) {
    const ofMetrics = namesIn(expr).flatMap((name) => labels.get(name.replace(/_bucket$/, '')) ?? []);
    const used = [
      ...[...expr.matchAll(/\b(?:by|on) ?\(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/)),
      ...[...expr.matchAll(/[{,]\s*(\w+)(?:=~|!=|!~|=)"/g)].map(([, name = '']) => name),
    ].filter((name) => name !== '');
    for (const name of used) assert.ok([...common, ...ofMetrics].includes(name), `${title}: no label ${name}`);
    assert.equal(expr.split('(').length, expr.split(')').length, title);
  }
});

test('monitoring: the certificate of a directory is among those that end', needsSlapd, async (t) => {
  const slapd = await shareSlapd(t, { people: [{ uid: 'alice', password: 'right' }] });
  const directory = { type: 'ldap', ...optionsFor(slapd), url: slapd.ldapsUrl, ca: testCertificates().ca };
  const started = await site(t, { config: { login: { chain: ['directory'] }, providers: { directory } } });
  const ends = async (): Promise<readonly string[]> => {
    const text = await (await fetch(new URL('/metrics', started.admin))).text();
    return text.split('\n').filter((line) => line.startsWith('gatehouse_certificate_expiry_seconds{'));
  };
  assert.deepEqual(await ends(), [], 'nobody has asked it yet');
  await started.visitor().mustSignIn('alice', 'right');
  const [line = ''] = await ends();
  const [, certificate, value] = /\{certificate="([^"]+)"\} (\S+)$/.exec(line) ?? [];
  assert.equal(certificate, `directory ${new URL(slapd.ldapsUrl).hostname}`);
  assert.ok(Number(value) > Date.now() / 1000, line);
});
