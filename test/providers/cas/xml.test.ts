/** What the reader of CAS answers takes and refuses: every document here comes from a server that lies, or from somebody in between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readTicketAnswer } from '../../../src/providers/cas/answer.ts';
import { readLogoutRequest } from '../../../src/providers/cas/logout-request.ts';
import { XmlError } from '../../../src/providers/cas/xml.ts';
import { failure, success, xmlns } from '../../support/scenes/cas-provider.ts';
import { trials } from '../../support/tools/properties.ts';

const answer = (content: string, root = `cas:serviceResponse ${xmlns}`): string =>
  `<${root}>${content}</${root.split(' ')[0]}>`;
const good = '<cas:authenticationSuccess><cas:user>admin</cas:user></cas:authenticationSuccess>';
const bad = '<cas:authenticationFailure code="INVALID_TICKET">no</cas:authenticationFailure>';
const nested = (depth: number): string => `${'<cas:x>'.repeat(depth)}${'</cas:x>'.repeat(depth)}`;
const declare = (entity: string): string => `<!DOCTYPE a [${entity}]>`;

const accepted: Readonly<Record<string, { document: string; user: string; attributes?: Record<string, string[]> }>> = {
  'a plain success': { document: success('alice'), user: 'alice' },
  'an XML declaration and white space around': {
    document: `<?xml version="1.0" encoding="UTF-8"?>\r\n\r\n${success('\n  alice\n  ')}\n`,
    user: 'alice',
  },
  'another prefix for the namespace': {
    document: success('alice').replaceAll('cas:', 'c:').replace('xmlns:cas', 'xmlns:c'),
    user: 'alice',
  },
  'the namespace as the default one': {
    document: success('alice').replaceAll('cas:', '').replace('xmlns:cas', 'xmlns'),
    user: 'alice',
  },
  'attributes of CAS 3.0, their case kept': {
    document: success(
      'alice',
      '<cas:attributes><cas:memberOf>a</cas:memberOf><cas:memberOf>b</cas:memberOf><cas:displayName> Al &amp; Ice </cas:displayName></cas:attributes>',
    ),
    user: 'alice',
    attributes: { memberOf: ['a', 'b'], displayName: [' Al & Ice '] },
  },
  'attributes of older servers': {
    document: success('alice', '<cas:attribute name="memberOf" value="a"/><cas:attribute name="memberOf" value="b"/>'),
    user: 'alice',
    attributes: { memberOf: ['a', 'b'] },
  },
  'both styles at once: the first counts, nothing is doubled': {
    document: success(
      'alice',
      '<cas:attributes><cas:mail>one</cas:mail></cas:attributes><cas:attribute name="mail" value="two"/>',
    ),
    user: 'alice',
    attributes: { mail: ['one'] },
  },
  'names of objects as attributes': {
    document: success(
      'alice',
      '<cas:attributes><cas:constructor>x</cas:constructor><cas:__proto__>y</cas:__proto__><cas:toString>z</cas:toString></cas:attributes>',
    ),
    user: 'alice',
    attributes: { constructor: ['x'], ['__proto__']: ['y'], toString: ['z'] } as unknown as Record<string, string[]>,
  },
  'an attribute that is called id or user, which is not the user': {
    document: success('alice', '<cas:attributes><cas:id>admin</cas:id><cas:user>admin</cas:user></cas:attributes>'),
    user: 'alice',
    attributes: { id: ['admin'], user: ['admin'] },
  },
  'elements that we do not know': {
    document: success('alice', '<cas:proxyGrantingTicket>PGTIOU-1</cas:proxyGrantingTicket><x xmlns="urn:x"><y/></x>'),
    user: 'alice',
  },
  'an attribute with elements of its own, which is left out': {
    document: success(
      'alice',
      '<cas:attributes><cas:memberOf><cas:x>admins</cas:x></cas:memberOf><cas:mail>m</cas:mail></cas:attributes>',
    ),
    user: 'alice',
    attributes: { mail: ['m'] },
  },
  'attributes of another namespace, which do not count': {
    document: success('alice', '<cas:attributes><e:memberOf xmlns:e="urn:evil">admins</e:memberOf></cas:attributes>'),
    user: 'alice',
    attributes: {},
  },
  'empty attributes': {
    document: success('alice', '<cas:attributes><cas:mail/></cas:attributes>'),
    user: 'alice',
    attributes: {},
  },
  'CDATA, which is text': { document: success('<![CDATA[al]]>ice'), user: 'alice' },
  'character references': { document: success('&#97;lice'), user: 'alice' },
  'a comment between elements': { document: success('alice', '<!-- made by CAS -->'), user: 'alice' },
};
for (const [what, { document, user, attributes = {} }] of Object.entries(accepted))
  test(`cas answers: ${what}`, () => {
    const read = readTicketAnswer(document);
    assert.ok(read.kind === 'success');
    assert.equal(read.user, user);
    assert.deepEqual([...read.attributes], Object.entries(attributes));
    assert.deepEqual(read.proxies, []);
  });

const refused: Readonly<Record<string, string>> = {
  nothing: '',
  'white space': ' \n',
  text: 'yes\nalice\n',
  JSON: '{"serviceResponse":{"authenticationSuccess":{"user":"admin"}}}',
  'a web page that repeats the tags': `<!doctype html><html><body>${success('admin')}</body></html>`,
  'a well-formed web page that repeats the tags': `<html xmlns="http://www.w3.org/1999/xhtml"><body>${success('admin')}</body></html>`,
  'no namespace': success('admin')
    .replaceAll('cas:', '')
    .replace(/xmlns="[^"]*"|xmlns:?cas="[^"]*"/, ''),
  'another namespace': success('admin').replace('http://www.yale.edu/tp/cas', 'http://evil.example/tp/cas'),
  'the namespace with a slash at its end': success('admin').replace('tp/cas', 'tp/cas/'),
  'the namespace in capitals': success('admin').replace('www.yale.edu', 'WWW.YALE.EDU'),
  'a prefix that is bound to nothing': success('admin').replace(` ${xmlns}`, ''),
  'a success in another namespace': answer(
    '<e:authenticationSuccess xmlns:e="urn:e"><cas:user>admin</cas:user></e:authenticationSuccess>',
  ),
  'a user in another namespace': answer(
    '<cas:authenticationSuccess><e:user xmlns:e="urn:e">admin</e:user></cas:authenticationSuccess>',
  ),
  'a prefix that is bound anew half way': answer(
    '<cas:authenticationSuccess xmlns:cas="urn:e"><cas:user>admin</cas:user></cas:authenticationSuccess>',
  ),
  'two roots': success('alice') + success('admin'),
  'text after the root': `${success('alice')}admin`,
  'text before the root': `admin${success('alice')}`,
  'a document that ends early': success('admin').slice(0, -10),
  'tags that do not match': success('admin').replace('</cas:user>', '</cas:usr>'),
  'an empty document type': `<!DOCTYPE a>${success('admin')}`,
  'an external document type': `<!DOCTYPE a SYSTEM "http://127.0.0.1:1/evil.dtd">${success('admin')}`,
  'an entity that reads a file': `${declare('<!ENTITY x SYSTEM "file:///etc/passwd">')}${success('&x;')}`,
  'an entity that holds the user': `${declare('<!ENTITY x "admin">')}${success('&x;')}`,
  'entities that explode': `${declare('<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">')}${success('&c;')}`,
  'a parameter entity': `${declare('<!ENTITY % x SYSTEM "http://127.0.0.1:1/x"> %x;')}${success('admin')}`,
  'an entity that nobody has declared': success('&admin;'),
  'a document type after the root': `${success('admin')}<!DOCTYPE a>`,
  'a success within a success': answer(`<cas:authenticationSuccess>${good}</cas:authenticationSuccess>`),
  'a success after a failure': answer(bad + good),
  'a failure after a success': answer(good + bad),
  'two successes': answer(good + good),
  'a success one level too deep': answer(`<cas:x>${good}</cas:x>`),
  'a success without the response around it': good.replace('>', ` ${xmlns}>`),
  'a response without a verdict': answer(''),
  'a verdict of another name': answer('<cas:proxySuccess><cas:proxyTicket>PT-1</cas:proxyTicket></cas:proxySuccess>'),
  'a success without a user': answer('<cas:authenticationSuccess/>'),
  'a user one level too deep': answer(
    '<cas:authenticationSuccess><cas:x><cas:user>admin</cas:user></cas:x></cas:authenticationSuccess>',
  ),
  'two users': success('alice', '<cas:user>admin</cas:user>'),
  'the same user twice': success('alice', '<cas:user>alice</cas:user>'),
  'an empty user': success(''),
  'a user of white space': success(' \n\t '),
  'a user with elements': success('al<cas:b>i</cas:b>ce'),
  'a comment in the user': success('admin<!-- -->.evil'),
  'a comment before the user': success('<!-- x -->admin'),
  'an instruction in the user': success('admin<?x y?>.evil'),
  'a comment in an attribute': success(
    'alice',
    '<cas:attributes><cas:memberOf>admins<!-- -->.not</cas:memberOf></cas:attributes>',
  ),
  'a comment in a proxy': success('alice', '<cas:proxies><cas:proxy>https://a<!-- -->.evil</cas:proxy></cas:proxies>'),
  'two lists of attributes': success(
    'alice',
    '<cas:attributes/><cas:attributes><cas:memberOf>admins</cas:memberOf></cas:attributes>',
  ),
  'two lists of proxies': success('alice', '<cas:proxies/><cas:proxies/>'),
  'a line break in the user': success('alice&#10;admin'),
  'a control character in the user': success('alice\u0085admin'),
  'a NUL in the user': success('alice&#0;'),
  'XML 1.1, which would allow control characters': `<?xml version="1.1"?>${success('alice&#1;')}`,
  'a very long user': success('a'.repeat(257)),
  'the same XML attribute twice': answer('<cas:authenticationFailure code="A" code="B"/>'),
  'elements nested without end': success('alice', nested(10_000)),
  'one level more than is read': success('alice', nested(5)),
  'elements without end': success('alice', '<cas:x/>'.repeat(10_000)),
  'more than a mebibyte': success('alice', ' '.repeat(1024 * 1024)),
};
for (const [what, document] of Object.entries(refused))
  test(`cas answers: refused is ${what}`, () => {
    assert.throws(() => readTicketAnswer(document), XmlError);
  });

test('cas answers: a success within a failure is a failure', () => {
  const document = answer(`<cas:authenticationFailure code="INVALID_TICKET">${good}</cas:authenticationFailure>`);
  assert.deepEqual(readTicketAnswer(document), { kind: 'failure', code: 'INVALID_TICKET' });
});

test('cas answers: a failure keeps its code, and nothing of its text', () => {
  assert.deepEqual(readTicketAnswer(failure('INVALID_TICKET', 'ST-1-secret is not known')), {
    kind: 'failure',
    code: 'INVALID_TICKET',
  });
  for (const code of ['', 'ST-1-secret', '<', 'invalid ticket', 'A'.repeat(65)])
    assert.deepEqual(readTicketAnswer(failure(code.replace('<', '&lt;'))), { kind: 'failure', code: 'UNKNOWN' });
});

test('cas answers: the chain of proxies is read in its order', () => {
  const read = readTicketAnswer(
    success(
      'alice',
      '<cas:proxies><cas:proxy>https://b/cb</cas:proxy><cas:proxy>https://a/cb</cas:proxy></cas:proxies>',
    ),
  );
  assert.ok(read.kind === 'success');
  assert.deepEqual(read.proxies, ['https://b/cb', 'https://a/cb']);
});

test('cas answers: whatever the document, it is an answer or an XmlError that repeats nothing of it', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '<cas:user>',
      '</cas:user>',
      '<cas:authenticationSuccess>',
      '</cas:authenticationSuccess>',
      '<!--',
      '-->',
      '<![CDATA[',
      ']]>',
      '&amp;',
      '<?x',
      '?>',
      '<!DOCTYPE a [',
      ']>',
      '"',
      "'",
      '\0',
    ),
    fc.string({ maxLength: 8 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const secret = 'needle-4711';
      try {
        const read = readTicketAnswer(answer(`${pieces.join('')}${secret}`));
        assert.ok(read.kind === 'success' || read.kind === 'failure');
      } catch (error) {
        assert.ok(error instanceof XmlError, String(error));
        assert.ok(!error.message.includes(secret));
      }
    }),
    trials(500),
  );
});

const saml = 'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"';
const logout = (index: string, root = 'samlp:LogoutRequest'): string =>
  `<${root} ${saml} ID="LR-1" Version="2.0" IssueInstant="2026-11-22T01:00:00Z"><saml:NameID>@NOT_USED@</saml:NameID>${index}</${root}>`;
const index = '<samlp:SessionIndex>ST-1-a.b_c-cas01</samlp:SessionIndex>';

test('cas logout requests: the ticket is read', () => {
  assert.equal(readLogoutRequest(logout(index)), 'ST-1-a.b_c-cas01');
  assert.equal(
    readLogoutRequest(`<?xml version="1.0"?>\n${logout('<samlp:SessionIndex>\n PT-9 \n</samlp:SessionIndex>')}`),
    'PT-9',
  );
  assert.equal(readLogoutRequest(logout(index).replaceAll('samlp', 'p')), 'ST-1-a.b_c-cas01');
});

const refusedLogouts: Readonly<Record<string, string>> = {
  nothing: '',
  'no XML': 'ST-1',
  'a document type (C3)': `<!DOCTYPE a SYSTEM "file:///etc/passwd">${logout(index)}`,
  'an entity for the ticket (C3)': `${declare('<!ENTITY x SYSTEM "file:///etc/hostname">')}${logout('<samlp:SessionIndex>ST-&x;</samlp:SessionIndex>')}`,
  'another root': logout(index, 'samlp:LogoutResponse'),
  'the root in the namespace of assertions': logout(index, 'saml:LogoutRequest'),
  'the namespace of SAML 1': logout(index).replace('SAML:2.0:protocol', 'SAML:1.0:protocol'),
  'no namespace': logout(index).replace(/ xmlns:\w+="[^"]*"/g, ''),
  'no ticket': logout(''),
  'two tickets': logout(index + index),
  'a ticket one level too deep': logout(`<samlp:x>${index}</samlp:x>`),
  'a ticket in another namespace': logout(index.replaceAll('samlp:', 'saml:')),
  'an empty ticket': logout('<samlp:SessionIndex/>'),
  'what is no ticket': logout('<samlp:SessionIndex>TGT-1</samlp:SessionIndex>'),
  'a ticket with a wildcard': logout('<samlp:SessionIndex>ST-*</samlp:SessionIndex>'),
  'a comment in the ticket': logout('<samlp:SessionIndex>ST-1<!-- -->2</samlp:SessionIndex>'),
  'more than a logout request needs': logout(index + ' '.repeat(16 * 1024)),
};
for (const [what, document] of Object.entries(refusedLogouts))
  test(`cas logout requests: refused is ${what}`, () => {
    assert.throws(() => readLogoutRequest(document), XmlError);
  });
