/**
 * A contact becomes known to be a user's: a code goes there, and comes back. The contact is the one that the directory names, where
 * it names one, and what its owner types otherwise. Nothing is sent before a form asks for it.
 */
import * as z from 'zod';
import type { Account } from '../core/account.ts';
import type { AskTerms, Enrolling, Enrolment, EnrolmentOffer, EnrolOutcome, FactorResponse } from '../core/factor.ts';
import { type Channel, type CodeSending, type SentCodes, sentCodes } from './code-sending.ts';
import { type FactorContext, secondProof } from './define.ts';

const dataSchema = z.object({ contact: z.string() });

const who = { address: z.string(), language: z.string() };
const stateSchema = z.discriminatedUnion('step', [
  /** Nothing was sent. */
  z.strictObject({ step: z.literal('contact'), ...who, told: z.string().optional() }),
  z.strictObject({ step: z.literal('code'), ...who, contact: z.string(), sent: sentCodes }),
]);

type State = z.output<typeof stateSchema>;

interface ContactParts {
  readonly channel: Channel;
  readonly sending: CodeSending;
  readonly context: FactorContext;
  /** Codes that one setup may have sent. */
  readonly sends: number;
  /** Whether an account has one already. */
  readonly hasContact: (enrolments: readonly Enrolment[], terms: Pick<AskTerms, 'assertion'>) => boolean;
}

/** The contact of an enrolment; undefined where it is none that is sent to, or is no more. */
export function enrolledContact(enrolments: readonly Enrolment[], channel: Pick<Channel, 'read'>): string | undefined {
  const contacts = enrolments.map(({ data }) => channel.read(dataSchema.parse(data).contact));
  return contacts.findLast((contact) => contact !== undefined);
}

/** Sets contacts up. */
export class ContactEnrolment implements Enrolling {
  readonly isGuessed = true;
  readonly #parts: ContactParts;

  constructor(parts: ContactParts) {
    this.#parts = parts;
  }

  isOffered(enrolments: readonly Enrolment[], terms: Pick<AskTerms, 'assertion'>): boolean {
    return !this.#parts.hasContact(enrolments, terms);
  }

  async begin(
    _account: Account,
    _enrolments: readonly Enrolment[],
    { assertion, address, language }: AskTerms,
  ): Promise<EnrolmentOffer> {
    const { channel } = this.#parts;
    const told = channel.contactOf(assertion);
    const state: State = { step: 'contact', address, language, ...(told !== undefined && { told }) };
    const page = { kind: 'contact', medium: channel.medium, ...(told !== undefined && { told: channel.mask(told) }) };
    return { state, page: page as EnrolmentOffer['page'] };
  }

  async finish(account: Account, { fields, state: given }: FactorResponse): Promise<EnrolOutcome> {
    const { channel, sending, context, sends } = this.#parts;
    const state = stateSchema.parse(given);
    if (state.step === 'contact') {
      const contact = state.told ?? channel.read(fields.get('contact') ?? '');
      return contact === undefined
        ? { kind: 'rejected', reason: 'contact-missing' }
        : this.#send(account, contact, state, undefined);
    }
    const { contact, sent } = state;
    if (fields.get('again') === 'yes')
      return sent.sends < sends
        ? this.#send(account, contact, state, sent)
        : { kind: 'rejected', reason: 'too-many-sends' };
    const judged = await sending.judge(account, fields.get('code'), sent);
    if (judged.kind === 'right')
      return { kind: 'enrolled', data: { contact }, proof: secondProof(context, account, channel.amr) };
    const { reason, state: after } = judged;
    return { kind: 'rejected', reason, ...(after && { state: { ...state, sent: after } satisfies State }) };
  }

  async #send(
    account: Account,
    contact: string,
    { address, language }: State,
    before: SentCodes | undefined,
  ): Promise<EnrolOutcome> {
    const sent = await this.#parts.sending.send(account, contact, { address, language }, before);
    if (sent.kind === 'refused') return { kind: 'rejected', reason: sent.reason };
    const state: State = { step: 'code', address, language, contact, sent: sent.state };
    return { kind: 'continue', offer: { state, page: this.#parts.sending.page(contact, sent.state) } };
  }
}
