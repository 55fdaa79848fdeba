/** One example of every page and of its variants, with words in it that would hurt a page that does not escape. */
import { errorCodes } from '../../src/core/errors.ts';
import { type Language, languages } from '../../src/pages/language.ts';
import { pageOptions } from '../../src/pages/options.ts';
import { createPages, type PageView } from '../../src/pages/pages.ts';

/** Breaks out of text, attributes, comments and scripts alike. */
export const hostile = `</title></textarea>--><script>alert("1")</script><img src=x onerror='alert(1)'>\r\nSet-Cookie: a=b`;

/** Pages with an operator's texts, which are no more trusted than a user's. */
export const hostilePages = createPages(
  pageOptions.parse({ siteName: hostile.slice(0, 60), helpText: hostile, helpContact: { fr: hostile } }),
);

const sessions = [true, false, false].map((current, i) => ({
  id: `session-${i}`,
  userAgent: i === 2 ? hostile : 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Edg/140.0',
  address: hostile,
  method: hostile,
  createdAt: 0,
  lastSeenAt: i * 60_000,
  current,
}));
const hidden = { form: hostile, [hostile]: hostile };
const form = { kind: 'form' } as const;
const link = { kind: 'link', href: '/_gate/start/sso', name: hostile } as const;
const requestId = hostile;

