/**
 * Codes that are made here and sent: what is counted of them, what is kept, and whether one is right. What is kept of a code is a
 * digest that only the account, the factor and the sending make again; each is taken once. How it is sent is the channel's.
 */
import { createHmac, type KeyObject, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { type Account, accountKey } from '../core/account.ts';
import type { AskOutcome, AskTerms, CodePage } from '../core/factor.ts';
import { Failure } from '../core/failure.ts';
import type { Amr, Assertion } from '../core/principal.ts';
import type { ProbeStep } from '../core/provider.ts';
import type { Reason } from '../core/reason.ts';
import type { WordsForVisitors } from '../core/route.ts';
import { addressGroup } from '../users/address.ts';
import { readCode } from './code.ts';
import type { FactorContext, SendReport } from './define.ts';
import type { SendScope } from './sends.ts';

/** How codes go out. */
export interface Channel {
  readonly medium: 'mail' | 'sms';
  readonly amr: readonly Amr[];
  /** The one address or number that an account is said to have, in its one spelling; undefined where it has none that is sent to. */
  contactOf(assertion: Assertion): string | undefined;
  /** The attribute that the record of an account may say is known to be the user's. */
  readonly verified: 'email' | 'phone';
  /** What somebody has typed, in its one spelling; undefined where it is none that is sent to. */
  read(typed: string): string | undefined;
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

/** What of the options of a factor its codes follow from. */
interface CodeTerms {
  readonly prompt?: WordsForVisitors | undefined;
  readonly digits: number;
  readonly expires: number;
  readonly sends: number;
  readonly tries: number;
}

/** What is kept of the codes of one login. */
export const sentCodes = z.strictObject({
  /** Of each code that was sent and may still be entered. */
  codes: z.array(z.strictObject({ id: z.string(), digest: z.string(), until: z.number() })),
  sends: z.int().min(0),
  /** Wrong entries since the last code was asked for; they count over all codes that are valid. */
  tries: z.int().min(0),
});

/** The same, read. */
export type SentCodes = z.output<typeof sentCodes>;

/** Who is sent to, and who asks. */
type SendTerms = Pick<AskTerms, 'address' | 'language'>;

/** What an entry comes to. */
type Judgement =
  | { readonly kind: 'right' }
  | { readonly kind: 'wrong'; readonly reason: Reason; readonly state?: SentCodes; readonly isLastTry?: true };

/** How long a page waits for a message that others are before, in milliseconds. */
const patience = 500;
const purpose = 'digests of codes that were sent';

/** Sends the codes of one factor, and judges them. */
export class CodeSending {
  readonly #terms: CodeTerms;
  readonly #channel: Channel;
  readonly #context: FactorContext;

  constructor(terms: CodeTerms, channel: Channel, context: FactorContext) {
    this.#terms = terms;
    this.#channel = channel;
    this.#context = context;
  }

  /** Sends one more to a contact, unless that would be too many. Throws where whoever sends cannot be asked. */
  async send(
    account: Account,
    contact: string,
    terms: SendTerms,
    before: SentCodes = { codes: [], sends: 0, tries: 0 },
  ): Promise<{ readonly kind: 'sent'; readonly state: SentCodes } | Extract<AskOutcome, { kind: 'refused' }>> {
    const permit = await this.#context.sends.take(this.#scopes(account, contact, terms));
    const report = (outcome: SendReport['outcome'], reason?: Reason) =>
      this.#context.onSend({ account, outcome, address: terms.address, ...(reason && { reason }) });
    if (permit.kind === 'refused') {
      const refused = this.#refused(permit);
      report('refused', refused.reason);
      return refused;
    }
    const sent = this.#newCode(account);
    try {
      await this.#deliver(contact, sent.code, terms, { ...permit, report });
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
    return { kind: 'sent', state: { codes: [...valid, sent.kept], sends: before.sends + 1, tries: 0 } };
  }

  /** Judges what was entered, and takes the code where it is right. */
  async judge(account: Account, typed: string | undefined, state: SentCodes): Promise<Judgement> {
    const { clock, store } = this.#context;
    const code = readCode(typed, this.#terms.digits);
    const found = code === undefined ? undefined : this.#find(account, code, state);
    if (found && found.until > clock.now()) {
      // Of many answers at once the one that makes the mark was the first.
      const isFirst = await store.replace(`sent-code-used:${found.id}`, undefined, '1', found.until);
      return isFirst ? { kind: 'right' } : { kind: 'wrong', reason: 'code-replayed' };
    }
    if (found || !state.codes.some(({ until }) => until > clock.now()))
      return { kind: 'wrong', reason: 'code-expired' };
    const tries = state.tries + 1;
    if (tries < this.#terms.tries) return { kind: 'wrong', reason: 'code-wrong', state: { ...state, tries } };
    return { kind: 'wrong', reason: 'code-wrong', state: { ...state, codes: [], tries: 0 }, isLastTry: true };
  }

  /** The page that asks for it. */
  page(contact: string, { sends }: SentCodes): CodePage {
    const { digits, prompt } = this.#terms;
    return {
      ...{ kind: 'code', digits, contact: this.#channel.mask(contact) },
      sendsLeft: this.#terms.sends - sends,
      ...(prompt !== undefined && { prompt }),
    };
  }

  /**
   * Waits until the message is taken. Where others are before it the page is shown at once: at the beginning of a shift nobody
   * is to wait for the mails of hundreds. One that fails then is given back, and its user asks for another.
   */
  async #deliver(
    contact: string,
    code: string,
    { language }: SendTerms,
    {
      giveBack,
      report,
    }: { giveBack(): Promise<void>; readonly report: (outcome: SendReport['outcome'], reason?: Reason) => void },
  ): Promise<void> {
    const isQueued = this.#channel.isBusy();
    const sending = this.#channel.send(contact, code, language).then(
      () => report('sent'),
      async (error: unknown) => {
        report('failed', error instanceof Failure ? error.reason : 'provider-broke');
        await giveBack();
        throw error;
      },
    );
    if (!isQueued) return sending;
    let isPatient = true;
    const late = sending.catch((error: unknown) => {
      if (isPatient) throw error;
      this.#context.log.warn({ error }, 'a code that waited for its turn was not sent');
    });
    await Promise.race([late, delay(patience)]);
    isPatient = false;
  }

  #scopes(account: Account, contact: string, { address }: SendTerms): SendScope[] {
    const { name, sendRules } = this.#context;
    return [
      { kind: 'account', of: `${name}\0${accountKey(account)}`, limit: sendRules.account, wait: sendRules.wait },
      // However a mailbox is written, it is the same person's.
      { kind: 'contact', of: contact.toLowerCase(), limit: sendRules.contact },
      { kind: 'address', of: addressGroup(address), limit: sendRules.address },
      ...this.#channel.scopes,
    ];
  }

  #refused({ scope, retryAt }: { readonly scope: SendScope['kind']; readonly retryAt: number }) {
    const { clock, log } = this.#context;
    const retryAfter = Math.max(0, retryAt - clock.now());
    if (scope !== 'budget') return { kind: 'refused', reason: 'too-many-sends', retryAfter } as const;
    log.error({ retryAfter }, 'the budget of messages is spent: no more codes are sent until then');
    return { kind: 'refused', reason: 'budget-spent', retryAfter } as const;
  }

  #newCode(account: Account): { readonly code: string; readonly kept: SentCodes['codes'][number] } {
    const { digits, expires } = this.#terms;
    const code = Array.from({ length: digits }, () => randomInt(10)).join('');
    const id = randomBytes(12).toString('base64url');
    const [key] = this.#context.sealer.derive(purpose);
    if (!key) throw new Error('there is no key for digests');
    const digest = this.#digest(key, account, id, code).toString('base64url');
    return { code, kept: { id, digest, until: this.#context.clock.now() + expires } };
  }

  /** All are compared, with every key, so that the time tells nothing. */
  #find(account: Account, code: string, { codes }: SentCodes): SentCodes['codes'][number] | undefined {
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
