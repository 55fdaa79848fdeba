/** Mails that tell the owner of an account what was changed about its factors, where mails are sent and an address is known. */
import type { Account } from '../core/account.ts';
import type { Log } from '../core/log.ts';
import type { Assertion } from '../core/principal.ts';
import { mailAddress } from '../messages/contacts.ts';
import type { Mailer } from '../messages/mailer.ts';
import { messageTexts, type Notice } from '../messages/texts.ts';
import type { Sessions } from '../sessions/sessions.ts';

/** What notices are made of. */
interface NoticeParts {
  readonly mailer: Mailer | undefined;
  readonly isWanted: boolean;
  readonly siteName: string;
  /** Of mails to somebody whose language is not known. */
  readonly language: string;
  readonly sessions: Pick<Sessions, 'ofAccount'>;
  readonly log: Log;
}

/** Sends notices. Nobody waits for them, and nothing fails with them. */
export class FactorNotices {
  readonly #parts: NoticeParts;

  constructor(parts: NoticeParts) {
    this.#parts = parts;
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
