/** Metrics: names and labels as documented, bounded whatever happens. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../../src/telemetry/metrics.ts';

const measured = createMetrics;

test('requests are counted by route, verdict and reason, and timed by route', async () => {
  const metrics = measured({ processMetrics: false });
  metrics.request({ route: '/ccagent', verdict: 'forward', method: 'GET', status: 200, seconds: 0.02 });
  metrics.request({ route: '/ccagent', verdict: 'forward', status: 304, seconds: 0.02 });
  metrics.request({ route: '/ccagent', verdict: 'refuse', reason: 'role-missing', status: 403, seconds: Number.NaN });
  const text = await metrics.render();
  for (const line of [
    'gatehouse_requests_total{route="/ccagent",verdict="forward",reason=""} 2',
    'gatehouse_requests_total{route="/ccagent",verdict="refuse",reason="role-missing"} 1',
    'gatehouse_responses_total{route="/ccagent",status="2xx"} 1',
    'gatehouse_request_duration_seconds_bucket{le="0.005",route="/ccagent"} 1',
    'gatehouse_request_duration_seconds_bucket{le="0.025",route="/ccagent"} 3',
    'gatehouse_request_duration_seconds_bucket{le="+Inf",route="/ccagent"} 3',
    'gatehouse_request_duration_seconds_sum{route="/ccagent"} 0.04',
    'gatehouse_request_duration_seconds_count{route="/ccagent"} 3',
  ])
    assert.ok(text.includes(`${line}\n`), `${line} is not in\n${text}`);
  assert.match(metrics.contentType, /^text\/plain; version=0\.0\.4/);
});

test('logins, connections, sessions and breakers have their own', async () => {
  const metrics = measured({ processMetrics: false });
  metrics.login({ provider: 'directory', outcome: 'rejected', reason: 'bad-password', seconds: 0.01 });
  metrics.readConnectionsBy(() => ({ websocket: 1, stream: 0, request: 3 }));
  metrics.countSessionsBy(() => Promise.resolve(7));
  metrics.breaker('directory', 'open');
  metrics.auditLost(2);
  const text = await metrics.render();
  for (const line of [
    'gatehouse_logins_total{provider="directory",outcome="rejected",reason="bad-password"} 1',
    'gatehouse_login_duration_seconds_count{provider="directory"} 1',
    'gatehouse_live_connections{kind="websocket"} 1',
    'gatehouse_sessions 7',
    'gatehouse_breaker_state{provider="directory"} 2',
    'gatehouse_audit_lost_records_total 2',
  ])
    assert.ok(text.includes(`${line}\n`), `${line} is not in\n${text}`);
});

test('a store that cannot count does not take the metrics with it', async () => {
  const metrics = measured({ processMetrics: false });
  metrics.countSessionsBy(() => Promise.reject(new Error('the disk is gone')));
  assert.match(await metrics.render(), /^gatehouse_sessions Nan$/im);
});

test('a label that runs away is bounded', async () => {
  const metrics = measured({ processMetrics: false });
  for (let index = 0; index < 2000; index += 1)
    metrics.request({ route: `/r${index}`, verdict: 'forward', seconds: 0 });
  const series = (await metrics.render()).split('\n').filter((line) => line.startsWith('gatehouse_requests_total{'));
  assert.equal(series.length, 501);
  assert.ok(series.some((line) => line.includes('route="_other"') && line.endsWith(' 1500')));
});

test('after a reload the breakers of providers that are gone are gone too', async () => {
  const metrics = measured({ processMetrics: false });
  metrics.breaker('old', 'open');
  metrics.breaker('kept', 'closed');
  metrics.retain({ routes: [], providers: ['kept'] });
  const text = await metrics.render();
  assert.ok(!text.includes('provider="old"'));
  assert.ok(text.includes('gatehouse_breaker_state{provider="kept"} 0'));
});

test('two in one process do not mix, and the figures of the process are there', async () => {
  const [one, two] = [measured(), measured({ processMetrics: false })];
  one.auditLost(5);
  assert.match(await one.render(), /^process_resident_memory_bytes \d/m);
  assert.match(await two.render(), /^gatehouse_audit_lost_records_total 0$/m);
});

test('upstreams are shown as they stand when the metrics are read, a server with one bad way to it as down', async () => {
  const metrics = createMetrics({ processMetrics: false });
  let isLive = true;
  metrics.readUpstreamsBy(() => [
    { origin: 'http://xuc:8070', isLive: true },
    { origin: 'http://xuc:8070', isLive },
  ]);
  assert.match(await metrics.render(), /gatehouse_upstream_up\{server="http:\/\/xuc:8070"\} 1/);
  isLive = false;
  assert.match(await metrics.render(), /gatehouse_upstream_up\{server="http:\/\/xuc:8070"\} 0/);
});
