/** Every English sentence of the pages. Each other language has the same keys; a test checks that. */
import { errors } from './en-errors.ts';
import { enrol, factor, ownFactors, pass, passkey } from './en-factors.ts';

const seconds = (count: number): string => {
  if (count < 90) return count === 1 ? '1 second' : `${count} seconds`;
  const minutes = Math.ceil(count / 60);
  return minutes < 90 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} hours`;
};

/** The texts in English. */
export const en = {
  common: {
    home: 'Go to the start page',
    retry: 'Try again',
    signIn: 'Sign in',
    cancel: 'Cancel',
    help: 'Need help?',
    reference: 'Reference',
    referenceHint: 'Give this reference to your support team if the problem stays.',
    errorPrefix: 'Error: ',
    /** The name follows. */
    signedInAs: 'Signed in as',
    /** The name follows. */
    account: 'Account',
    notYou: 'Sign in as somebody else',
    soon: 'Try again in a moment.',
    /** What stands before and after the time. */
    wait: ['Try again in ', '.'] as [before: string, after: string],
    seconds,
    waited: 'You can try again now.',
    byItself: 'This page tries again by itself.',
    languageName: 'English',
  },
  login: {
    title: 'Sign in',
    lead: (site: string): string => `to continue to ${site}`,
    username: 'User name',
    password: 'Password',
    submit: 'Sign in',
    or: 'or',
    with: (name: string): string => `Continue with ${name}`,
    lastUsed: 'Last used',
    showPassword: 'Show password',
    hidePassword: 'Hide password',
    capsLock: 'Caps Lock is on.',
    busy: 'One moment…',
    forgot: 'Forgot your password?',
    none: 'No way to sign in is available here.',
    offline:
      'The directory cannot be reached at the moment. Who has signed in here of late can sign in all the same, with fewer rights.',
  },
  notices: {
    'login-failed': 'The user name or the password is wrong.',
    'password-wrong': 'The password is wrong.',
    incomplete: 'Enter your user name and your password.',
    'too-many-failures': 'There were too many failed attempts.',
    unavailable: 'Signing in is not possible at the moment. Your password was not checked.',
    'offline-failed':
      'The directory cannot be reached. The user name or the password is wrong, or you have not signed in here of late.',
    'method-unavailable': 'Signing in that way is not possible at the moment. Choose another way, if there is one.',
    'password-stuck':
      'Your password is too old or must be changed, and that cannot be done here. Ask your administrator for a new one.',
    'not-admitted': 'Your account is known, but it may not be used here. Ask your administrator to set it up.',
    'session-idle': 'You were signed out because nothing happened for a while.',
    'session-ended': 'Your session has ended. Sign in again to go on.',
    'cookie-missing':
      'Your browser sent no cookie, so nobody can be signed in. Allow cookies for this site and open it at its own address: begin at the start page.',
    'flow-expired': 'Signing in took too long. Please start again.',
    'method-failed': 'Signing in that way did not work. Try again, or choose another way.',
    'form-kept': 'Your session has ended. Your form is kept: sign in, and you can send it.',
  },
  stepUp: {
    title: 'Please confirm your password',
    titleOther: 'Please confirm that it is you',
    lead: 'You signed in some time ago, and this page asks for a fresh proof that it is you.',
    submit: 'Confirm',
  },
  newPassword: {
    title: 'Choose a new password',
    leadExpired: 'Your password has expired. Choose a new one to continue.',
    leadMustChange: 'Your password must be changed before you can continue.',
    current: 'Current password',
    next: 'New password',
    repeat: 'New password again',
    submit: 'Change password',
    problems: {
      mismatch: 'The two new passwords are not the same.',
      same: 'The new password must differ from the current one.',
      refused: 'The new password was not accepted. Choose one that is longer, or that you have not used before.',
      'too-short': 'The new password is too short.',
      'too-long': 'The new password is too long.',
      common: 'Many people use this password, and it is the first to be tried. Choose another one.',
      personal:
        'The new password is little more than your name, your address or the name of the site. Choose another one.',
      leaked:
        'This password stands in lists of leaked passwords. Choose another one, and change it wherever else you use it.',
      'too-simple': 'The new password is too easy to guess. Mix letters, digits and signs, or make it longer.',
      'too-young': 'Your password was changed a short while ago. It cannot be changed again yet.',
      'used-before': 'You have used this password before. Choose another one.',
      expired: 'That took a while. Enter your current password once more, and the new one.',
    },
    /** Where the operator has said nothing of them. */
    rules: 'Longer is better: a few words that belong to nobody but you. It must differ from the current one.',
    atLeast: (characters: number): string => `It has at least ${characters} characters.`,
    compose: (kinds: readonly string[]): string => `Among them at least: ${kinds.join(', ')}.`,
    kinds: {
      upper: (count: number): string => `${count} capital ${count === 1 ? 'letter' : 'letters'}`,
      lower: (count: number): string => `${count} small ${count === 1 ? 'letter' : 'letters'}`,
      digit: (count: number): string => `${count} ${count === 1 ? 'digit' : 'digits'}`,
      other: (count: number): string => `${count} ${count === 1 ? 'other sign' : 'other signs'}`,
    },
  },
  account: {
    title: 'Your account',
    password: 'Password',
    elsewhere: (method: string): string => `You sign in with ${method}, and your password is changed there.`,
    endsOthers: 'When you change it, your sessions on other devices end. This one goes on.',
    changed: (count: number): string => {
      if (count === 0) return 'Your password was changed.';
      return `Your password was changed, and ${count === 1 ? 'one other session was' : `${count} other sessions were`} ended.`;
    },
    failures: {
      'password-wrong': 'The current password is wrong. Nothing was changed.',
      incomplete: 'Enter your current password too.',
      'too-many-failures': 'There were too many failed attempts.',
      unavailable:
        'The service that keeps your password did not answer in time. Try again in a moment; should the current password be refused then, the new one counts already.',
      'not-here': 'Your password cannot be changed here. Ask your administrator.',
    },
  },
  signedOut: {
    title: 'You are signed out',
    body: 'You can close this window now.',
    stillElsewhere: 'You may still be signed in with your identity provider. On a shared computer, close the browser.',
    again: 'Sign in again',
  },
  logout: {
    title: 'Sign out?',
    body: 'Open calls, chats and live views of this browser end at once.',
    submit: 'Sign out',
    stay: 'Stay signed in',
  },
  sessions: {
    title: 'Your sessions',
    lead: 'These devices are signed in with your account. If you do not know one, end it and change your password.',
    current: 'This device',
    newDevice: 'New device',
    signedIn: 'Signed in',
    lastActive: 'Last active',
    address: 'Address',
    method: 'With',
    end: 'End',
    endLabel: (device: string): string => `End the session on ${device}`,
    endOthers: 'End all other sessions',
    onlyThis: 'There is no other session.',
    ended: (count: number): string => (count === 1 ? 'One session was ended.' : `${count} sessions were ended.`),
    browserOn: (browser: string, system: string): string => `${browser} on ${system}`,
    unknownDevice: 'Unknown device',
    back: 'Back',
  },
  start: {
    title: 'Your applications',
    nothing: 'No application is open to you here.',
    /** What the bar with name, account and sessions is called. */
    you: 'You',
    account: 'Your account',
  },
  tenant: {
    title: 'Choose a company',
    lead: 'Your account belongs to several companies. Choose the one that you want to work for now.',
  },
  denied: {
    title: 'You do not have access to this page',
    role: 'Your account is missing the permission that this page asks for.',
    openTo: 'This page is open to:',
    closed: 'This page is closed to everybody.',
    provider: 'This page asks you to sign in in another way.',
    openToProviders: 'Sign in with:',
    otherWay: 'Sign in another way',
    signInAgain: 'Sign in with another account',
    network: 'This page opens from certain networks only, and your device is in none of them.',
    tenantMissing: 'We know who you are, but your account belongs to no company that uses this site.',
    tenantAmbiguous:
      'We know who you are, but your account belongs to several companies, and this site cannot tell which one you mean.',
    tenantMismatch: 'This page belongs to another company than your account.',
    policy: 'Whether you may see this page cannot be told at the moment.',
    /** What stands before and after the contact. */
    ask: ['If you need access for your work, ask ', '.'] as [before: string, after: string],
    defaultContact: 'your supervisor or your administrator',
  },
  loop: {
    title: 'Signing in goes round in circles',
    body: 'You were sent to sign in several times in a row, without success. We stopped so that it does not go on for ever.',
    tips: ['Check that your browser accepts cookies from this site.', 'Close other tabs that are signing in.'],
    otherWay: 'Sign in with user name and password',
    /** When the login itself works. */
    signedIn: {
      body: 'You are signed in, but the page that you opened sends you back to sign in each time. We stopped so that it does not go on for ever.',
      tips: [
        'The application may not know your account, or its own session may have ended: try again in a moment.',
        'If it goes on, tell your administrator that the application does not accept who is signed in here.',
      ],
    },
  },
  notSent: {
    title: 'Your form was not sent',
    body: 'Your session had ended when you sent the form, so it did not reach the application.',
    reasons: {
      'not-kept': 'What you typed is not kept here.',
      'too-large': 'It was too large to be kept.',
      expired: 'It was kept for you, but too much time has passed.',
    },
    advice: 'Go back in your browser to find what you typed, then send it again.',
    open: 'Open the page',
  },
  replay: {
    title: 'Send your form?',
    body: 'You sent a form when your session had ended. It was kept while you signed in, and has not reached the application yet.',
    to: 'It goes to',
    fields: (count: number): string => (count === 1 ? 'It has 1 field' : `It has ${count} fields`),
    caution: 'If you did not send a form, do not send it now.',
    submit: 'Send the form',
    discard: 'Do not send it',
  },
  factor,
  enrol,
  ownFactors,
  passkey,
  pass,
  errors,
};

/** What every language offers: the same keys, with sentences of its own. */
export type Texts = typeof en;
