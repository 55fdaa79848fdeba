/** Factors whose codes are sent to a contact, by mail or by text message: whose contact counts, and what follows where there is none. */
import * as z from 'zod';
import { duration, wordsForVisitors } from '../config/values.ts';
import type { Account } from '../core/account.ts';
import type {
  AskOutcome,
  AskTerms,
  Enrolling,
  Enrolment,
  Factor,
  FactorOutcome,
  FactorResponse,
} from '../core/factor.ts';
import type { ProbeStep } from '../core/provider.ts';
import { type Channel, CodeSending, sentCodes } from './code-sending.ts';
import { ContactEnrolment, enrolledContact } from './contact-enrolment.ts';
import { type FactorContext, secondProof } from './define.ts';

const leastExpiry = 60_000;
const mostExpiry = 30 * 60_000;

/** The options of every factor that sends codes. */
export const sentCodeOptions = z.strictObject({
  trust: z
    .enum(['directory', 'verify'])
    .default('directory')
    .describe(
      'whose word makes a contact the user’s: that of the directory, or a code that was sent there and came back',
    ),
  noContact: z
    .enum(['enrol', 'other', 'help', 'refuse', 'insecure-allow'])
    .optional()
    .describe(
      'what an account without such a contact gets: it sets one up, the other factors, a page that says whom to ask or what is missing, or in at level 1; enrol where trust is verify, else other',
    ),
  prompt: wordsForVisitors(300)
    .optional()
    .describe(`above the field of the code; \${contact} is where it went. One text, or one a language`),
  digits: z.int().min(4).max(10).default(6).describe('of a code'),
  expires: duration()
    .refine((within) => within >= leastExpiry && within <= mostExpiry, 'must be between 1m and 30m')
    .prefault('5m')
    .describe('how long a code is valid, from the sending'),
  sends: z.int().min(1).max(20).default(3).describe('codes that one login may have sent'),
  afterSends: z
    .enum(['restart', 'other', 'lock', 'help'])
    .default('restart')
    .describe('what follows when no more are sent'),
  tries: z.int().min(1).max(20).default(3).describe('wrong entries that one code may take'),
  afterTries: z
    .enum(['resend', 'restart', 'other', 'lock', 'help'])
    .default('resend')
    .describe('what follows after them'),
});

/** The options of a factor that sends codes, read. */
type SentCodeOptions = z.output<typeof sentCodeOptions>;

/** A channel ends before whoever asks gives up, so that its answer can say what was wrong. */
const margin = 500;

/** A factor whose codes are sent. */
export class SentCodeFactor implements Factor {
  readonly canBeGuessed = true;
  readonly isNetworked = true;
  readonly timeout: number;
  readonly enrol?: Enrolling;
  readonly withoutContact?: 'help' | 'refuse' | 'insecure-allow';
  readonly #options: SentCodeOptions;
  readonly #channel: Channel;
  readonly #context: FactorContext;
  readonly #sending: CodeSending;

  constructor(options: SentCodeOptions, channel: Channel, context: FactorContext) {
    this.#options = options;
    this.#channel = channel;
    this.#context = context;
    this.#sending = new CodeSending(options, channel, context);
    this.timeout = channel.timeout + margin;
    const { trust, noContact = trust === 'verify' ? 'enrol' : 'other', sends } = options;
    const hasContact: ContactEnrolment['isOffered'] = (...of) => this.#contact(...of) !== undefined;
    if (noContact === 'enrol')
      this.enrol = new ContactEnrolment({ channel, sending: this.#sending, context, sends, hasContact });
    else if (noContact !== 'other') this.withoutContact = noContact;
  }

  async isUsable(_account: Account, enrolments: readonly Enrolment[], terms: AskTerms): Promise<boolean> {
    return this.#contact(enrolments, terms) !== undefined;
  }

  async ask(account: Account, enrolments: readonly Enrolment[], terms: AskTerms): Promise<AskOutcome> {
    const contact = this.#contact(enrolments, terms);
    if (contact === undefined) return { kind: 'refused', reason: 'contact-missing' };
    const before = terms.previous === undefined ? undefined : sentCodes.parse(terms.previous);
    if (before && before.sends >= this.#options.sends)
      return { kind: 'refused', reason: 'too-many-sends', next: this.#options.afterSends };
    const sent = await this.#sending.send(account, contact, terms, before);
    if (sent.kind === 'refused') return sent;
    return { kind: 'asked', challenge: { state: sent.state, page: this.#sending.page(contact, sent.state) } };
  }

  async verify(account: Account, { fields, state: given }: FactorResponse): Promise<FactorOutcome> {
    const judged = await this.#sending.judge(account, fields.get('code'), sentCodes.parse(given));
    if (judged.kind === 'right')
      return { kind: 'verified', proof: secondProof(this.#context, account, this.#channel.amr) };
    const { reason, state, isLastTry } = judged;
    if (reason === 'code-expired') return { kind: 'rejected', reason, next: 'resend' };
    return {
      ...{ kind: 'rejected', reason },
      ...(state && { state }),
      ...(isLastTry && { next: this.#options.afterTries }),
    };
  }

  async *probe(signal: AbortSignal): AsyncIterable<ProbeStep> {
    if (this.#channel.probe) yield* this.#channel.probe(signal);
  }

  async close(): Promise<void> {
    await this.#channel.close();
  }

  /** The contact that counts: the directory's where its word does, or the one that a code came back from. */
  #contact(enrolments: readonly Enrolment[], { assertion }: Pick<AskTerms, 'assertion'>): string | undefined {
    const told = this.#channel.contactOf(assertion);
    const isWord = this.#options.trust === 'directory' && !this.#isUnverified(told, assertion);
    const isTrusted = isWord || this.#isVerified(told, assertion);
    return (isTrusted ? told : undefined) ?? enrolledContact(enrolments, this.#channel);
  }

  /** An issuer that has not seen whose an address is gives what its user has typed there: whoever has the password could type another. */
  #isUnverified(told: string | undefined, { attributes, record }: AskTerms['assertion']): boolean {
    const { verified, read } = this.#channel;
    if (verified !== 'email' || record?.unverifiedEmail !== true) return false;
    return (attributes.email ?? []).some((address) => read(address) === told);
  }

  /** The word of an operator is about one contact, and about none that stands under another attribute. */
  #isVerified(told: string | undefined, { attributes, record }: AskTerms['assertion']): boolean {
    const { verified, read } = this.#channel;
    const [known] = attributes[verified] ?? [];
    return record?.verified?.includes(verified) === true && known !== undefined && read(known) === told;
  }
}
