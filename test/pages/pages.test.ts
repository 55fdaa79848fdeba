/** Every page in every language: well-formed, safe, and complete for keyboards, screen readers and password managers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceCode } from '../../src/core/reference-code.ts';
import { languageNames } from '../../src/pages/language.ts';
import { pageOptions } from '../../src/pages/options.ts';
import { contentSecurityPolicy, createPages, type PageView } from '../../src/pages/pages.ts';
import { type Element, readDocument } from './document.ts';
import { everyView, hostilePages } from './views.ts';

const pages = createPages(pageOptions.parse({}));
const render = (view: PageView): string => pages.render('en', view);
const only = (elements: readonly Element[], name: string): Element[] =>
  elements.filter((element) => element.name === name);
const field = (elements: readonly Element[], name: string): Element | undefined =>
  elements.find((element) => element.name === 'input' && element.attributes.get('name') === name);

for (const language of languageNames)
  for (const [name, view] of everyView(language))
    test(`pages: ${name} in ${language} is sound, whatever names and texts it shows`, () => {
      const elements = readDocument(hostilePages.render(language, view));
      checkSafety(elements);
      checkAccess(elements, language);
    });

/** Nothing inline, nothing from elsewhere: what the policy of the pages asks. */
function checkSafety(elements: readonly Element[]): void {
  assert.equal(only(elements, 'style').length, 0);
  for (const { name, attributes } of elements) {
    assert.notEqual(name, 'iframe');
    for (const attribute of attributes.keys()) assert.doesNotMatch(attribute, /^(?:on|style$|srcdoc$)/);
    const source = attributes.get('src') ?? (name === 'link' ? attributes.get('href') : undefined);
    if (name === 'script' || source !== undefined)
      assert.match(source ?? '', /^\/_gate\/assets\/[a-z]+\.[a-z]+\?v=[\w-]{16}$/);
    for (const address of [attributes.get('href'), attributes.get('action')])
      if (address !== undefined) assert.match(address, /^\/(?!\/)|^mailto:|^https:\/\/intranet\.example\/help$/);
  }
}

function checkAccess(elements: readonly Element[], language: string): void {
  assert.equal(elements[0]?.attributes.get('lang'), language);
  for (const name of ['title', 'h1', 'main', 'header', 'footer']) assert.equal(only(elements, name).length, 1, name);
  const ids = elements.flatMap(({ attributes }) => attributes.get('id') ?? []);
  assert.equal(new Set(ids).size, ids.length, 'ids are unique');
  for (const { attributes } of elements)
    for (const id of [attributes.get('for'), ...(attributes.get('aria-describedby') ?? '').split(' ')])
      if (id) assert.ok(ids.includes(id), `nothing has the id ${id}`);
  const labelled = new Set(only(elements, 'label').map(({ attributes }) => attributes.get('for')));
  for (const { attributes } of only(elements, 'input')) {
    const hidden = attributes.get('type') === 'hidden' || attributes.get('aria-hidden') === 'true';
    assert.ok(hidden || labelled.has(attributes.get('id')), `a label for ${attributes.get('name')}`);
  }
  assert.ok(elements.filter(({ attributes }) => attributes.has('autofocus')).length <= 1, 'one focus');
  for (const { attributes } of only(elements, 'form')) assert.equal(attributes.get('method'), 'post');
}

const login = { kind: 'login', action: '/_gate/login', ways: [{ kind: 'form' }] } as const;

test('pages: the login form is what password managers know', () => {
  const elements = readDocument(render(login));
  assert.equal(field(elements, 'username')?.attributes.get('autocomplete'), 'username');
  assert.equal(field(elements, 'username')?.attributes.get('autocapitalize'), 'none');
  assert.equal(field(elements, 'password')?.attributes.get('autocomplete'), 'current-password');
  assert.equal(field(elements, 'password')?.attributes.get('type'), 'password');
});

test('pages: the focus goes to the first thing left to type, and nowhere when a button comes first', () => {
  const focused = (view: PageView): (string | undefined)[] =>
    readDocument(render(view)).flatMap(({ attributes }) => (attributes.has('autofocus') ? attributes.get('name') : []));
  const sso = { kind: 'link', href: '/_gate/start/sso', name: 'SSO' } as const;
  assert.deepEqual(focused(login), ['username']);
  assert.deepEqual(focused({ ...login, username: 'alice' }), ['password']);
  assert.deepEqual(focused({ ...login, ways: [sso, { kind: 'form' }] }), []);
});

