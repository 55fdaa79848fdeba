/**
 * Codes of an authenticator app (RFC 6238). The time step of each accepted code stands in the enrolment, and only a later one is
 * taken after it: whoever reads a code over a shoulder has nothing of it.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { Secret as OtpSecret, TOTP } from 'otpauth';
import * as z from 'zod';
import { duration } from '../../config/values.ts';
import type { Account } from '../../core/account.ts';
import type {
  AskOutcome,
  Enrolling,
  Enrolment,
  EnrolmentOffer,
  EnrolOutcome,
  Factor,
  FactorOutcome,
  FactorResponse,
} from '../../core/factor.ts';
import { readCode } from '../code.ts';
import { defineFactor, type FactorContext, secondProof } from '../define.ts';

const periods = [30_000, 60_000];

const options = z.strictObject({
  issuer: z
    .string()
    .trim()
    .min(1)
    .max(64)
    .regex(/^[^:]*$/, 'must be without a colon: apps read what stands before it as the issuer')
    .optional()
    .describe('what the app calls the site; pages.siteName when absent'),
  digits: z
    .union([z.literal(6), z.literal(8)])
    .default(6)
    .describe('of a code'),
  period: duration()
    .refine((period) => periods.includes(period), 'must be 30s or 60s: apps know no others')
    .prefault('30s')
    .describe('how long a code is valid'),
  algorithm: z
    .enum(['SHA1', 'SHA256', 'SHA512'])
    .default('SHA1')
    .describe('SHA256 and SHA512 only where every app in use knows them: some take SHA1 without a word'),
  window: z.int().min(0).max(2).default(1).describe('how many codes before and after the present one are taken'),
});

type TotpOptions = z.output<typeof options>;

const secretBytes = 20;

/** How far a user's clock may be off to be told so, in milliseconds. */
const recognisedOffset = 10 * 60_000;

const secretSchema = z.strictObject({ secret: z.string().regex(/^[A-Z2-7]{32}$/) });
const dataSchema = secretSchema.extend({
  /** The step of the last accepted code. */
  lastStep: z.int(),
  digits: z.int(),
  period: z.int(),
  algorithm: z.enum(['SHA1', 'SHA256', 'SHA512']),
});

/** What an enrolment holds. An app goes on with what it was set up with, whatever is configured since. */
type TotpData = z.output<typeof dataSchema>;

class TotpFactor implements Factor {
  readonly canBeGuessed = true;
  readonly isNetworked = false;
  readonly enrol: Enrolling = {
    begin: async (account) => this.#begin(account),
    finish: async (account, response) => this.#finish(account, response),
  };
  readonly #options: TotpOptions;
  readonly #context: FactorContext;

  constructor(given: TotpOptions, context: FactorContext) {
    this.#options = given;
    this.#context = context;
  }

  async ask(_account: Account, enrolments: readonly Enrolment[]): Promise<AskOutcome> {
    const [one, ...more] = enrolments.map(({ data }) => dataSchema.parse(data).digits);
    if (one === undefined) return { kind: 'refused', reason: 'factor-missing' };
    // Of apps with different codes the page names no number.
    const digits = more.every((other) => other === one) && { digits: one };
    return { kind: 'asked', challenge: { page: { kind: 'code', ...digits } } };
  }

  async verify(account: Account, { fields, enrolments }: FactorResponse): Promise<FactorOutcome> {
    let wasUsed = false;
    for (const enrolment of enrolments) {
      const data = dataSchema.parse(enrolment.data);
      const code = readCode(fields.get('code'), data.digits);
      if (code === undefined) continue;
      const step = stepOf(code, data, this.#context.clock.now(), this.#options.window);
      if (step === undefined) continue;
      if (step > data.lastStep) {
        const used = { ...enrolment, data: { ...data, lastStep: step }, lastUsedAt: this.#context.clock.now() };
        return { kind: 'verified', proof: secondProof(this.#context, account, ['otp']), enrolment: used };
      }
      wasUsed = true;
    }
    return { kind: 'rejected', reason: wasUsed ? 'code-replayed' : 'code-wrong' };
  }

  #begin({ subject }: Account): EnrolmentOffer {
    const { siteName } = this.#context;
    const { issuer = siteName.replaceAll(':', ' '), digits, period, algorithm } = this.#options;
    const secret = new OtpSecret({ buffer: new Uint8Array(randomBytes(secretBytes)).buffer });
    const app = new TOTP({ issuer, label: subject, digits, period: period / 1000, algorithm, secret });
    const grouped = secret.base32.replace(/.{4}(?=.)/g, '$& ');
    return {
      state: { secret: secret.base32 },
      page: { kind: 'authenticator', uri: app.toString(), secret: grouped, digits },
    };
  }

  #finish(account: Account, { fields, state }: FactorResponse): EnrolOutcome {
    const { digits, period, algorithm, window } = this.#options;
    const { secret } = secretSchema.parse(state);
    const data: TotpData = { secret, digits, period, algorithm, lastStep: 0 };
    const code = readCode(fields.get('code'), digits);
    if (code === undefined) return { kind: 'rejected', reason: 'code-wrong' };
    const now = this.#context.clock.now();
    const step = stepOf(code, data, now, window);
    if (step !== undefined) {
      const proof = secondProof(this.#context, account, ['otp']);
      return { kind: 'enrolled', data: { ...data, lastStep: step }, proof };
    }
    const shown = stepOf(code, data, now, Math.ceil(recognisedOffset / period));
    if (shown === undefined) return { kind: 'rejected', reason: 'code-wrong' };
    const steps = shown - Math.floor(now / period);
    return { kind: 'rejected', reason: 'clock-skew', clockOffset: (steps * period) / 1000 };
  }
}

/**
 * The time step of a code, of the present one and so many around it; the nearest where it fits several. All of them are compared,
 * so that the time tells nothing.
 */
function stepOf(
  code: string,
  { secret, digits, period, algorithm }: TotpData,
  now: number,
  window: number,
): number | undefined {
  const app = new TOTP({ digits, period: period / 1000, algorithm, secret: OtpSecret.fromBase32(secret) });
  const present = Math.floor(now / period);
  let found: number | undefined;
  for (let away = 0; away <= window; away++)
    for (const step of away === 0 ? [present] : [present - away, present + away]) {
      const right = Buffer.from(app.generate({ timestamp: step * period }));
      if (timingSafeEqual(right, Buffer.from(code)) && found === undefined) found = step;
    }
  return found;
}

/** The `totp` kind of factor. */
export const totp = defineFactor({ options, gives: 2, create: (given, context) => new TotpFactor(given, context) });