/** The pages between the first proof and the session. */
function factorViews(language: Language): readonly (readonly [name: string, view: PageView])[] {
  const { problems, over } = languages[language].factor;
  const factor = { name: 'app', type: 'totp' } as const;
  const named = { name: 'other', type: 'unknown', label: { fr: hostile, en: hostile } } as const;
  const step = {
    ...{ action: '/_gate/factor', hidden, username: hostile, minutesLeft: 9, restartHref: '/_gate/login', requestId },
  } as const;
  const uri = `otpauth://totp/a:b?secret=${'A'.repeat(32)}`;
  const page = { kind: 'authenticator', uri, secret: 'ABCD EFGH', digits: 6 } as const;
  return [
    [
      'tenant choice',
      {
        kind: 'tenant-choice',
        ...step,
        tenants: [
          { name: 'acme', company: hostile },
          { name: 'globex', company: 'Globex' },
        ],
      },
    ],
    ['factor choice', { kind: 'factor-choice', ...step, purpose: 'prove', factors: [factor, named] }],
    ['factor choice, to set one up', { kind: 'factor-choice', ...step, purpose: 'enrol', factors: [named] }],
    ['factor', { kind: 'factor', ...step, factor, page: { kind: 'code', digits: 6 }, hasOthers: true }],
    ...(Object.keys(problems) as (keyof typeof problems)[]).map((code) => {
      const asked = { kind: 'code', prompt: hostile, contact: hostile } as const;
      const problem = { code, retryAfterSeconds: 90 };
      return [
        `factor, ${code}`,
        { kind: 'factor', ...step, factor: named, page: asked, hasOthers: false, problem },
      ] as const;
    }),
    ...['create', 'get'].map((ceremony) => {
      const asked = { kind: 'key', ceremony: ceremony as 'create' | 'get', options: { challenge: hostile } } as const;
      return [`key, ${ceremony}`, { kind: 'factor', ...step, factor: named, page: asked, hasOthers: true }] as const;
    }),
    [
      'factor, of several methods',
      {
        ...{ kind: 'factor', ...step, factor: named, hasOthers: true },
        page: { kind: 'code', methods: [{ id: hostile, label: hostile }], sendsLeft: 1, contact: hostile },
      },
    ],
    [
      'enrolment of a key',
      {
        ...{ kind: 'enrolment', ...step, factor: named, hasOthers: true },
        page: { kind: 'key', ceremony: 'create', options: { challenge: hostile } },
      },
    ],
    ...(['mail', 'sms'] as const).flatMap((medium) =>
      [undefined, hostile].map((told) => {
        const contact = { kind: 'contact', medium, ...(told !== undefined && { told }) } as const;
        const view = { kind: 'enrolment', ...step, factor: named, hasOthers: true, page: contact } as const;
        return [`enrolment of a contact, ${medium}, ${told === undefined ? 'typed' : 'known'}`, view] as const;
      }),
    ),
    [
      'enrolment of a contact, mistyped',
      {
        ...{ kind: 'enrolment', ...step, factor: named, hasOthers: false, problem: { code: 'no-contact' } },
        page: { kind: 'contact', medium: 'mail' },
      },
    ],
    [
      'enrolment of a contact, its code',
      {
        ...{ kind: 'enrolment', ...step, factor: named, hasOthers: true, problem: { code: 'code-wrong' } },
        page: { kind: 'code', digits: 6, contact: hostile, sendsLeft: 2 },
      },
    ],
    [
      'enrolment of recovery codes',
      {
        ...{ kind: 'enrolment', ...step, factor: named, hasOthers: false },
        page: { kind: 'spare-codes', codes: ['01234-56789', hostile] },
      },
    ],
    ...[
      undefined,
      { kind: 'refused' },
      { kind: 'too-many' },
      { kind: 'has-factors' },
      { kind: 'reset', user: hostile },
    ].map((result) => {
      const view = {
        kind: 'pass',
        action: '/_gate/pass',
        hidden,
        username: hostile,
        makesCodes: result !== undefined,
        backHref: '/',
        requestId,
      } as const;
      return [`pass, ${result?.kind ?? 'first'}`, { ...view, ...(result && { result }) } as PageView] as const;
    }),
    ...(['pass', 'code'] as const).map((what) => {
      const view = {
        kind: 'pass',
        action: '/_gate/pass',
        hidden,
        username: hostile,
        backHref: '/',
        requestId,
      } as const;
      const result = { kind: 'issued', what, user: hostile, code: '01234567', uses: 1, hours: 12 } as const;
      return [`${what}, made`, { ...view, makesCodes: true, result }] as const;
    }),
    ['enrolment code', { kind: 'enrolment-code', ...step }],
    ['enrolment code, wrong', { kind: 'enrolment-code', ...step, problem: { code: 'code-wrong' } }],
    [
      'factor, and a browser to be remembered',
      { ...{ kind: 'factor', ...step, factor, hasOthers: true }, page: { kind: 'code' }, rememberFor: 3_600_000 },
    ],
    ...([undefined, 'foreign', 'unavailable', 'cookie-missing', 'too-many-failures'] as const).map((problem) => {
      const asked = { kind: 'key', ceremony: 'get', options: { challenge: hostile } } as const;
      const view = {
        kind: 'passkey',
        action: '/_gate/passkey',
        hidden,
        page: asked,
        othersHref: '/',
        requestId,
      } as const;
      return [`passkey, ${problem ?? 'first'}`, { ...view, problem, retryAfterSeconds: problem && 90 }] as const;
    }),
    ['enrolment', { kind: 'enrolment', ...step, factor, page, hasOthers: true }],
    [
      'enrolment, the clock is off',
      {
        kind: 'enrolment',
        ...step,
        factor,
        page,
        hasOthers: false,
        problem: { code: 'code-wrong', clockOffset: -300 },
      },
    ],
    ...(Object.keys(over) as (keyof typeof over)[]).map((reason) => {
      const help = { text: hostile, url: 'https://intranet.example/help' };
      return [
        `factors are over, ${reason}`,
        { kind: 'factor-over', reason, restartHref: '/', help, requestId },
      ] as const;
    }),
  ];
}

