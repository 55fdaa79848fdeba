/** What answers a request that is not forwarded: a pure function of the verdict and the head, the same over every connection. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../src/core/errors.ts';
import { HeaderLines } from '../../src/core/request-head.ts';
import type { Session } from '../../src/core/session.ts';
import { type Asking, answerFor, type Declined } from '../../src/gateway/answer.ts';
import { pageOptions } from '../../src/pages/options.ts';
import { createPages } from '../../src/pages/pages.ts';
import { PageSender } from '../../src/portal/page-sender.ts';
import { testRoute } from '../support/scenes/data-plane.ts';
import { site } from '../support/scenes/site.ts';
import { until } from '../support/tools/poll.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';

const publicUrl = new URL('https://cc.example.com');
const pages = new PageSender(createPages(pageOptions.parse({})), publicUrl, () => ({ openTo: [] }));
const parts = { pages, publicUrl, now: 0 };
const route = testRoute(['http://127.0.0.1:1']);
const target = { path: '/desk', query: '?q=1', host: 'cc.example.com', port: '443' };

function asking(more: Partial<Asking['request']> = {}, rest: Partial<Asking> = {}): Asking {
  const request = {
    id: 'request-1',
    method: 'GET',
    target: '/desk?q=1',
    headers: new HeaderLines(['Host', 'cc.example.com']),
    upgrade: false,
    peer: '127.0.0.1',
    signal: new AbortController().signal,
    ...more,
  };
  return { request, isPage: true, ...rest };
}

const login: Declined = { kind: 'authenticate', route, target, offers: [], reason: 'login-required' };
const proof: Declined = { kind: 'step-up', route, target, session: {} as Session, reason: 'too-old' };
const refusal: Declined = { kind: 'refuse', error: new GatewayError('ACCESS_DENIED', 'x'), reason: 'role-missing' };
const slash: Declined = { kind: 'redirect', target, location: '/desk/' };

function told(from: Asking, verdict: Declined): { status?: number; headers?: object; body?: string; kind: string } {
  const answering = answerFor(from, verdict, parts);
  return answering.kind === 'answer' ? { kind: 'answer', ...answering.answer } : { kind: answering.kind };
}

const locationOf = (answer: { headers?: object }) => (answer.headers as Record<string, string>).location;

test('answer: a page load is led to the login, and behind a front proxy by the public address', () => {
  const here = told(asking(), login);
  assert.deepEqual([here.status, locationOf(here)], [302, '/_gate/login?return=%2Fdesk%3Fq%3D1']);
  const there = told(asking({}, { origin: publicUrl.origin }), login);
  assert.equal(locationOf(there), 'https://cc.example.com/_gate/login?return=%2Fdesk%3Fq%3D1');
});

test('answer: a program is told in JSON where to sign in, and a WebSocket never the address of its own', () => {
  const script = told(asking({}, { isPage: false }), login);
  assert.equal(script.status, 401);
  assert.deepEqual(JSON.parse(script.body ?? ''), {
    error: 'login-required',
    login: '/_gate/login?return=%2Fdesk%3Fq%3D1',
  });
  const socket = told(asking({ upgrade: true }, { isPage: false }), login);
  assert.deepEqual(JSON.parse(socket.body ?? ''), { error: 'login-required', login: '/_gate/login?return=%2F' });
});

test('answer: a WebSocket that needs a fresh proof is told an address that asks for one (8 S14)', () => {
  const { status, body = '' } = told(asking({ upgrade: true }, { isPage: false }), proof);
  assert.equal(status, 401);
  assert.deepEqual(JSON.parse(body), {
    error: 'login-required',
    reason: 'too-old',
    login: '/_gate/login?return=%2F&confirm=1',
  });
});

test('answer: offers in headers reach a program, and a browser gets the login page with them', () => {
  const offered: Declined = { ...login, offers: [{ via: 'header', value: 'Negotiate' }] };
  const { headers } = told(asking({}, { isPage: false }), offered);
  assert.deepEqual((headers as Record<string, unknown>)['www-authenticate'], ['Negotiate']);
  assert.equal(told(asking(), offered).kind, 'login-page');
  const { headers: ofSocket } = told(asking({ upgrade: true }, { isPage: false }), offered);
  assert.equal('www-authenticate' in (ofSocket ?? {}), false);
});

test('answer: a form is to be kept, a refusal is a page to people and JSON to programs', () => {
  assert.equal(told(asking({ method: 'POST' }), login).kind, 'keep-form');
  const page = told(asking(), refusal);
  assert.match(page.body ?? '', /<html/);
  assert.match((page.headers as Record<string, string>)['content-security-policy'] ?? '', /default-src 'none'/);
  assert.deepEqual(JSON.parse(told(asking({}, { isPage: false }), refusal).body ?? '').error, 'access-denied');
});

test('answer: the closing slash is a permanent redirect, but to a WebSocket there is nothing', () => {
  assert.deepEqual([told(asking(), slash).status, locationOf(told(asking(), slash))], [301, '/desk/']);
  assert.equal(told(asking({ method: 'POST' }), slash).status, 308);
  assert.equal(told(asking({ upgrade: true }, { isPage: false }), slash).status, 404);
});

test('answer: TRACE and CONNECT are refused like everything else: on record, and counted', async (t) => {
  const { url, audit, admin, upstream } = await site(t);
  const host = `Host: ${url.host}`;
  const lines = ['TRACE /public/x HTTP/1.1', 'CONNECT a.example:443 HTTP/1.1'];
  // Neither the portal's, nor sent on to its closing slash.
  for (const line of [...lines, 'TRACE /_gate/login HTTP/1.1', 'TRACE /plain HTTP/1.1', 'TRACE /nowhere HTTP/1.1']) {
    const answer = await sendRaw(url, requestOf([line, host, 'Connection: close']));
    assert.match(answer.text, /^HTTP\/1\.1 405 Method Not Allowed\r\n/, line);
    assert.match(answer.text, /"error":"method-not-allowed"/, line);
    const allow = line.includes('_gate') ? 'GET, HEAD, POST, OPTIONS' : 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';
    assert.equal(/^allow: (.*)\r$/im.exec(answer.text)?.[1], allow, line);
    const [method, target] = line.split(' ');
    const record = await until('it is on record', () =>
      audit('request').find((entry) => entry.method === method && (method === 'CONNECT' || entry.path === target)),
    );
    assert.deepEqual([record.status, record.reason, record.verdict], [405, 'method-not-allowed', 'refuse'], line);
  }
  const metrics = await (await fetch(new URL('/metrics', admin))).text();
  assert.match(metrics, /^gatehouse_\w+\{[^}]*reason="method-not-allowed"[^}]*\} 5$/m);
  assert.equal(upstream.received.length, 0);
});
