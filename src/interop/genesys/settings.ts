/**
 * Settings of Genesys Intelligent Automation about its users and its two-factor authentication, as ours: lines of `Name=Value` by
 * the names of its server settings, and by the labels of its page of two-factor settings. What has no counterpart is named.
 */

/** A value of our configuration, and the setting that it was made of. */
export interface TranslatedSetting {
  readonly key: readonly string[];
  readonly value: unknown;
  readonly origin: string;
}

/** A setting of which nothing was made, and why. */
interface UntranslatedSetting {
  readonly origin: string;
  readonly what: string;
  readonly why: string;
}

interface Line {
  readonly name: string;
  readonly value: string;
  readonly origin: string;
}

/** What a file of settings says. */
export interface GenesysReading {
  readonly values: readonly TranslatedSetting[];
  readonly untranslated: readonly UntranslatedSetting[];
}

type Translated = readonly (readonly [key: readonly string[], value: unknown])[] | { readonly why: string };

/** Whether users of Configuration Server sign in; the name counts as an environment variable, too. */
export const externalMode = 'Login.ExternalAuthenticationMode';
/** The company of users without one of their own; the name counts as an environment variable, too. */
export const defaultCompany = 'GenesysSDK.ConfigServerLogin.DefaultCompanyID';

/** What the tenant of an id is called until somebody gives it a name. */
function tenantNameOf(id: string): string {
  return `tenant-${id.toLowerCase()}`;
}

/** Reads the mode of external users; undefined for a word that is none. */
export function readExternalMode(value: string): boolean | undefined {
  return /^configserver$/i.test(value) ? true : /^none$/i.test(value) ? false : undefined;
}

const email = ['factors', 'email'];
const text = ['factors', 'text'];
const vendor = ['factors', 'vendor'];
/** Codes of our own go by mail and by text message alike. */
const both = (key: string, value: unknown): Translated => [
  [[...email, key], value],
  [[...text, key], value],
];

const count =
  (key: string) =>
  (value: string): Translated =>
    /^[1-9]\d?$/.test(value) ? both(key, Number(value)) : { why: 'must be a number from 1 to 99' };

const behaviours: Readonly<Record<string, string>> = { agent: 'help', help: 'help', lock: 'lock', restart: 'restart' };
const behaviour =
  (key: string, more: Readonly<Record<string, string>>) =>
  (value: string): Translated => {
    const known = { ...behaviours, ...more };
    const word = value.toLowerCase();
    const names = Object.keys(known).join(', ');
    return Object.hasOwn(known, word) ? both(key, known[word]) : { why: `is none of ${names}: choose ${key} yourself` };
  };

