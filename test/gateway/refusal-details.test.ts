/** What exactly was wrong with a refused request stands in the audit: the reason alone is the same for many faults. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { site } from '../support/scenes/site.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';

const get = (target: string, ...more: string[]) =>
  requestOf([`GET ${target} HTTP/1.1`, 'Host: 127.0.0.1', 'Connection: close', ...more]);

test('audit: each kind of refusal says what was wrong, in words of its own', async (t) => {
  const { url, audit, lines } = await site(t);
  const secret = 'hunter2-hunter2';
  const faults = {
    'two hosts': [get('/', 'Host: other.example'), 'ambiguous-host', /more than one Host/],
    'an escaped slash and a dot segment': [get('/a%2fb/..%2f'), 'ambiguous-target', /\S/],
    'an escaped slash': [get('/a%2fb'), 'ambiguous-target', /escaped slash/],
    'a name with an underscore': [get('/', 'Content_Type: text/html'), 'ambiguous-header', /underscore/],
    'a path parameter': [get(`/;a=${secret}`), 'ambiguous-target', /semicolon/],
    'an address of ours with a parameter': [get('/_gate/login;v=1'), 'ambiguous-target', /semicolon/],
    'an escaped slash below our addresses': [get('/_gate/a%2fb'), 'ambiguous-target', /escaped slash/],
    'a location that is closed': [get('/closed/x'), 'location-closed', /closed by configuration/],
    'a method that is never forwarded': [
      requestOf(['TRACE /public HTTP/1.1', 'Host: 127.0.0.1', 'Connection: close']),
      'method-not-allowed',
      /TRACE is never forwarded/,
    ],
  } as const;
  for (const [name, [bytes, reason, detail]] of Object.entries(faults)) {
    await sendRaw(url, bytes);
    const record = audit('request').at(-1);
    assert.equal(record?.reason, reason, name);
    assert.match(String(record?.detail), detail, name);
    assert.doesNotMatch(String(record?.detail), new RegExp(secret), name);
  }
  const [hosts, dots, slash, , parameter] = audit('request').map(({ detail }) => detail);
  assert.equal(new Set([hosts, dots, slash, parameter]).size, 4, 'each has a detail of its own');
  await sendRaw(url, get('/', 'Content_Length: 3'));
  assert.ok(
    lines.some((line) => /"detail":"[^"]*length is spelt with an underscore"/.test(line)),
    'a length with an underscore is told by the pipeline, or by the listener before it',
  );
  await sendRaw(url, get('/public/x'));
  assert.ok(!('detail' in (audit('request').at(-1) ?? {})), 'what is forwarded has none');
});

test('audit: an upstream that fails is told with what happened', async (t) => {
  const { url, audit, upstream } = await site(t);
  await upstream.close();
  await sendRaw(url, get('/public/x'));
  const { status, reason, detail } = audit('request').at(-1) ?? {};
  assert.deepEqual(
    { status, reason, detail },
    { status: 502, reason: 'upstream-unreachable', detail: 'public: the upstream failed' },
  );
});