/** Every page, by a name for it. */
export function everyView(language: Language): readonly (readonly [name: string, view: PageView])[] {
  const notices = Object.keys(languages[language].notices) as (keyof (typeof languages)['en']['notices'])[];
  const problems = Object.keys(languages[language].newPassword.problems) as ['mismatch'];
  const login = {
    kind: 'login',
    action: '/_gate/login',
    ways: [form, link],
    hidden,
    username: hostile,
    requestId,
  } as const;
  const stepUp = { kind: 'step-up', action: '/_gate/login', username: hostile, cancelHref: '/' } as const;
  return [
    ['login, the form alone', { kind: 'login', action: '/_gate/login', ways: [form] }],
    ['login, the form first', { ...login, application: { fr: hostile }, goesOnTo: `/${hostile}` }],
    ['login, the form last', { ...login, ways: [{ ...link, lastUsed: true }, { ...link, label: hostile }, form] }],
    ['login, no way in', { ...login, ways: [] }],
    ...notices.map((code) => [`login, ${code}`, { ...login, notice: { code, retryAfterSeconds: 90 } }] as const),
    ['step-up with a form', { ...stepUp, ways: [form, link], hidden, notice: { code: 'login-failed' } }],
    ['step-up without one', { ...stepUp, ways: [link] }],
    ...problems.map((problem) => {
      const view = {
        kind: 'new-password',
        action: '/_gate/login',
        username: hostile,
        reason: 'password-expired',
        asksForCurrent: problem !== 'mismatch',
        restartHref: '/_gate/login',
      } as const;
      return [`new password, ${problem}`, { ...view, hidden, problem, requestId }] as const;
    }),
    ...factorViews(language),
    ...(['changed', 'problem', 'failed'] as const).map((kind) => {
      const notices = {
        changed: { kind: 'changed', ended: 2 },
        problem: { kind: 'problem', problem: 'too-short' },
        failed: { kind: 'failed', failure: 'password-wrong', retryAfterSeconds: 5 },
      } as const;
      const links = { sessionsHref: '/_gate/session', backHref: '/', logoutHref: '/_gate/logout' };
      const view = { kind: 'account', action: '/_gate/account', hidden, username: hostile, method: hostile } as const;
      const canChange = kind !== 'failed';
      return [`account, ${kind}`, { ...view, ...links, canChange, notice: notices[kind], requestId }] as const;
    }),
    ['signed out', { kind: 'signed-out', loginHref: '/_gate/login', stillElsewhere: true }],
    ['logout', { kind: 'logout', action: '/_gate/logout', hidden, stayHref: '/', username: hostile }],
    [
      'sessions',
      {
        kind: 'sessions',
        action: '/_gate/session',
        hidden,
        username: hostile,
        sessions,
        now: 1e6,
        backHref: '/',
        accountHref: '/_gate/account',
        logoutHref: '/_gate/logout',
        ended: 2,
      },
    ],
    [
      'start',
      {
        kind: 'start',
        username: hostile,
        name: hostile,
        tiles: [
          { label: hostile, href: '/a' },
          { label: { fr: hostile }, icon: 'chart', group: hostile, href: '/b' },
          { label: hostile, icon: hostile, group: { en: hostile }, href: '/c?d&e' },
        ],
        accountHref: '/_gate/account',
        sessionsHref: '/_gate/session',
        logoutHref: '/_gate/logout',
      },
    ],
    [
      'start, nothing to open',
      { kind: 'start', username: hostile, tiles: [], sessionsHref: '/_gate/session', logoutHref: '/_gate/logout' },
    ],
    ...(Object.keys(errorCodes) as (keyof typeof errorCodes)[]).map(
      (code) => [`error ${code}`, { kind: 'error', code, requestId, retryHref: '/a?b', retryAfterSeconds: 5 }] as const,
    ),
    [
      'denied by role',
      {
        kind: 'denied',
        reason: 'role-missing',
        requestId,
        username: hostile,
        openTo: [hostile],
        switchHref: '/_gate/login?switch=1',
      },
    ],
    [
      'denied by provider',
      { kind: 'denied', reason: 'provider-not-admitted', requestId, openTo: [hostile], contact: hostile },
    ],
    ['outside the networks', { kind: 'denied', reason: 'network-not-admitted', requestId, openTo: [] }],
    ['closed', { kind: 'denied', reason: 'location-closed', requestId }],
    ['loop', { kind: 'loop', requestId, retryHref: '/', formHref: '/_gate/login?method=form' }],
    [
      'loop of somebody signed in',
      {
        kind: 'loop',
        requestId,
        retryHref: '/_gate/login?return=%2F',
        signedIn: { username: hostile, switchHref: '/_gate/login?switch=1' },
      },
    ],
    ['not sent', { kind: 'not-sent', reason: 'not-kept', openHref: '/ccagent', signIn: true, requestId }],
    [
      'replay',
      {
        kind: 'replay',
        action: `/ccagent?${encodeURIComponent(hostile)}`,
        fields: [
          [hostile, hostile],
          ['a', '1'],
          ['a', '2'],
        ],
        discardHref: '/',
      },
    ],
  ];
}
