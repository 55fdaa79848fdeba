/** Mails that tell the owner of an account what was changed about its factors, where mails are sent and an address is known. */
import type { Account } from '../core/account.ts';
import type { Log } from '../core/log.ts';
import type { Assertion } from '../core/principal.ts';
import { accountOf } from '../core/session.ts';
import { mailAddress } from '../messages/contacts.ts';
import type { Mailer } from '../messages/mailer.ts';
import { messageTexts, type Notice } from '../messages/texts.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { Vouched } from '../sessions/stored-session.ts';

/** What notices are made of. */
interface NoticeParts {
  readonly mailer: Mailer | undefined;
  readonly isWanted: boolean;
  readonly siteName: string;
  /** Of mails to somebody whose language is not known. */
  readonly language: string;
  readonly sessions: Pick<Sessions, 'ofAccount'>;
  /** The kind of a configured factor. */
  readonly typeOf: (factor: string) => string | undefined;
  readonly log: Log;
}

/** What is told of the use of a factor, by its kind. */
const uses: Readonly<Record<string, Notice>> = { recovery: 'recovery-used', pass: 'pass-used' };

/** Sends notices. Nobody waits for them, and nothing fails with them. */
export class FactorNotices {
  readonly #parts: NoticeParts;

  constructor(parts: NoticeParts) {
    this.#parts = parts;
  }

  /** A step of a login went well: its owner hears of a setup, and of what stands in for a factor. */
  async heard(event: 'factor' | 'enrol', factor: string | undefined, vouched: Vouched): Promise<void> {
    const used = uses[(factor !== undefined && this.#parts.typeOf(factor)) || ''];
    const notice = event === 'enrol' ? 'enrolled' : used;
    if (notice) await this.tell(accountOf(vouched), notice, vouched.assertion);
  }

  /** Tells the owner; `assertion` is what is known of them, else what their sessions know. */
  async tell(account: Account, notice: Notice, assertion?: Assertion): Promise<void> {
    const { mailer, isWanted, siteName, language, log } = this.#parts;
    if (!mailer || !isWanted) return;
    try {
      const to = addressIn(assertion) ?? (await this.#addressOf(account));
      if (to === undefined) return;
      const { subject, text } = messageTexts(language).notice(notice, { site: siteName, account: account.subject });
      mailer.send({ to, subject, text }).catch((error: unknown) => {
        log.warn({ error, notice }, 'a notice about second factors was not sent');
      });
    } catch (error) {
      log.warn({ error, notice }, 'a notice about second factors was not sent');
    }
  }

  async #addressOf(account: Account): Promise<string | undefined> {
    for await (const { assertion } of this.#parts.sessions.ofAccount(account)) {
      const found = addressIn(assertion);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

function addressIn(assertion: Assertion | undefined): string | undefined {
  return assertion?.attributes.email?.map(mailAddress).find((address) => address !== undefined);
}
