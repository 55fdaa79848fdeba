/** Rows that are put into a configuration: where they stand, and that nothing else is touched. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { insertRow } from '../../src/config/insert-row.ts';

const row = { into: ['peers'], key: 'b', value: '{ services: [] }' };
const cases: Readonly<Record<string, readonly [before: string, after: string | undefined]>> = {
  'after the last row, whose comment stays with it': [
    'peers:\n    # first\n    a: 1   # one\n# the end\nroutes: []\n',
    'peers:\n    # first\n    a: 1   # one\n    b: { services: [] }\n# the end\nroutes: []\n',
  ],
  'after a row of several lines': [
    'peers:\n  a:\n    x: 1\n    y:\n      - 2\nroutes: []\n',
    'peers:\n  a:\n    x: 1\n    y:\n      - 2\n  b: { services: [] }\nroutes: []\n',
  ],
  'at the end of a text without a last line break': [
    'x: 1\npeers:\n  a: 1',
    'x: 1\npeers:\n  a: 1\n  b: { services: [] }\n',
  ],
  'where the mapping is not there yet': ['x: 1 # one\n', 'x: 1 # one\n\npeers:\n  b: { services: [] }\n'],
  'where it has nothing': ['peers: # none yet\nx: 1\n', 'peers: # none yet\n  b: { services: [] }\nx: 1\n'],
  'in place of empty braces': ['peers: {} # none\nx: 1\n', 'peers: # none\n  b: { services: [] }\nx: 1\n'],
  'into braces': ['peers: { a: 1 }\n', 'peers: { a: 1, b: { services: [] } }\n'],
  'not where the key is there': ['peers:\n  b: 1\n', undefined],
  'not into what is no mapping': ['peers: [1]\n', undefined],
  'not into a text that is no YAML': ['peers: {\n', undefined],
  'not into an alias': ['p: &p { a: 1 }\npeers: *p\n', undefined],
};
for (const [name, [before, after]] of Object.entries(cases))
  test(`insert row: ${name}`, () => {
    assert.equal(insertRow(before, row), after);
  });
