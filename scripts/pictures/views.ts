/** The pages of second factors as their users meet them, with words of a contact center: for pictures in the docs, and to be looked at. */
import type { PageView } from '../../src/pages/pages.ts';

const hidden = { form: 'token', login: 'login' } as const;
const requestId = '4f0c2a51-9f6f-4a53-a8d7-0e4a4f5f2f11';
const step = {
  ...{ action: '/_gate/factor', hidden, username: 'agent1', minutesLeft: 9, restartHref: '/_gate/login', requestId },
} as const;
const key = { name: 'key', type: 'webauthn' } as const;
const app = { name: 'app', type: 'totp' } as const;
const mail = { name: 'email', type: 'mail' } as const;
const pass = { name: 'pass', type: 'pass' } as const;
const codes = { name: 'codes', type: 'recovery' } as const;
const secret = 'JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP';
const uri = `otpauth://totp/ACME%20Contact%20Center:agent1?secret=${secret.replaceAll(' ', '')}&issuer=ACME%20Contact%20Center`;
const day = Date.UTC(2026, 0, 12, 8);
const asked = { kind: 'key', ceremony: 'get', options: {} } as const;
const passForm = {
  kind: 'pass',
  action: '/_gate/pass',
  hidden,
  username: 'supervisor1',
  makesCodes: false,
  backHref: '/',
  requestId,
} as const;
const newPassword = {
  action: '/_gate/login',
  restartHref: '/_gate/login',
  hidden,
  username: 'agent1',
  requestId,
} as const;

/** Each page by the name of its picture. */
export const factorViews: Readonly<Record<string, PageView>> = {
  'factor-choice': { kind: 'factor-choice', ...step, purpose: 'prove', factors: [key, app, codes, pass] },
  'factor-setup-choice': { kind: 'factor-choice', ...step, purpose: 'enrol', factors: [key, app] },
  'factor-code': { kind: 'factor', ...step, factor: app, page: { kind: 'code', digits: 6 }, hasOthers: true },
  'factor-code-wrong': {
    ...{ kind: 'factor', ...step, factor: mail, hasOthers: true },
    page: { kind: 'code', digits: 6, contact: 'a•••1@example.com', sendsLeft: 2 },
    problem: { code: 'code-wrong' },
  },
  'factor-methods': {
    ...{ kind: 'factor', ...step, factor: { name: 'vendor', type: 'webservice' }, hasOthers: true },
    page: {
      ...{ kind: 'code', prompt: 'Enter the verification code on your device to sign in.' },
      methods: [
        { id: 'app', label: 'Authenticator app' },
        { id: 'phone', label: 'Call to •••• 42' },
      ],
    },
  },
  'factor-key': { kind: 'factor', ...step, factor: key, page: asked, hasOthers: true },
  'factor-key-setup': {
    ...{ kind: 'enrolment', ...step, factor: key, hasOthers: true },
    page: { kind: 'key', ceremony: 'create', options: {} },
  },
  'factor-setup': {
    ...{ kind: 'enrolment', ...step, factor: app, hasOthers: true },
    page: { kind: 'authenticator', uri, secret, digits: 6 },
  },
  'factor-recovery': {
    ...{ kind: 'enrolment', ...step, factor: codes, hasOthers: false },
    page: {
      kind: 'spare-codes',
      codes: Array.from(
        { length: 10 },
        (_, index) => `${'4K7QZ'.slice(index % 5)}${'MX2PR'.slice(0, index % 5)}-9T3W${index}`,
      ),
    },
  },
  'factor-over': { kind: 'factor-over', reason: 'expired', restartHref: '/_gate/login', requestId },
  'factor-help': {
    ...{ kind: 'factor-over', reason: 'help', restartHref: '/_gate/login', requestId },
    help: { text: 'Ask your supervisor for a pass.', url: 'https://intranet.example/help' },
  },
  passkey: {
    ...{ kind: 'passkey', action: '/_gate/passkey', hidden, page: asked, requestId },
    othersHref: '/_gate/login?method=form',
  },
  'tenant-choice': {
    ...{ kind: 'tenant-choice', ...step },
    tenants: [
      { name: 'acme', company: 'ACME Calls' },
      { name: 'globex', company: 'Globex' },
    ],
  },
  'new-password': { kind: 'new-password', ...newPassword, asksForCurrent: false, reason: 'password-must-change' },
  'new-password-refused': {
    ...{
      kind: 'new-password',
      ...newPassword,
      asksForCurrent: true,
      reason: 'password-expired',
      problem: 'used-before',
    },
  },
  'own-factors': {
    ...{
      kind: 'account',
      action: '/_gate/account',
      hidden,
      username: 'agent1',
      canChange: false,
      method: 'ACME directory',
    },
    factors: {
      enrolments: [
        { id: 'one', factor: key, name: 'Blue key', createdAt: day, lastUsedAt: day + 86_400_000 * 21 },
        { id: 'two', factor: app, name: '', createdAt: day },
        { id: 'three', factor: codes, name: '', createdAt: day, left: 3 },
      ],
      addable: [key, app, codes],
      browsers: [
        {
          ...{ id: 'browser', isThis: true, since: day, until: day + 86_400_000 * 30 },
          userAgent: 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/128.0',
        },
      ],
    },
    ...{ sessionsHref: '/_gate/session', backHref: '/', logoutHref: '/_gate/logout', requestId },
  },
  'enrolment-code': { kind: 'enrolment-code', ...step },
  'factor-pass': {
    ...passForm,
    result: { kind: 'issued', what: 'pass', user: 'agent1', code: '48203915', uses: 1, hours: 12 },
  },
  'factor-pass-form': {
    ...passForm,
    result: { kind: 'refused' },
  },
};
