/** The options under `messages:` and of an SMS gateway: by what ways the gateway writes to people. */
import * as z from 'zod';
import { duration, httpUrl, secret } from '../config/values.ts';
import { caBundle } from '../remote/trust-options.ts';
import { mailAddress } from './contacts.ts';

/** A sender as it stands in a mail. */
type Sender = {
  readonly name: string;
  readonly address: string;
};

/** The servers that take mails. */
type MailServer = {
  readonly host: string;
  readonly port: number;
  /** `tls` from the first byte, `starttls` or nothing, or in the clear. */
  readonly security: 'tls' | 'starttls' | 'none';
};

const schemes: Readonly<Record<string, { readonly security: MailServer['security']; readonly port: number }>> = {
  'smtps:': { security: 'tls', port: 465 },
  'smtp:': { security: 'starttls', port: 587 },
  'insecure-smtp:': { security: 'none', port: 25 },
};

const urlWords = 'smtps://host:465, smtp://host:587 (STARTTLS, or nothing is sent) or insecure-smtp://host:25';

function mailServer() {
  return z
    .string()
    .meta({ title: 'mail server', kind: urlWords, examples: ['smtps://smtp.example.com:465'] })
    .transform((text, context): MailServer => {
      const url = URL.canParse(text) ? new URL(text) : undefined;
      const scheme = url && schemes[url.protocol];
      if (url && scheme && url.hostname && /^\/?$/.test(url.pathname) && !url.search && !url.hash && !url.username)
        return {
          host: url.hostname.replace(/^\[|\]$/g, ''),
          port: Number(url.port || scheme.port),
          security: scheme.security,
        };
      const hint = url?.username
        ? { params: { hint: 'the user stands under `user`, the password under `password`' } }
        : {};
      context.addIssue({ code: 'custom', message: `must be ${urlWords}`, ...hint });
      return z.NEVER;
    });
}

function sender() {
  return z
    .string()
    .meta({ title: 'sender', kind: 'an address, or a name and an address in angle brackets' })
    .transform((text, context): Sender => {
      const [, name = '', angled] = /^([^<>]*)<([^<>]*)>$/.exec(text.trim()) ?? [];
      const address = mailAddress(angled ?? text);
      // A control character in a name would begin another header.
      if (address !== undefined && !/\p{Cc}/u.test(name))
        return { name: name.trim().replace(/^"(.*)"$/, '$1'), address };
      context.addIssue({ code: 'custom', message: 'must be an address such as Sign-in <no-reply@cc.example.com>' });
      return z.NEVER;
    });
}

/** How mails are sent. */
export const mailOptions = z.strictObject({
  url: mailServer().describe('the server that takes mails'),
  user: z.string().min(1).optional().describe('who the gateway is there; nobody when absent'),
  password: secret().optional(),
  from: sender().describe('whom mails are from'),
  ca: caBundle().optional().describe("the CAs that its certificate is checked by; the machine's when absent"),
  timeout: duration().prefault('10s').describe('for one mail, once it is its turn'),
});

/** The options of mail, read. */
export type MailOptions = z.output<typeof mailOptions>;

/** The options under `messages:`. */
export const messageOptions = z.strictObject({
  mail: mailOptions
    .refine(({ user, password }) => (user === undefined) === (password === undefined), {
      error: 'user and password belong together',
      params: { hint: 'give both, or neither where the server asks for none' },
    })
    .optional()
    .describe('for codes and for notices; none are sent when absent'),
});

/** The variables of a message to an SMS gateway. */
const variable = /\$\{(to|from|text)\}/g;

/** A site's SMS gateway: a service that takes messages by HTTP. */
export const smsGatewayOptions = z.strictObject({
  url: httpUrl().describe('where messages are posted to'),
  body: z.enum(['json', 'form']).default('json').describe('how the fields are written'),
  fields: z
    .record(z.string(), z.string())
    .refine(
      (fields) => /\$\{to\}/.test(Object.values(fields).join()) && /\$\{text\}/.test(Object.values(fields).join()),
      {
        error: `must have a field with \${to} and one with \${text}`,
        params: { hint: `such as { to: "\${to}", from: "\${from}", text: "\${text}" }` },
      },
    )
    .refine((fields) => !/\$\{(?!(?:to|from|text)\})/.test(Object.values(fields).join()), {
      error: `knows the variables \${to}, \${from} and \${text} only`,
    })
    .describe(`what is posted; \${to}, \${from} and \${text} are put in`),
  headers: z
    .record(z.string().regex(/^[\w-]+$/, 'must be the name of a header'), secret())
    .default({})
    .describe('such as Authorization'),
  ca: caBundle().optional().describe("the CAs that its certificate is checked by; the machine's when absent"),
  timeout: duration().prefault('5s').describe('for one message, its answer included'),
});

/** The options of an SMS gateway, read. */
export type SmsGatewayOptions = z.output<typeof smsGatewayOptions>;

/** The fields of one message. Values are put in once: what they hold is not read again. */
export function filled(
  fields: SmsGatewayOptions['fields'],
  values: Readonly<Record<'to' | 'from' | 'text', string>>,
): Record<string, string> {
  const put = (text: string) => text.replace(variable, (_whole, name: 'to' | 'from' | 'text') => values[name]);
  return Object.fromEntries(Object.entries(fields).map(([name, text]) => [name, put(text)]));
}
