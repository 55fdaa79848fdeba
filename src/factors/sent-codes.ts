/**
 * Codes that are made here and sent to a contact: by mail, by text message. What is kept of a code is a digest that only the
 * account, the factor and the sending make again; each is taken once. How it is sent is the channel's.
 */
import { createHmac, type KeyObject, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { duration, wordsForVisitors } from '../config/values.ts';
import { type Account, accountKey } from '../core/account.ts';
import type { AskOutcome, AskTerms, Enrolment, Factor, FactorOutcome, FactorResponse } from '../core/factor.ts';
import { Failure } from '../core/failure.ts';
import type { Amr } from '../core/principal.ts';
import type { ProbeStep } from '../core/provider.ts';
import { readCode } from './code.ts';
import { type FactorContext, secondProof } from './define.ts';
import type { SendScope } from './sends.ts';

const leastExpiry = 60_000;
const mostExpiry = 30 * 60_000;

/** The options of every factor that sends codes. */
export const sentCodeOptions = z.strictObject({
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

/** How codes go out. */
export interface Channel {
  readonly amr: readonly Amr[];
  /** The one address or number of an account, in its one spelling; undefined where it has none that is sent to. */
  contactOf(terms: Pick<AskTerms, 'assertion'>): string | undefined;
  /** As a page shows it. */
  mask(contact: string): string;
  /** Further counters of what is sent, such as a budget of the site. */
  readonly scopes: readonly SendScope[];
  /** The longest that one message takes once it is its turn, in milliseconds. */
  readonly timeout: number;
  /** Whether a message that came now would wait for others. */
  isBusy(): boolean;
  /** Rejects with a Failure; `send-failed` where this one contact is not delivered to. Goes on when whoever asked has left. */
  send(to: string, code: string, language: string): Promise<void>;
  probe?(signal: AbortSignal): AsyncIterable<ProbeStep>;
  close(): Promise<void>;
}

const stateSchema = z.strictObject({
  /** Of each code that was sent and may still be entered. */
  codes: z.array(z.strictObject({ id: z.string(), digest: z.string(), until: z.number() })),
  sends: z.int().min(0),
  /** Wrong entries since the last code was asked for; they count over all codes that are valid. */
  tries: z.int().min(0),
});

type State = z.output<typeof stateSchema>;

/** How long a page waits for a message that others are before, in milliseconds. */
const patience = 500;
/** A channel ends before whoever asks gives up, so that its answer can say what was wrong. */
const margin = 500;
const purpose = 'digests of codes that were sent';

/** A factor whose codes are sent. */
export class SentCodeFactor implements Factor {
  readonly canBeGuessed = true;
  readonly isNetworked = true;
  readonly timeout: number;
  readonly #options: SentCodeOptions;
  readonly #channel: Channel;
  readonly #context: FactorContext;

  constructor(options: SentCodeOptions, channel: Channel, context: FactorContext) {
    this.#options = options;
    this.#channel = channel;
    this.#context = context;
    this.timeout = channel.timeout + margin;
  }

  async isUsable(_account: Account, _enrolments: readonly Enrolment[], terms: AskTerms): Promise<boolean> {
    return this.#channel.contactOf(terms) !== undefined;
  }

  async ask(account: Account, _enrolments: readonly Enrolment[], terms: AskTerms): Promise<AskOutcome> {
    const contact = this.#channel.contactOf(terms);
    if (contact === undefined) return { kind: 'refused', reason: 'contact-missing' };
    const before: State =
      terms.previous === undefined ? { codes: [], sends: 0, tries: 0 } : stateSchema.parse(terms.previous);
    if (before.sends >= this.#options.sends)
      return { kind: 'refused', reason: 'too-many-sends', next: this.#options.afterSends };
    const permit = await this.#context.sends.take(this.#scopes(account, contact, terms));
    if (permit.kind === 'refused') return this.#refused(permit);
    const sent = this.#newCode(account);
    try {
      await this.#send(contact, sent.code, terms, permit);
    } catch (error) {
      // The server is well, and does not deliver to this contact: another factor may do.
      if (error instanceof Failure && error.reason === 'send-failed') {
        this.#context.log.warn({ error }, 'a code was not delivered');
        return { kind: 'refused', reason: 'send-failed' };
      }
      throw error;
    }
    const now = this.#context.clock.now();
    const valid = before.codes.filter(({ until }) => until > now);
    const state: State = { codes: [...valid, sent.kept], sends: before.sends + 1, tries: 0 };
    return { kind: 'asked', challenge: { state, page: this.#page(contact, state) } };
  }

  async verify(account: Account, { fields, state: given }: FactorResponse): Promise<FactorOutcome> {
    const state = stateSchema.parse(given);
    const { clock, store } = this.#context;
    const code = readCode(fields.get('code'), this.#options.digits);
    const found = code === undefined ? undefined : this.#find(account, code, state);
    if (found && found.until > clock.now()) {
      // Of many answers at once the one that makes the mark was the first.
      const isFirst = await store.replace(`sent-code-used:${found.id}`, undefined, '1', found.until);
      return isFirst
        ? { kind: 'verified', proof: secondProof(this.#context, account, this.#channel.amr) }
        : { kind: 'rejected', reason: 'code-replayed' };
    }
    if (found || !state.codes.some(({ until }) => until > clock.now()))
      return { kind: 'rejected', reason: 'code-expired', next: 'resend' };
    const tries = state.tries + 1;
    if (tries < this.#options.tries) return { kind: 'rejected', reason: 'code-wrong', state: { ...state, tries } };
    return {
      kind: 'rejected',
      reason: 'code-wrong',
      state: { ...state, codes: [], tries: 0 },
      next: this.#options.afterTries,
    };
  }

  async *probe(signal: AbortSignal): AsyncIterable<ProbeStep> {
    if (this.#channel.probe) yield* this.#channel.probe(signal);
  }

  async close(): Promise<void> {
    await this.#channel.close();
  }

  /**
   * Waits until the message is taken. Where others are before it the page is shown at once: at the beginning of a shift nobody
   * is to wait for the mails of hundreds. One that fails then is given back, and its user asks for another.
   */
  async #send(
    contact: string,
    code: string,
    { language }: AskTerms,
    { giveBack }: { giveBack(): Promise<void> },
  ): Promise<void> {
    const isQueued = this.#channel.isBusy();
    const sending = this.#channel.send(contact, code, language).catch(async (error: unknown) => {
      await giveBack();
      throw error;
    });
    if (!isQueued) return sending;
    let isPatient = true;
    const late = sending.catch((error: unknown) => {
      if (isPatient) throw error;
      this.#context.log.warn({ error }, 'a code that waited for its turn was not sent');
    });
    await Promise.race([late, delay(patience)]);
    isPatient = false;
  }

  #page(contact: string, { sends }: State) {
    const { digits, prompt } = this.#options;
    return {
      kind: 'code' as const,
      digits,
      contact: this.#channel.mask(contact),
      sendsLeft: this.#options.sends - sends,
      ...(prompt !== undefined && { prompt }),
    };
  }

  #scopes(account: Account, contact: string, { address }: AskTerms): SendScope[] {
    const { name, sendRules } = this.#context;
    return [
      { kind: 'account', of: `${name}\0${accountKey(account)}`, limit: sendRules.account, wait: sendRules.wait },
      { kind: 'contact', of: contact, limit: sendRules.contact },
      { kind: 'address', of: address, limit: sendRules.address },
      ...this.#channel.scopes,
    ];
  }

  #refused({ scope, retryAt }: { readonly scope: SendScope['kind']; readonly retryAt: number }): AskOutcome {
    const { clock, log } = this.#context;
    const retryAfter = Math.max(0, retryAt - clock.now());
    if (scope !== 'budget') return { kind: 'refused', reason: 'too-many-sends', retryAfter };
    log.error({ retryAfter }, 'the budget of messages is spent: no more codes are sent until then');
    return { kind: 'refused', reason: 'budget-spent', retryAfter };
  }

  #newCode(account: Account): { readonly code: string; readonly kept: State['codes'][number] } {
    const { digits, expires } = this.#options;
    const code = Array.from({ length: digits }, () => randomInt(10)).join('');
    const id = randomBytes(12).toString('base64url');
    const [key] = this.#context.sealer.derive(purpose);
    if (!key) throw new Error('there is no key for digests');
    const digest = this.#digest(key, account, id, code).toString('base64url');
    return { code, kept: { id, digest, until: this.#context.clock.now() + expires } };
  }

  /** All are compared, with every key, so that the time tells nothing. */
  #find(account: Account, code: string, { codes }: State): State['codes'][number] | undefined {
    const keys = this.#context.sealer.derive(purpose);
    return codes.findLast((kept) => {
      const right = Buffer.from(kept.digest, 'base64url');
      return keys.some((key) => timingSafeEqual(this.#digest(key, account, kept.id, code), right));
    });
  }

  #digest(key: KeyObject, account: Account, id: string, code: string): Buffer {
    return createHmac('sha256', key)
      .update(JSON.stringify([this.#context.name, accountKey(account), id, code]))
      .digest();
  }
}
