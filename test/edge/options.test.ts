/** Options of the listeners, written wrong: each is said by file and line, with what to write. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfiguration } from '../../src/cli/configuration.ts';
import { formatIssues } from '../../src/config/report.ts';
import { temporaryFolder } from '../support/tools/folder.ts';

const cases: Readonly<Record<string, readonly [line: string, want: RegExp]>> = {
  'proxyProtocol: one network': [
    'proxyProtocol: 10.0.0.0/8',
    /server\.proxyProtocol: must be a list.*\["10\.0\.0\.0\/8"\]/s,
  ],
  'proxyProtocol: a switch': ['proxyProtocol: true', /server\.proxyProtocol: must be a list/],
  'proxyProtocol: a name': [
    'proxyProtocol: [balancer]',
    /server\.proxyProtocol\[0\]: must be a network such as 10\.0\.0\.0\/8/,
  ],
  'proxyProtocol: misspelt': ['proxyProtocols: []', /proxyProtocols: .*did you mean "?proxyProtocol/s],
  'health: a switch': ['health: true', /server\.health: must be false, or a path such as \/healthz, is true/],
  'health: a number': [
    'health: 8080',
    /server\.health: must be false, or a path such as \/healthz, is the number 8080/,
  ],
  'health: no slash': ['health: healthz', /server\.health: must be a path of its own such as \/healthz/],
  'health: the front page': ['health: /', /server\.health: must be a path of its own such as \/healthz/],
  'health: a closing slash': ['health: /healthz/', /server\.health: .*closing slash/],
  'health: a query': ['health: /healthz?full', /server\.health: .*without query/],
  'health: an address': ['health: http://127.0.0.1/healthz', /server\.health: must be a path of its own/],
  'health: dots': ['health: /a/../b', /server\.health: must not hold \. or \.\./],
  'health: ours': ['health: /_gate/health', /server\.health: must not lie under \/_gate/],
  "health: a route's": ['health: /taken', /server\.health: is the location of a route.*choose a path/s],
};
for (const [name, [line, want]] of Object.entries(cases))
  test(`server.${name}`, async (t) => {
    const folder = await temporaryFolder(t);
    const file = join(folder, 'gatehouse.yaml');
    await writeFile(join(folder, 'users.yaml'), 'users: {}\n');
    const rest = 'providers: { local: { type: local, users: users.yaml } }\nlogin: { chain: [local] }\n';
    const routes =
      'routes:\n  - { location: /, upstream: "http://a" }\n  - { location: = /taken, upstream: "http://a" }\n';
    await writeFile(file, `server:\n  ${line}\n${rest}${routes}`);
    const reading = readConfiguration(file, {});
    assert.equal(reading.kind, 'invalid');
    const text = formatIssues(reading.kind === 'invalid' ? reading.issues : []);
    assert.match(text, want);
    assert.match(text, /gatehouse\.yaml:2:/);
  });
