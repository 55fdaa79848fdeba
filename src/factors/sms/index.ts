/** Codes by text message, to the countries that the operator has named and within a budget: others cost money, and nobody waits there. */
import * as z from 'zod';
import { duration } from '../../config/values.ts';
import { maskedNumber, phoneNumber } from '../../messages/contacts.ts';
import { smsGatewayOptions } from '../../messages/options.ts';
import { SmsGateway } from '../../messages/sms-gateway.ts';
import { messageTexts } from '../../messages/texts.ts';
import type { Channel } from '../code-sending.ts';
import { defineFactor, type FactorContext } from '../define.ts';
import { SentCodeFactor, sentCodeOptions } from '../sent-codes.ts';

const country = z.string().regex(/^\+[1-9]\d{0,3}$/, 'must be the beginning of international numbers, such as +33');

const options = z.strictObject({
  contact: z
    .strictObject({ attribute: z.string().min(1) })
    .prefault({ attribute: 'mobile' })
    .describe("the user's attribute that holds the number; the first value that is one of an allowed country"),
  gateway: smsGatewayOptions.describe('the service that sends messages'),
  from: z
    .string()
    .regex(/^(?:\+?\d{3,15}|[A-Za-z0-9 ]{1,11})$/, 'must be a number, or up to eleven letters and digits')
    .describe('the sender that phones show'),
  countries: z
    .array(country)
    .min(1)
    .describe('the beginnings of numbers that are sent to; to others nothing is ever sent'),
  defaultCountry: country.optional().describe('of numbers that are written without a country'),
  budget: z
    .strictObject({
      count: z.int().min(1).max(1_000_000),
      per: duration().prefault('1d'),
    })
    .prefault({ count: 500 })
    .describe('messages of the whole site; beyond it the factor is not offered, and the log says so'),
  ...sentCodeOptions.shape,
});

type SmsFactorOptions = z.output<typeof options>;

function smsChannel(given: SmsFactorOptions, { name, siteName, publicUrl }: FactorContext): Channel {
  const gateway = new SmsGateway(given.gateway);
  const read = (text: string) => {
    const reading = phoneNumber(text, given);
    return reading.kind === 'number' ? reading.number : undefined;
  };
  return {
    amr: ['sms', 'otp'],
    scopes: [{ kind: 'budget', of: name, limit: given.budget }],
    medium: 'sms',
    contactOf: ({ attributes }) =>
      (attributes[given.contact.attribute] ?? []).map(read).find((number) => number !== undefined),
    verified: 'phone',
    read,
    mask: maskedNumber,
    timeout: given.gateway.timeout,
    isBusy: () => gateway.isBusy,
    send: async (to, code, language) => {
      const text = messageTexts(language).sms({ code, site: siteName });
      // By the last line phones fill the code in for this host and for no other (WICG, origin-bound one-time codes).
      await gateway.send({ to, from: given.from, text: `${text}\n\n@${publicUrl.hostname} #${code}` });
    },
    probe: (signal) => gateway.probe(signal),
    close: () => gateway.close(),
  };
}

/** The `sms` kind of factor. */
export const sms = defineFactor({
  options,
  gives: 2,
  checkTogether: ({ countries, defaultCountry }) =>
    defaultCountry === undefined || countries.includes(defaultCountry)
      ? []
      : [
          {
            key: 'defaultCountry',
            message: `is none of countries: numbers without a country would never be sent to`,
            hint: `add ${defaultCountry} to countries`,
          },
        ],
  create: (given, context) => new SentCodeFactor(given, smsChannel(given, context), context),
});
