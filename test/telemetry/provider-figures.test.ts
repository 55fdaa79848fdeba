/** How providers do: times of the last quarter of an hour, the state and since when, the last failure. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Outcome } from '../../src/core/outcome.ts';
import { ProviderFigures } from '../../src/telemetry/provider-figures.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const unknown: Outcome = { kind: 'unknown-user' };

test('provider figures: half and 95 in a hundred of the answers of the last quarter of an hour', () => {
  const clock = manualClock();
  const figures = new ProviderFigures(clock);
  assert.equal(figures.of('ldap').p50, undefined);
  for (let count = 1; count <= 100; count++) figures.answered('ldap', unknown, count);
  assert.partialDeepStrictEqual(figures.of('ldap'), { p50: 50, p95: 95 });
  clock.advance(15 * 60_000 + 1);
  assert.equal(figures.of('ldap').p95, undefined, 'they are over');
  figures.answered('ldap', unknown, 7);
  figures.answered('ldap', { kind: 'challenge', offers: [] }, 0);
  figures.answered('ldap', { kind: 'unavailable', reason: 'breaker-open' }, 0);
  assert.partialDeepStrictEqual(figures.of('ldap'), { p50: 7, p95: 7 });
  for (let count = 0; count < 10_000; count++) figures.answered('ldap', unknown, 3);
  assert.equal(figures.of('ldap').p95, 3);
});

test('provider figures: the state, since when it is so, and what failed last, without secrets', () => {
  const clock = manualClock();
  const figures = new ProviderFigures(clock);
  const stand = (state: string, failures: number, more = {}) => figures.stands('ldap', { state, failures, ...more });
  stand('closed', 0, { isUntried: true });
  const begun = figures.of('ldap').since;
  assert.equal(figures.of('ldap').state, 'unknown');
  clock.advance(1000);
  stand('closed', 0);
  assert.deepEqual([figures.of('ldap').state, figures.of('ldap').since], ['ok', begun + 1000]);
  clock.advance(1000);
  stand('closed', 0);
  assert.equal(figures.of('ldap').since, begun + 1000, 'it has not changed');
  const cause = new Error('ldaps://ldap.example.com: no answer, password=hunter2 was sent');
  figures.answered('ldap', { kind: 'unavailable', reason: 'timed-out', cause }, 3000);
  stand('open', 3);
  const { state, lastError } = figures.of('ldap');
  assert.equal(state, 'down');
  assert.partialDeepStrictEqual(lastError, { reason: 'timed-out', at: begun + 2000 });
  assert.equal(lastError?.detail.includes('hunter2'), false);
  stand('half-open', 3);
  assert.equal(figures.of('ldap').state, 'degraded');
  figures.stands('local', undefined);
  assert.equal(figures.of('local').state, 'ok');
  figures.retain(['local']);
  assert.equal(figures.of('ldap').lastError, undefined);
});