test('pages: a failed login is an alert that both fields point to, and the password is not repeated', () => {
  const elements = readDocument(
    render({ ...login, username: 'alice', notice: { code: 'login-failed' }, requestId: 'r-1' }),
  );
  const alert = elements.find(({ attributes }) => attributes.get('role') === 'alert');
  assert.equal(alert?.attributes.get('id'), 'notice');
  for (const name of ['username', 'password']) {
    assert.equal(field(elements, name)?.attributes.get('aria-describedby'), 'notice');
    assert.equal(field(elements, name)?.attributes.get('aria-invalid'), 'true');
  }
  assert.equal(field(elements, 'username')?.attributes.get('value'), 'alice');
  assert.equal(field(elements, 'password')?.attributes.has('value'), false);
});

test('pages: an outage is not told as a wrong password', () => {
  const elements = readDocument(render({ ...login, username: 'alice', notice: { code: 'unavailable' } }));
  assert.equal(field(elements, 'password')?.attributes.has('aria-invalid'), false);
  assert.ok(elements.some(({ attributes }) => attributes.get('role') === 'alert'));
});

test('pages: the ways to sign in keep the order of the chain', () => {
  const sso = { kind: 'link', href: '/_gate/start/sso', name: 'SSO' } as const;
  const names = (view: PageView): string[] =>
    readDocument(render(view)).flatMap(({ name, attributes }) =>
      name === 'form' ? 'form' : attributes.get('href')?.startsWith('/_gate/start/') ? 'link' : [],
    );
  assert.deepEqual(names({ ...login, ways: [sso, { kind: 'form' }] }), ['link', 'form']);
  assert.deepEqual(names({ ...login, ways: [{ kind: 'form' }, sso, sso] }), ['form', 'link', 'link']);
});

test('pages: a way to sign in that leads to a script is dead', () => {
  const evil = { kind: 'link', href: 'javascript:alert(1)', name: 'x' } as const;
  assert.doesNotMatch(render({ ...login, ways: [evil] }), /javascript:/);
});

test('pages: a new password has its own fields, told apart for password managers', () => {
  const view = {
    kind: 'new-password',
    action: '/_gate/login',
    username: 'alice',
    asksForCurrent: true,
    reason: 'password-must-change',
    restartHref: '/_gate/login',
  } as const;
  const elements = readDocument(render(view));
  const wanted = {
    username: 'username',
    password: 'current-password',
    newPassword: 'new-password',
    newPasswordAgain: 'new-password',
  };
  for (const [name, autocomplete] of Object.entries(wanted))
    assert.equal(field(elements, name)?.attributes.get('autocomplete'), autocomplete);
});

test('pages: a denial names who may pass and whom to ask, and no reason code', () => {
  const denied = {
    kind: 'denied',
    reason: 'role-missing',
    requestId: 'r-1',
    username: 'agent1',
    openTo: ['Supervisors'],
  } as const;
  const asked = createPages(pageOptions.parse({ helpContact: 'desk@example.com' }));
  const markup = asked.render('en', denied);
  for (const words of ['Supervisors', 'agent1', 'mailto:desk@example.com', referenceCode('r-1')])
    assert.ok(markup.includes(words), words);
  assert.doesNotMatch(markup, /role-missing/);
  assert.match(asked.render('en', { ...denied, contact: 'Team lead North' }), /Team lead North/);
  const perLanguage = { ...denied, contact: { en: 'Team lead North', fr: 'nord@example.com' } };
  assert.match(asked.render('fr', perLanguage), /href="mailto:nord@example\.com"/);
  assert.doesNotMatch(asked.render('en', perLanguage), /nord@example/);
});

test('pages: every error shows the code of its request, for the operator', () => {
  const shown = new RegExp(`<code>${referenceCode('req-4711')}</code>`);
  for (const [name, view] of everyView('en').filter(([name]) => /^error|^denied|^loop|^not sent/.test(name)))
    assert.match(render({ ...view, requestId: 'req-4711' } as PageView), shown, name);
});

