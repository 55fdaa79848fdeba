/** English sentences of the pages between the first proof and the session. */

const minutes = (count: number): string => (count === 1 ? 'one minute' : `${count} minutes`);

/** Proving a factor. */
export const factor = {
  titleChoose: 'Confirm that it is you',
  leadChoose: 'Your password alone is not enough here. Choose how you want to go on.',
  title: 'Enter your code',
  /** By the kind of factor. */
  names: { totp: 'Authenticator app' },
  /** By the kind of factor, where the operator has said nothing. */
  prompts: { totp: 'Open the authenticator app on your phone, and enter the code that it shows for this site.' },
  prompt: 'Enter the code.',
  sentTo: (contact: string): string => `It was sent to ${contact}.`,
  code: (digits: number | undefined): string => (digits === undefined ? 'Code' : `Code of ${digits} digits`),
  submit: 'Continue',
  others: 'Use another way',
  restart: 'Start again',
  timeLeft: (count: number): string => `You have ${minutes(count)} to complete this.`,
  clock: (seconds: number, isAhead: boolean): string =>
    `The code is right, but the clock of your phone is about ${minutes(Math.max(1, Math.round(seconds / 60)))} ${isAhead ? 'ahead' : 'behind'}. Set it by the network, then enter the next code.`,
  problems: {
    'code-wrong': 'The code is wrong. Enter the one that is shown at this moment.',
    'code-expired': 'The code has expired.',
    'code-replayed': 'This code was used already. Wait for the next one.',
    'factor-locked': 'There were too many wrong codes for this account.',
    'factor-hard-locked': 'There were too many wrong codes for this account. Ask your administrator to release it.',
    refused: 'That is not possible with this account at the moment. Choose another way, if there is one.',
    unavailable: 'That is not possible at the moment. Your code was not checked.',
  },
  titleOver: 'You are not signed in',
  over: {
    expired: 'Signing in took too long, or was completed in another tab. Please start again.',
    ended: 'Your account can no longer be used to sign in here. Ask your administrator.',
    missing: 'Your account needs a second factor, and has none that can be used here.',
    closed: 'Your account needs a second factor, and you cannot set one up here.',
  },
};

/** Setting one up. */
export const enrol = {
  titleChoose: 'Set up a second factor',
  leadChoose: 'From here on your password alone is not enough. Choose what you want to set up.',
  title: 'Set up your authenticator app',
  lead: 'Scan this picture with the authenticator app on your phone, then enter the code that the app shows.',
  qr: 'QR code for your authenticator app',
  byHand: 'If you cannot scan it, type this into the app:',
  name: 'Name of this device (optional)',
  submit: 'Set up and continue',
};