const translations: Readonly<Record<string, (value: string) => Translated>> = {
  [externalMode]: (value) => {
    const external = readExternalMode(value);
    return external === undefined ? { why: 'is neither None nor ConfigServer' } : [[['login', 'external'], external]];
  },
  [defaultCompany]: (value) =>
    /^[A-Za-z0-9-]{1,24}$/.test(value)
      ? [
          [['tenants', tenantNameOf(value), 'id'], value],
          [['tenantRules', 'default'], tenantNameOf(value)],
        ]
      : { why: 'is no id of a company' },
  'Variable Name for Customer Email Address': (value) => [[[...email, 'contact', 'attribute'], value]],
  'Variable Name for Customer Phone Number': (value) => [[[...text, 'contact', 'attribute'], value]],
  'Behaviour if No Verified Contact Method Available': (value) => {
    // A login ends where nobody can be reached: there is nothing to lock, and to begin again changes nothing.
    const isOfCodes = /^(?:lock|restart)$/i.test(value);
    return isOfCodes
      ? { why: 'choose noContact yourself: enrol, other, help, refuse' }
      : behaviour('noContact', { enrol: 'enrol', other: 'other', refuse: 'refuse' })(value);
  },
  'Maximum Attempts at Sending an Authentication Code': count('sends'),
  'Behaviour After Exceeding Maximum Code Send Attempts': behaviour('afterSends', { other: 'other' }),
  'Maximum Attempts at Verifying an Authentication Code': count('tries'),
  'Behaviour After Exceeding Maximum Code Verification Attempts': behaviour('afterTries', {
    ...{ other: 'other', resend: 'resend' },
  }),
  'Skip Options': () => ({ why: 'a session keeps what was proved in it: nobody is asked twice' }),
  'Select an option for the code generation': (value) => {
    if (/^external$/i.test(value)) return [[[...vendor, 'type'], 'webservice']];
    if (!/^internal$/i.test(value)) return { why: 'is neither Internal nor External' };
    return [
      [[...email, 'type'], 'mail'],
      [[...text, 'type'], 'sms'],
    ];
  },
  'Prompt Wording': (value) => [[[...vendor, 'prompt'], value]],
  'Check Verified Contact Methods Web Service URL For Test Calls': (value) => [
    [[...vendor, 'contacts', 'test'], value],
  ],
  'Check Verified Contact Methods Web Service URL For Production Calls': (value) => [
    [[...vendor, 'contacts', 'production'], value],
  ],
  'Web Service Timeout (milliseconds)': (value) =>
    /^[1-9]\d{0,5}$/.test(value) ? [[[...vendor, 'timeout'], Number(value)]] : { why: 'must be milliseconds' },
  'Number of digits for the Generated Code': (value) =>
    /^(?:[4-9]|10)$/.test(value)
      ? both('digits', Number(value))
      : { why: 'must be how many digits there are, from 4 to 10; a pattern such as 123456 says no number' },
  'Internal Code Expiration Time (minutes)': (value) =>
    /^(?:[1-9]|[12]\d|30)$/.test(value) ? both('expires', `${value}m`) : { why: 'must be minutes, from 1 to 30' },
  "Email Address 'From'": (value) => [[['messages', 'mail', 'from'], value]],
  'Email Subject': (value) => [[[...email, 'subject'], value]],
  "SMS Number 'From'": (value) => [[[...text, 'from'], value]],
};

/** Headings of the page, which say nothing. */
const headings: ReadonlySet<string> = new Set(
  ['Contact Methods and Behavior', 'Code Generation Options', 'External Code Generation Options'].concat(
    'Internal Code Generation Options',
  ),
);

const byName = new Map(Object.entries(translations).map(([name, translate]) => [fold(name), translate]));

/** Reads the lines of a file, which messages name as `file`. Of a setting that stands twice the last counts. */
export function readGenesysSettings(content: string, file: string): GenesysReading {
  const untranslated: UntranslatedSetting[] = [];
  const lines = new Map<string, Line>();
  for (const [index, written] of content
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .entries()) {
    const origin = `${file}:${index + 1}`;
    const line = written.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';') || headings.has(line)) continue;
    const [, name = '', value = ''] = /^([^=]+?)\s*=\s*(.*)$/.exec(line) ?? [];
    if (name === '') untranslated.push({ origin, what: line.slice(0, 80), why: 'is no Name=Value' });
    else lines.set(fold(name), { name, value: value.replace(/^"(.*)"$/, '$1'), origin });
  }
  const values: TranslatedSetting[] = [];
  for (const [folded, { name, value, origin }] of lines) {
    const translated = value === '' ? { why: 'has no value' } : byName.get(folded)?.(value);
    if (!translated)
      untranslated.push({ origin, what: name, why: 'is not about users or two-factor authentication here' });
    else if ('why' in translated) untranslated.push({ origin, what: name, why: translated.why });
    else values.push(...translated.map(([key, made]) => ({ key, value: made, origin: `${origin} ${name}` })));
  }
  return { values, untranslated };
}

/** Curly apostrophes and the spaces around a name make it no other. */
function fold(name: string): string {
  return name.replace(/[‘’]/g, "'").replace(/\s+/g, ' ').trim().toLowerCase();
}