test('pages: a saved form is sent by a button, field by field, and never by itself', () => {
  const fields = [
    ['a', '1'],
    ['a', '2'],
    ['b\n', 'x\r\ny'],
  ] as const;
  const elements = readDocument(render({ kind: 'replay', action: '/app?x=1', fields, discardHref: '/' }));
  const inputs = only(elements, 'input').map(({ attributes }) => [attributes.get('name'), attributes.get('value')]);
  assert.deepEqual(
    inputs,
    fields.map(([name, value]) => [name, value]),
  );
  assert.equal(only(elements, 'form')[0]?.attributes.get('action'), '/app?x=1');
  assert.equal(only(elements, 'button').filter(({ attributes }) => attributes.get('type') === 'submit').length, 1);
});

test('pages: a contact becomes a link where it can be one', () => {
  const help = (helpContact: string): string =>
    createPages(pageOptions.parse({ helpContact }))
      .render('en', login)
      .match(/<p class="help">.*<\/p>/)?.[0] ?? '';
  assert.match(help('+33 1 23 45'), /href="tel:\+3312345"/);
  assert.match(help('https://help.example/x'), /href="https:\/\/help\.example\/x"/);
  assert.doesNotMatch(help('javascript:alert(1)'), /href/);
  assert.doesNotMatch(help('your team lead'), /href/);
});

test('pages: the help text stands where one signs in, the contact on the other pages too', () => {
  const asked = createPages(
    pageOptions.parse({ helpText: 'Use your Windows password.', helpContact: 'desk@example.com' }),
  );
  for (const [name, view] of everyView('en')) {
    const markup = asked.render('en', view);
    assert.equal(markup.includes('Use your Windows password.'), /^(?:login|step-up)/.test(name), name);
    assert.ok(name === 'closed' || markup.includes('mailto:desk@example.com') || view.kind === 'denied', name);
  }
});

test('pages: a name that is written from the right does not turn the sentence around it', () => {
  const username = 'عبد الرحمن (2)';
  const views: PageView[] = [
    { kind: 'logout', action: '/_gate/logout', hidden: {}, stayHref: '/', username },
    { kind: 'step-up', action: '/_gate/login', ways: [{ kind: 'form' }], cancelHref: '/', username },
    { kind: 'denied', reason: 'role-missing', requestId: 'r-1', username },
  ];
  for (const view of views) assert.ok(render(view).includes(`Signed in as <bdi>${username}</bdi>`), view.kind);
});

test('pages: each page offers what helps most as its main button', () => {
  const main = (view: PageView): string | undefined =>
    /class="button primary" href="[^"]*">(?:<span>)?([^<]*)/.exec(render(view))?.[1];
  const error = { kind: 'error', requestId: 'r-1' } as const;
  assert.equal(main({ ...error, code: 'UPSTREAM_UNREACHABLE', retryHref: '/a' }), 'Try again');
  assert.equal(main({ ...error, code: 'NOT_FOUND' }), 'Go to the start page');
  const denied = { kind: 'denied', requestId: 'r-1', username: 'alice', switchHref: '/_gate/login?switch=1' } as const;
  assert.equal(main({ ...denied, reason: 'role-missing' }), 'Go to the start page');
  assert.equal(main({ ...denied, reason: 'provider-not-admitted' }), 'Sign in another way');
});

test('pages: a wrong password to confirm is not told as a wrong user name', () => {
  const stepUp = { kind: 'step-up', action: '/_gate/login', ways: [{ kind: 'form' }], cancelHref: '/' } as const;
  const markup = render({ ...stepUp, username: 'alice', notice: { code: 'login-failed' } });
  const alert = /role="alert"><p>([^<]*)/.exec(markup)?.[1];
  assert.equal(alert, 'The password is wrong.');
  assert.equal(field(readDocument(markup), 'password')?.attributes.get('aria-invalid'), 'true');
});

test('pages: the policy allows no inline code, and other form targets only by name', () => {
  assert.doesNotMatch(contentSecurityPolicy(), /unsafe|\*/);
  assert.match(contentSecurityPolicy(['https://idp.example']), /form-action 'self' https:\/\/idp\.example;/);
});
