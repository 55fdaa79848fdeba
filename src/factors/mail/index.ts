/** Codes by mail. A code and no link: scanners open the links of mails, and some send forms. */
import * as z from 'zod';
import { wordsForVisitors } from '../../config/values.ts';
import { mailAddress, maskedAddress } from '../../messages/contacts.ts';
import type { Mailer } from '../../messages/mailer.ts';
import { messageTexts } from '../../messages/texts.ts';
import type { Channel } from '../code-sending.ts';
import { defineFactor, type FactorContext } from '../define.ts';
import { SentCodeFactor, sentCodeOptions } from '../sent-codes.ts';
import { wordsIn } from '../words.ts';

const options = z.strictObject({
  contact: z
    .strictObject({ attribute: z.string().min(1) })
    .prefault({ attribute: 'email' })
    .describe("the user's attribute that holds the address; the first value that is exactly one address"),
  subject: wordsForVisitors(100).optional().describe('one text, or one a language; the code never stands in it'),
  ...sentCodeOptions.shape,
});

type MailFactorOptions = z.output<typeof options>;

/** The channel of a mailer that is the site's, and that others use too: it ends with the site. */
function mailChannel(given: MailFactorOptions, { siteName }: FactorContext, mailer: Mailer): Channel {
  return {
    amr: ['otp', 'mca'],
    scopes: [],
    medium: 'mail',
    contactOf: ({ attributes }) =>
      (attributes[given.contact.attribute] ?? []).map(mailAddress).find((address) => address !== undefined),
    verified: 'email',
    read: mailAddress,
    mask: maskedAddress,
    timeout: mailer.timeout,
    isBusy: () => mailer.isBusy,
    send: async (to, code, language) => {
      const texts = messageTexts(language);
      const subject = wordsIn(given.subject, language) ?? texts.subject(siteName);
      const text = texts.mail({ code, site: siteName, minutes: Math.max(1, Math.round(given.expires / 60_000)) });
      await mailer.send({ to, subject, text });
    },
    probe: (signal) => mailer.probe(signal),
    close: async () => undefined,
  };
}

/** The `mail` kind of factor. */
export const mail = defineFactor({
  options,
  gives: 2,
  checkTogether: (_given, { sendsMail }) =>
    sendsMail
      ? []
      : [
          {
            key: 'type',
            message: 'sends mails, and messages.mail is not configured',
            hint: 'give messages.mail with url and from',
          },
        ],
  create: (given, context) => {
    if (!context.mailer) throw new TypeError('a factor of type mail is made where mails are sent');
    return new SentCodeFactor(given, mailChannel(given, context, context.mailer), context);
  },
});
