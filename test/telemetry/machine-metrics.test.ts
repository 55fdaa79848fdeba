/** The metrics of several processes as those of one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineMetrics } from '../../src/telemetry/machine-metrics.ts';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';

const quiet = { processMetrics: false };

function ask(metrics: Metrics, times: number): Metrics {
  for (let time = 0; time < times; time++)
    metrics.request({ route: 'home', verdict: 'forward', status: 200, seconds: 0.01 });
  return metrics;
}

const sampleOf = (text: string, name: string): number | undefined => {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
};

test('counters, histograms and live connections add up; what is one for all is not counted twice', async () => {
  const own = createMetrics(quiet);
  own.countSessionsBy(async () => 7);
  own.breaker('directory', 'open');
  own.readUpstreamsBy(() => [{ origin: 'http://app', isLive: true }]);
  own.workers(2);
  const workers = [ask(createMetrics(quiet), 3), ask(createMetrics(quiet), 4)];
  for (const [index, worker] of workers.entries()) {
    worker.countSessionsBy(() => Promise.reject(new Error('nobody asks a worker')));
    worker.breaker('directory', 'open');
    worker.readConnectionsBy(() => ({ websocket: 2, stream: 0, request: 0 }));
    worker.readUpstreamsBy(() => [{ origin: 'http://app', isLive: index === 0 }]);
    worker.ends.certificates([{ certificate: 'site.pem', at: 5_000_000 + index }]);
  }
  const machine = new MachineMetrics(own);
  const snapshots = await Promise.all(workers.map((worker) => worker.snapshot({ counts: false })));
  const text = await machine.render(snapshots.map((snapshot, index) => [index, structuredClone(snapshot)]));
  const values = {
    'gatehouse_requests_total{route="home",verdict="forward",reason=""}': 7,
    'gatehouse_responses_total{route="home",status="2xx"}': 7,
    'gatehouse_request_duration_seconds_count{route="home"}': 7,
    'gatehouse_live_connections{kind="websocket"}': 4,
    gatehouse_sessions: 7,
    'gatehouse_breaker_state{provider="directory"}': 2,
    'gatehouse_upstream_up{server="http://app"}': 0,
    'gatehouse_certificate_expiry_seconds{certificate="site.pem"}': 5000,
    gatehouse_workers: 2,
  };
  for (const [name, value] of Object.entries(values)) assert.equal(sampleOf(text, name), value, `${name}\n${text}`);
});

test('what a process has counted stays counted after its end, and what it held does not', async () => {
  const machine = new MachineMetrics(createMetrics(quiet));
  const worker = ask(createMetrics(quiet), 5);
  worker.readConnectionsBy(() => ({ websocket: 3, stream: 0, request: 0 }));
  const counted = 'gatehouse_requests_total{route="home",verdict="forward",reason=""}';
  const live = 'gatehouse_live_connections{kind="websocket"}';
  const before = await machine.render([[1, await worker.snapshot()]]);
  assert.deepEqual([sampleOf(before, counted), sampleOf(before, live)], [5, 3]);
  await machine.ended(1);
  assert.equal(sampleOf(await machine.render([]), counted), 5);
  assert.equal(sampleOf(await machine.render([]), live), undefined);
  const follower = ask(createMetrics(quiet), 2);
  assert.equal(sampleOf(await machine.render([[2, await follower.snapshot()]]), counted), 7);
  await machine.ended(2);
  await machine.ended(3);
  assert.equal(sampleOf(await machine.render([]), counted), 7);
});
