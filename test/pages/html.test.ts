/** The template tag: nothing unescaped, no address that a browser would run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { html, safeAddress } from '../../src/pages/html.ts';
import { trials } from '../support/tools/properties.ts';

test('html: text is escaped, in tags and in attributes', () => {
  const evil = `"><script>alert('x')</script>&`;
  const escaped = '&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;';
  assert.equal(html`<p title="${evil}">${evil}</p>`.toString(), `<p title="${escaped}">${escaped}</p>`);
});

test('html: markup goes in as it is, lists are joined, absent parts leave nothing', () => {
  const items = ['a', '<b>'].map((text) => html`<li>${text}</li>`);
  assert.equal(html`<ul>${items}${undefined}${false}${0}</ul>`.toString(), '<ul><li>a</li><li>&lt;b&gt;</li>0</ul>');
});

test('html: whatever the value, it never opens a tag or leaves its attribute', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (value) => {
      const markup = html`<p title="${value}">${value}</p>`.toString();
      assert.match(markup, /^<p title="[^<>"\0]*">[^<>"\0]*<\/p>$/);
    }),
    trials(),
  );
});

test('html: an object that only looks like markup is text', () => {
  const forged = { toString: () => '<script>' } as unknown as string;
  assert.equal(html`${forged}`.toString(), '&lt;script&gt;');
});

test('html: an attribute without quotes is refused, and text among attributes too', () => {
  assert.throws(() => html`<a class=${'x onclick=alert(1)'}>`, TypeError);
  assert.throws(() => html` class=${'x onclick=alert(1)'}`, TypeError);
  assert.throws(() => html`<a ${'onclick=alert(1)'}>`, TypeError);
  assert.equal(html`<a${html` class="${'x'}"`}>a = ${'b'}</a>`.toString(), '<a class="x">a = b</a>');
  assert.equal(html`<a href="/x?id=${'<'}&amp;b=${'>'}">`.toString(), '<a href="/x?id=&lt;&amp;b=&gt;">');
});

const refused = [
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  ' javascript:alert(1)',
  '\u0001javascript:alert(1)',
  'java\nscript:alert(1)',
  'java\tscript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:msgbox(1)',
  'blob:https://x/1',
  'file:///etc/passwd',
  '//evil.example',
  '/\\evil.example',
  '/\t/evil.example',
  '\\\\evil.example',
  'http:evil.example',
  'relative',
  '',
];
for (const address of refused)
  test(`html: the address ${JSON.stringify(address)} does not reach an attribute`, () => {
    for (const markup of [html`<a href="${address}">`, html`<form action="${address}">`, html`<img src="${address}">`])
      assert.match(markup.toString(), /="about:invalid">$/);
  });

const kept = ['/', '/a?b=1&c=%2F', 'https://idp.example/x', 'http://a.example', 'mailto:a@b.example', 'tel:+3312345'];
for (const address of kept)
  test(`html: the address ${address} is kept`, () => assert.equal(safeAddress(address), address));
