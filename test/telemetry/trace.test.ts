/** Trace headers and request ids: read strictly, made well-formed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { continueTrace, createRequestId, formatTraceparent, parseTraceparent } from '../../src/telemetry/trace.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

test('a valid traceparent is read, also of a version to come', () => {
  assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-01`), { traceId, spanId, isSampled: true });
  assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-02`), { traceId, spanId, isSampled: false });
  assert.deepEqual(parseTraceparent(`cc-${traceId}-${spanId}-01-more.fields`), { traceId, spanId, isSampled: true });
});

const invalid = [
  undefined,
  '',
  `00-${traceId}-${spanId}`,
  `00-${traceId}-${spanId}-01-more`,
  `ff-${traceId}-${spanId}-01`,
  `00-${'0'.repeat(32)}-${spanId}-01`,
  `00-${traceId}-${'0'.repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  ` 00-${traceId}-${spanId}-01`,
  `00-${traceId}-${spanId}-01\n`,
  `00-${traceId}-${spanId}-0g`,
  `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`,
];
for (const value of invalid)
  test(`not a traceparent: ${JSON.stringify(value)}`, () => assert.equal(parseTraceparent(value), undefined));

test('our span stays in the caller’s trace under an id of its own', () => {
  const trace = continueTrace(`00-${traceId}-${spanId}-01`);
  assert.equal(trace.traceId, traceId);
  assert.notEqual(trace.spanId, spanId);
  assert.deepEqual(parseTraceparent(formatTraceparent(trace)), trace);
});

test('without a valid caller a trace of our own begins', () => {
  const [one, two] = [continueTrace(undefined), continueTrace('garbage')];
  assert.deepEqual(parseTraceparent(formatTraceparent(one)), one);
  assert.notEqual(one.traceId, two.traceId);
});

test('names of our own are whole, and none comes twice', () => {
  const traces = Array.from({ length: 2000 }, () => continueTrace(undefined));
  for (const trace of traces) assert.deepEqual(parseTraceparent(formatTraceparent(trace)), trace);
  const names = traces.flatMap(({ traceId, spanId }) => [traceId.slice(0, 16), traceId.slice(16), spanId]);
  assert.equal(new Set(names).size, names.length);
});

test('a request id comes from a trusted proxy only if it is well-formed', () => {
  assert.equal(createRequestId('req-0123456789'), 'req-0123456789');
  for (const bad of [
    undefined,
    '',
    'short',
    'a b c d e f g h',
    'x'.repeat(129),
    'abcdefgh\r\nX-Evil: 1',
    '-abcdefgh',
    'abc<script>',
  ])
    assert.match(createRequestId(bad), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-/);
});
