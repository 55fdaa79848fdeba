/** English sentences of the pages between the first proof and the session. */

const minutes = (count: number): string => (count === 1 ? 'one minute' : `${count} minutes`);

/** Proving a factor. */
export const factor = {
  titleChoose: 'Confirm that it is you',
  leadChoose: 'Your password alone is not enough here. Choose how you want to go on.',
  title: 'Enter your code',
  /** By the kind of factor. */
  names: {
    totp: 'Authenticator app',
    webauthn: 'Security key',
    mail: 'Code by e-mail',
    sms: 'Code by text message',
    webservice: 'Code from my device',
    recovery: 'Recovery code',
    pass: 'Pass from my supervisor',
  },
  /** By the kind of factor, where the operator has said nothing. */
  prompts: {
    totp: 'Open the authenticator app on your phone, and enter the code that it shows for this site.',
    mail: 'Enter the code from the e-mail that we have sent you.',
    sms: 'Enter the code from the text message that we have sent you.',
    webservice: 'Enter the verification code on your device to sign in.',
    recovery: 'Enter one of the recovery codes that you have printed or written down. Each works once.',
    pass: 'Enter the code that your supervisor has given you.',
  },
  prompt: 'Enter the code.',
  methods: 'Where does your code come from?',
  resend: 'Send another code',
  sendsLeft: (count: number): string => (count === 1 ? 'One more can be sent.' : `${count} more can be sent.`),
  key: {
    title: 'Touch your security key',
    lead: 'Put your security key in, or hold it to the reader, and touch it when it blinks.',
    start: 'Use my security key',
    without: 'This browser cannot ask for a security key, or its scripts are switched off. Use another way.',
    denied: 'No key was touched, or it is not one of yours. Try again.',
    known: 'This key is set up for your account already.',
    failed: 'The key could not be asked. Take it out, put it in again, and try once more.',
  },
  sentTo: (contact: string): string => `It was sent to ${contact}.`,
  code: (digits: number | undefined): string => (digits === undefined ? 'Code' : `Code of ${digits} digits`),
  remember: {
    label: {
      hours: (count: number): string => `Do not ask on this browser for ${count === 1 ? 'an hour' : `${count} hours`}`,
      days: (count: number): string => `Do not ask on this browser for ${count} days`,
    },
    hint: 'For your own account alone. Leave it empty at a desk or a device that others use.',
  },
  submit: 'Continue',
  others: 'Use another way',
  restart: 'Start again',
  timeLeft: (count: number): string => `You have ${minutes(count)} to complete this.`,
  clock: (seconds: number, isAhead: boolean): string =>
    `The code is right, but the clock of your phone is about ${minutes(Math.max(1, Math.round(seconds / 60)))} ${isAhead ? 'ahead' : 'behind'}. Set it by the network, then enter the next code.`,
  problems: {
    'code-wrong': 'That code is wrong. Check it, and enter it again.',
    'code-expired': 'The code has expired.',
    'code-replayed': 'This code was used already. Wait for the next one.',
    'enrolment-code-wrong': 'That is not the code for your account, or it was used already.',
    'factor-locked': 'There were too many wrong codes for this account.',
    'factor-hard-locked': 'There were too many wrong codes for this account. Ask your administrator to release it.',
    'key-wrong': 'That key was not accepted. Use the one that you have set up for this account.',
    'not-verified': 'The key has to know you by its PIN or your finger.',
    'pass-spent': 'This pass was used already. Ask your supervisor for another.',
    'contact-wrong': 'Codes cannot be sent to that. Check what you have typed.',
    'no-contact': 'We know no address or number of yours that a code could be sent to. Choose another way.',
    'too-many-sends': 'No more codes are sent at the moment.',
    'send-failed': 'The code could not be delivered to you. Choose another way, or try again.',
    'not-kept': 'Tick the box once you have printed the codes or written them down.',
    refused: 'That is not possible with this account at the moment. Choose another way, if there is one.',
    unavailable: 'That is not possible at the moment. Your code was not checked.',
  },
  titleDone: 'You are signed in',
  done: 'That step was completed already, maybe in another tab, or took too long. There is nothing left to do here.',
  titleOver: 'You are not signed in',
  over: {
    cookies: 'Your browser sent no cookie, so this could not go on. Allow cookies for this site, and start again.',
    expired: 'Signing in took too long, or was completed in another tab. Please start again.',
    tries: 'There were too many wrong codes, or too many were sent. Please start again.',
    help: 'You cannot go on by yourself here.',
    contact: 'We know no address or number of yours that a code could be sent to.',
    ended: 'Your account can no longer be used to sign in here. Ask your administrator.',
    missing: 'Your account needs a second factor, and has none that can be used here.',
    unconfirmed:
      'The service where you signed in has not confirmed for your account what this page asks for, and you have no second factor that could be asked for instead.',
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
  key: {
    title: 'Set up your security key',
    lead: 'Put your security key in, give it a name if you have several, then press the button and touch it.',
    start: 'Set up my security key',
    name: 'Name of this key (optional)',
  },
  code: {
    title: 'Enter your enrolment code',
    lead: 'Before you set up your first second factor, enter the code that your supervisor or administrator has given you for that.',
  },
  spare: {
    title: 'Keep your recovery codes',
    lead: (count: number): string =>
      `These ${count} codes let you in when your key or phone is lost. Each works once, and you see them only now: print this page, or write them down.`,
    kept: 'I have printed these codes or written them down',
  },
  contact: {
    mail: {
      title: 'Set up codes by e-mail',
      lead: 'Enter the e-mail address that your sign-in codes are to go to. We send a first code there now.',
      field: 'E-mail address',
    },
    sms: {
      title: 'Set up codes by text message',
      lead: 'Enter the number of the phone that your sign-in codes are to go to. We send a first code there now.',
      field: 'Phone number',
    },
    told: (contact: string): string =>
      `Your sign-in codes go to ${contact}. To see that this is yours, we send a first code there.`,
    send: 'Send the code',
    prove: 'Enter the code that we have sent there. From then on your codes go there.',
  },
};

/** One's own factors, on the page of the account. */
export const ownFactors = {
  title: 'Second factors',
  none: 'You have set up none.',
  since: (date: string): string => `Set up on ${date}.`,
  lastUsed: (date: string): string => `Last used on ${date}.`,
  left: (count: number): string => (count <= 3 ? `Only ${count} left: make new ones.` : `${count} left.`),
  change: 'Change',
  name: 'Name',
  rename: 'Save the name',
  remove: 'Remove',
  add: (what: string): string => `Add: ${what}`,
  browsers: {
    title: 'Remembered browsers',
    lead: 'In these browsers you are not asked for a second factor when you sign in.',
    here: 'This browser',
    since: (since: string, until: string): string => `Since ${since}, until ${until}.`,
    forget: 'Forget',
    forgetLabel: (device: string): string => `Forget: ${device}`,
    forgetAll: 'Forget all browsers',
  },
  last: 'This is your only second factor, and you need one to sign in here. Add another before you remove it.',
};

/** Passes and enrolment codes, for those who hand them out. */
export const pass = {
  title: 'Passes',
  lead: 'For somebody who left the key or the phone at home. Make sure that you know who stands before you.',
  what: 'What is it for?',
  whats: {
    pass: 'One sign-in without key or phone',
    code: 'Setting up the first key or phone',
    reset: 'A key or phone that is lost: take everything off and sign out everywhere',
  },
  user: 'User name of the agent',
  submit: 'Continue',
  pass: (user: string): string => `Pass for ${user}`,
  code: (user: string): string => `Enrolment code for ${user}`,
  reset: (user: string): string =>
    `Everything that ${user} had set up is taken off, and ${user} is signed out everywhere.`,
  use: (uses: number, hours: number): string =>
    `${uses === 1 ? 'It works once' : uses >= 1000 ? 'It works as often as needed' : `It works ${uses} times`}, within ${hours === 1 ? 'an hour' : `${hours} hours`}. You see it only now.`,
  refused: 'You cannot make a code for that user.',
  'has-factors': 'That user has set up a key or an app already. Make a pass.',
  'too-many': 'You have made many codes within the last hour. Try again later.',
};

/** Signing in with a passkey alone. */
export const passkey = {
  title: 'Sign in with a passkey',
  lead: 'Use your security key or your phone. It will ask for your PIN, your finger or your face.',
  start: 'Use my passkey',
  others: 'Sign in another way',
  denied: 'No passkey was used, or none on it is for this site. Try again, or sign in another way.',
  problems: {
    foreign: 'That passkey was not accepted. Use the one that you have set up here, or sign in another way.',
    'not-verified': 'Your key has to know you by its PIN or your finger. Sign in another way if it cannot.',
    ended: 'Your passkey is right, but your account cannot be used at the moment. Ask your administrator.',
    'password-due': 'Your passkey is right, but your password has to be changed first. Sign in with it once.',
    elsewhere:
      'Your passkey is right, but it works here only after another way to sign in: the one that you used when you set it up.',
    expired: 'This page was open for too long. Try again.',
    unavailable: 'Signing in is not possible at the moment, since your account cannot be looked up.',
  },
};
