/** When a browser is asked for a ticket, and what it is remembered by. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Offer } from '../../src/core/outcome.ts';
import { HeaderLines } from '../../src/core/request-head.ts';
import { forgetAsking, withoutRepeatedNegotiate } from '../../src/login/negotiate-cookie.ts';

const site = new URL('https://cc.example.com');
const now = Date.UTC(2026, 0, 5, 8);
const negotiate: Offer = { via: 'header', value: 'Negotiate' };
const bearer: Offer = { via: 'header', value: 'Bearer' };
const form: Offer = { via: 'form', form: 'password' };
const seconds = (ago: number) => `gatehouse-negotiate=${now / 1000 - ago}`;
const flags = 'HttpOnly; SameSite=Lax; Secure';

const cases: Readonly<
  Record<string, readonly [headers: Record<string, string>, isAsked: boolean, cookie: string | undefined]>
> = {
  'one that was never asked': [{}, true, `${seconds(0)}; Path=/; Max-Age=600; ${flags}`],
  'one that was asked just now, by another tab': [{ cookie: seconds(4) }, true, undefined],
  'one that was asked a moment ago': [{ cookie: seconds(5) }, false, undefined],
  'one that was asked among other cookies': [{ cookie: `a=b; ${seconds(300)}; c=d` }, false, undefined],
  'one that answered in vain': [{ cookie: 'gatehouse-negotiate=off' }, false, undefined],
  'one with a cookie of nonsense': [{ cookie: 'gatehouse-negotiate=%00' }, false, undefined],
  'one that answers with a ticket that is not taken': [
    { authorization: 'Negotiate YIIA' },
    false,
    `gatehouse-negotiate=off; Path=/; Max-Age=600; ${flags}`,
  ],
  'one that answers with NTLM': [
    { authorization: 'negotiate TlRMTVNTUAABAAAA' },
    false,
    `gatehouse-negotiate=off; Path=/; Max-Age=43200; ${flags}`,
  ],
  'one that proves itself otherwise': [{ authorization: 'Basic dmljdGltOngA', cookie: seconds(300) }, false, undefined],
};
const head = (headers: Record<string, string>) => new HeaderLines(Object.entries(headers).flat());
for (const [name, [headers, isAsked, cookie]] of Object.entries(cases))
  test(`negotiation: ${name} is ${isAsked ? '' : 'not '}asked for a ticket`, () => {
    const question = withoutRepeatedNegotiate([negotiate, bearer, form], head(headers), site, now);
    assert.deepEqual(question, { offers: [...(isAsked ? [negotiate] : []), bearer, form], ...(cookie && { cookie }) });
  });

test('negotiation: where nobody takes tickets nothing is asked and nothing remembered', () => {
  assert.deepEqual(withoutRepeatedNegotiate([form], head({}), site, now), { offers: [form] });
});

test('negotiation: a login forgets it, where there is something to forget', () => {
  assert.deepEqual(forgetAsking(head({ cookie: 'a=b' }), site), []);
  assert.deepEqual(forgetAsking(head({ cookie: 'gatehouse-negotiate=off' }), new URL('http://localhost')), [
    'gatehouse-negotiate=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax',
  ]);
});
