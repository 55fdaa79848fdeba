/** A check outside as a factor: the contract with a service that answers, hangs and fails, the choice of methods, environments. */
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { accountNamed } from '../../../src/core/account.ts';
import { webservice } from '../../../src/factors/webservice/index.ts';
import { askTerms, factorContract, factorWorld } from '../../contract/factor.ts';
import { keptLog } from '../../support/tools/log-lines.ts';

const alice = accountNamed('alice');
const methods = [{ id: 'app', label: 'Authenticator app' }];
interface Asked {
  readonly path: string;
  readonly user: string;
  readonly code?: string;
  readonly method?: string;
}

/** A service of a test; without an answer of its own it knows one method, and the code `right-NAME`. */
async function serve(t: TestContext, answer?: (response: ServerResponse, asked: Asked) => void) {
  const heard: Asked[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const asked: Asked = { ...JSON.parse(body), path: request.url ?? '' };
    heard.push(asked);
    if (answer) return answer(response, asked);
    const result = asked.code === `right-${asked.user}` ? 'valid' : 'invalid';
    const said = asked.path.endsWith('/contacts') ? { methods } : { result };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { heard, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function optionsFor(origin: string, more: object = {}) {
  const at = (path: string) => ({ test: `${origin}/test${path}`, production: `${origin}${path}` });
  return webservice.options.parse({
    contacts: at('/contacts'),
    verify: at('/verify'),
    secret: 'hidden-word',
    timeout: 1000,
    ...more,
  });
}

factorContract('webservice', async (t, world) => {
  const { origin } = await serve(t);
  const broken = async (answer: (response: ServerResponse) => void) => ({
    factor: webservice.create(optionsFor((await serve(t, answer)).origin), world),
    timeout: 1000,
  });
  return {
    factor: webservice.create(optionsFor(origin), world),
    prepare: async () => undefined,
    right: async ({ subject }) => ({ code: `right-${subject}` }),
    wrong: {
      'a wrong code': () => ({ code: 'wrong' }),
      'no code': () => ({}),
      'a very long text': () => ({ code: 'x'.repeat(100_000) }),
      'a code with a line break': () => ({ code: 'right-\nalice' }),
    },
    outages: {
      'a service that hangs': () => broken(() => undefined),
      'a service that fails': () => broken((response) => void response.writeHead(500).end()),
      'a service that leads elsewhere': () =>
        broken((response) => void response.writeHead(302, { location: '/' }).end()),
    },
    secrets: () => ['hidden-word', 'right-alice'],
  };
});

async function scene(t: TestContext, given: object, answer?: Parameters<typeof serve>[1]) {
  const { heard, origin } = await serve(t, answer);
  const factor = webservice.create(optionsFor(origin, given), factorWorld(keptLog()));
  t.after(() => factor.close?.());
  const ask = () => factor.ask(alice, [], askTerms(alice, { email: ['a@example.com'] }));
  const verify = (state: unknown, fields: Record<string, string>) =>
    factor.verify(alice, {
      state,
      fields: new Map(Object.entries(fields)),
      enrolments: [],
      signal: AbortSignal.timeout(10_000),
    });
  return { heard, ask, verify };
}

const json = (response: ServerResponse, said: object) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(said));

test('webservice: no method is no contact; of several the user names one that was offered', async (t) => {
  const none = await scene(t, {}, (response) => json(response, { methods: [] }));
  assert.deepEqual(await none.ask(), { kind: 'refused', reason: 'contact-missing', next: 'other' });
  const two = [...methods, { id: 'phone', label: 'Call' }];
  const { ask, verify, heard } = await scene(t, {}, (response, { path }) =>
    json(response, path.endsWith('/contacts') ? { methods: two } : { result: 'valid' }),
  );
  const outcome = await ask();
  assert.ok(outcome.kind === 'asked');
  assert.deepEqual(outcome.challenge.page, { kind: 'code', methods: two });
  const { state } = outcome.challenge;
  for (const method of ['', 'another', undefined])
    assert.equal((await verify(state, { code: '1', ...(method !== undefined && { method }) })).kind, 'rejected');
  assert.equal(heard.length, 1, 'the service is not asked about them');
  assert.equal((await verify(state, { code: '1', method: 'phone' })).kind, 'verified');
  assert.equal(heard.at(-1)?.method, 'phone');
});

test('webservice: what the service says beyond right and wrong', async (t) => {
  const said = async (result: string) => {
    const { ask, verify } = await scene(t, {}, (response, { path }) =>
      json(response, path.endsWith('/contacts') ? { methods } : { result }),
    );
    const outcome = await ask();
    assert.ok(outcome.kind === 'asked');
    return verify(outcome.challenge.state, { code: '1' });
  };
  assert.deepEqual(await said('expired'), { kind: 'rejected', reason: 'code-expired' });
  assert.deepEqual(await said('locked'), { kind: 'rejected', reason: 'factor-locked', next: 'other' });
});

test('webservice: after so many wrong entries comes what the operator has said', async (t) => {
  const { ask, verify } = await scene(t, { tries: 2, afterTries: 'help' });
  const outcome = await ask();
  assert.ok(outcome.kind === 'asked');
  const first = await verify(outcome.challenge.state, { code: 'x' });
  assert.ok(first.kind === 'rejected' && first.next === undefined);
  const second = await verify(first.state, { code: 'x' });
  assert.ok(second.kind === 'rejected' && second.next === 'help');
});

test('webservice: the addresses of the environment are asked, and must be there', async (t) => {
  const { heard, ask } = await scene(t, { environment: 'test' });
  await ask();
  assert.equal(heard[0]?.path, '/test/contacts');
  const given = webservice.options.parse({
    contacts: { test: 'http://a' },
    verify: { production: 'http://a' },
    secret: 's',
  });
  const site = { publicUrl: new URL('https://cc.example.com'), sendsMail: false };
  assert.deepEqual(
    webservice.checkTogether?.(given, site).map(({ key, hint }) => [key, hint]),
    [['contacts', 'give contacts.production']],
  );
  assert.equal(
    webservice.options.parse({ ...given, secret: 's', timeout: 2500, contacts: {}, verify: {} }).timeout,
    2500,
  );
});
