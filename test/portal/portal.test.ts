/** The gateway's own addresses and their methods. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { site } from '../support/scenes/site.ts';

const addresses: Readonly<Record<string, readonly string[]>> = {
  '/_gate/login': ['GET', 'HEAD', 'POST'],
  '/_gate/logout': ['GET', 'HEAD', 'POST'],
  '/_gate/session': ['GET', 'HEAD', 'POST'],
  '/_gate/replay?id=x': ['GET', 'HEAD'],
  '/_gate/start/local': ['GET', 'HEAD'],
  '/_gate/callback/local': ['GET', 'HEAD', 'POST'],
  '/_gate/backchannel/local': ['POST'],
  '/_gate/frontchannel/local': ['GET', 'HEAD'],
  '/_gate/jwks.json': ['GET', 'HEAD'],
};
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'TRACE'];

test('portal: a method that an address does not have is 405 and names those it has, which are never 405', async (t) => {
  const { visitor, upstream, audit } = await site(t);
  const browser = visitor();
  for (const [address, known] of Object.entries(addresses)) {
    const options = await browser.fetch(address, { method: 'OPTIONS' });
    const allow = [...known, 'OPTIONS'].join(', ');
    assert.deepEqual([options.status, options.headers.allow, options.text], [204, allow, ''], address);
    for (const method of methods) {
      const answer = await browser.fetch(address, { method });
      const isKnown = known.includes(method);
      assert.equal(answer.status === 405, !isKnown, `${method} ${address} is ${answer.status}`);
      if (isKnown) continue;
      assert.equal(answer.headers.allow, allow, `${method} ${address}`);
      if (method !== 'HEAD') assert.equal(JSON.parse(answer.text).error, 'method-not-allowed');
    }
  }
  assert.equal((await browser.fetch('/_gate/nowhere', { method: 'PUT' })).status, 404);
  assert.equal((await browser.fetch('/_gate/login/', { method: 'PUT' })).status, 404);
  assert.equal(upstream.received.length, 0);
  assert.ok(audit('request').some(({ status }) => status === 405));
});

test('portal: a page that refuses a method is for people, and a HEAD has the headers of a GET', async (t) => {
  const { visitor } = await site(t);
  const browser = visitor();
  const page = await browser.open('/_gate/login', { method: 'DELETE' });
  assert.deepEqual([page.status, page.headers['content-type']], [405, 'text/html; charset=utf-8']);
  const got = await browser.open('/_gate/login');
  const head = await browser.open('/_gate/login', { method: 'HEAD' });
  assert.deepEqual([head.status, head.text], [got.status, '']);
  assert.equal(head.headers['content-type'], got.headers['content-type']);
  assert.equal(head.headers['content-length'], String(Buffer.byteLength(got.text)));
});
