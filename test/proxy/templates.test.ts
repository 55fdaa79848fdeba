/** Header templates: what is refused when they are read, and how values are written. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration's templates look like that.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OperatorError } from '../../src/core/errors.ts';
import {
  compileTemplates,
  encodeValue,
  literalVariables,
  maxHeaderLength,
  maxIdentityLength,
  renderTemplates,
} from '../../src/proxy/templates.ts';
import { alice, session } from '../support/scenes/data-plane.ts';
import { bounded } from '../support/tools/bounded.ts';
import { trials } from '../support/tools/properties.ts';

const render = (template: string, more: object = {}, encoding?: 'percent' | 'rfc8187') =>
  renderTemplates(compileTemplates([{ name: 'X-Test', template, ...(encoding && { encoding }) }]), {
    principal: { ...alice, ...more },
    session,
  }).headers.get('x-test');

test('templates: every variable has its value', () => {
  const attributes = { ...alice.attributes, department: ['support', 'sales'] };
  assert.equal(
    render('${subject}|${name}|${email}|${groups}|${roles}|${provider}|${tenant}|${attribute:department}|${session}', {
      tenant: 'acme',
      attributes,
    }),
    'alice|Alice Example|alice@example.com|agents,staff|agent,supervisor|directory|acme|support,sales|session-1',
  );
  assert.equal(render('fixed'), 'fixed');
  assert.equal(render('Bearer ${subject}$x{y'), 'Bearer alice$x{y');
});

test('templates: one absent value makes the whole header absent', () => {
  assert.equal(render('${subject} of ${tenant}'), undefined);
  assert.equal(render('${attribute:none}'), undefined);
  assert.equal(render('${groups}', { attributes: { groups: [] } }), undefined);
  assert.equal(render('${groups}', { attributes: { groups: ['', ''] } }), undefined);
  assert.equal(renderTemplates(compileTemplates([{ name: 'X-A', template: '${subject}' }]), undefined).headers.size, 0);
  assert.equal(
    renderTemplates(compileTemplates([{ name: 'X-A', template: 'fixed' }]), undefined).headers.get('x-a'),
    'fixed',
  );
});

const bad: Readonly<Record<string, { name: string; template: string }>> = {
  'an unknown variable': { name: 'X-A', template: '${user}' },
  "a property of every object's": { name: 'X-A', template: '${constructor}' },
  'an open brace': { name: 'X-A', template: '${subject' },
  'an attribute without a name': { name: 'X-A', template: '${attribute:}' },
  'a line break': { name: 'X-A', template: 'a\r\nb' },
  'an empty template': { name: 'X-A', template: '' },
  'a name with an underscore': { name: 'X_A', template: 'a' },
  'a header of the connection': { name: 'Connection', template: 'a' },
  'the length of the body': { name: 'Content-Length', template: '1' },
  'the cookies': { name: 'Cookie', template: 'a' },
  'the signed identity': { name: 'X-Gatehouse-Assertion', template: 'a' },
};
for (const [name, rule] of Object.entries(bad))
  test(`templates: ${name} is refused when the configuration is read, with a hint`, () => {
    assert.throws(
      () => compileTemplates([rule]),
      (error) => error instanceof OperatorError && error.hint !== undefined && error.message.includes(rule.name),
    );
  });

test('templates: of two rules for a name the later counts, however it is spelt', () => {
  const rendered = renderTemplates(
    compileTemplates([
      { name: 'X-A', template: 'one' },
      { name: 'x-a', template: 'two' },
    ]),
    undefined,
  );
  assert.deepEqual([...rendered.headers], [['x-a', 'two']]);
});

test('templates: encoded values are printable ASCII and decode to what they were', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (value) => {
      const encoded = encodeValue(value);
      assert.match(encoded, /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/);
      assert.equal(decodeURIComponent(encoded), value.toWellFormed());
    }),
    trials(),
  );
});

test('templates: spaces within a value, however many, take no long time', () => {
  const value = `a${' '.repeat(400_000)}b`;
  assert.equal(
    bounded(() => encodeValue(value)),
    value,
  );
  assert.equal(
    bounded(() => encodeValue(` ${value}  `)),
    `%20${value}%20%20`,
  );
  assert.equal(
    bounded(() => encodeValue('   ')),
    '%20%20%20',
  );
});

test('templates: RFC 8187 values name their charset and decode to what they were', () => {
  assert.equal(
    render('${name}', { attributes: { name: ["Jérôme O'Neil"] } }, 'rfc8187'),
    "UTF-8''J%C3%A9r%C3%B4me%20O%27Neil",
  );
});

test('templates: what no upstream would take is left out and named', () => {
  const rules = compileTemplates([
    { name: 'X-User', template: '${subject}' },
    { name: 'X-Long', template: '${attribute:long}' },
  ]);
  const identity = (long: string) => ({ principal: { ...alice, attributes: { long: [long] } } });
  assert.equal(renderTemplates(rules, identity('a'.repeat(maxHeaderLength))).headers.size, 2);
  assert.deepEqual(renderTemplates(rules, identity('a'.repeat(maxHeaderLength + 1))).omitted, ['x-long']);
  const crowded = renderTemplates(rules, identity('a'.repeat(6000)), maxIdentityLength - 5000);
  assert.deepEqual([[...crowded.headers.keys()], crowded.omitted], [['x-user'], ['x-long']]);
});

const foreign = {
  $remote_user: 'write ${subject}; ',
  'Basic $user': 'write ${subject}; ',
  $subject: 'write ${subject}; ',
  // 8 O2: nginx's own.
  $http_x_user: 'write ${subject}; ',
  $http_x_forwarded_user: 'write ${subject}; ',
  $upstream_http_x_auth_request_email: 'write ${email}; ',
  $http_x_remote_groups: 'write ${groups}; ',
  $jwt_claim_department: 'write ${attribute:department}; ',
  $ldap_telephoneNumber: 'write ${attribute:telephoneNumber}; ',
  $remote_addr: 'none is the client’s address: every upstream is sent it in X-Forwarded-For',
  $proxy_add_x_forwarded_for: 'none is the client’s address',
  $http_x_forwarded_for: 'none is the client’s address',
  $scheme: 'none is the scheme: every upstream is sent it in X-Forwarded-Proto',
  $http_host: 'none is the host: every upstream is sent it in X-Forwarded-Host',
  $ssl_client_s_dn: 'none is of TLS or of a client certificate',
  $http_user_agent: 'none is a header of the request: what a client sends goes on under its own name',
  $http_accept: 'none is a header of the request',
  $http_authorization: 'none is that header',
  $cookie_lang: 'none is a cookie',
  $request_uri: 'none is of the request line',
  $arg_tenant: 'none is of the request line',
  $upstream_addr: 'none is of an answer',
  $msec: 'none has its meaning; there are ${subject} ',
} as const;
for (const [template, hint] of Object.entries(foreign))
  test(`templates: ${template} is text for us, and told with the variable that is meant`, () => {
    const [found, ...more] = literalVariables(template);
    assert.deepEqual([template.endsWith(found?.text ?? '?'), more], [true, []]);
    assert.ok(found?.hint.startsWith(hint), found?.hint);
  });

test('templates: a variable of another gateway in braces is refused with the one of ours, or with what brings it', () => {
  const hint = (template: string): string | undefined => {
    try {
      compileTemplates([{ name: 'X-A', template }]);
      return undefined;
    } catch (error) {
      return error instanceof OperatorError ? error.hint : undefined;
    }
  };
  assert.match(hint('${remote_user}') ?? '', /^did you mean \$\{subject\}\? there are /);
  assert.match(hint('${remote_addr}') ?? '', /X-Forwarded-For, without a template; there are /);
});

test('templates: a price and a variable of ours are no foreign variables', () => {
  assert.deepEqual(literalVariables('$5 for ${subject} and ${attribute:cn}$'), []);
});
