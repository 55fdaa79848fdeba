/** Every English sentence of the pages. Each other language has the same keys; a test checks that. */
import type { ErrorCode } from '../../core/errors.ts';

/** What a page says about one error. */
interface ErrorText {
  readonly title: string;
  readonly body: string;
}

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
    notYou: 'Sign in as somebody else',
    soon: 'Try again in a moment.',
    wait: (count: number): string => `Try again in ${seconds(count)}.`,
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
  denied: {
    title: 'You do not have access to this page',
    role: 'Your account is missing the permission that this page asks for.',
    openTo: 'This page is open to:',
    closed: 'This page is closed to everybody.',
    provider: 'This page asks you to sign in in another way.',
    openToProviders: 'Sign in with:',
    otherWay: 'Sign in another way',
    network: 'This page opens from certain networks only, and your device is in none of them.',
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
  errors: {
    BAD_REQUEST: {
      title: 'This request is not valid',
      body: 'The address cannot be read in one clear way, so it was not passed on. Check the address, or begin at the start page.',
    },
    MISDIRECTED: {
      title: 'This site has another address',
      body: 'You opened it under a name that is not its own. Go on to the right one.',
    },
    LOGIN_REQUIRED: { title: 'Sign in to continue', body: 'This page is for people who are signed in.' },
    LOGIN_FAILED: { title: 'Signing in did not work', body: 'The user name or the password is wrong.' },
    TOO_MANY_FAILURES: {
      title: 'Too many attempts',
      body: 'There were too many failed attempts.',
    },
    PROVIDER_UNAVAILABLE: {
      title: 'Signing in is not possible at the moment',
      body: 'The service that checks your account does not answer. It is not your password.',
    },
    ACCESS_DENIED: {
      title: 'You do not have access to this page',
      body: 'Your account is missing the permission that this page asks for.',
    },
    ORIGIN_MISMATCH: {
      title: 'This request came from another site',
      body: 'For your safety it was not carried out. If you meant to do this, open the page here and do it again.',
    },
    NOT_FOUND: { title: 'There is nothing at this address', body: 'Check the address, or begin at the start page.' },
    METHOD_NOT_ALLOWED: {
      title: 'This does not work at this address',
      body: 'The address exists, but does not take this kind of request.',
    },
    REQUEST_TIMEOUT: {
      title: 'The request took too long',
      body: 'It did not arrive in time. Check your connection, then try again.',
    },
    PAYLOAD_TOO_LARGE: {
      title: 'That is too large',
      body: 'What you sent is larger than this application accepts. Nothing was stored.',
    },
    UPSTREAM_UNREACHABLE: {
      title: 'The application does not answer',
      body: 'You are signed in, but the application behind this page cannot be reached.',
    },
    UPSTREAM_BROKE: {
      title: 'The application gave no usable answer',
      body: 'You are signed in, but the answer of the application could not be used.',
    },
    UNAVAILABLE: {
      title: 'Not available at the moment',
      body: 'The service is starting, stopping or overloaded.',
    },
    UPSTREAM_TIMEOUT: {
      title: 'The application took too long',
      body: 'You are signed in, but the application did not answer in time. What you asked for may still have been done: look before you repeat it.',
    },
  } satisfies Record<ErrorCode, ErrorText>,
};

/** What every language offers: the same keys, with sentences of its own. */
export type Texts = typeof en;
