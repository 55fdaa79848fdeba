/** What a mail server says when it does not take a mail, in an operator's words. Its own text is not repeated: it may hold addresses. */
import { Failure } from '../core/failure.ts';
import { networkFailure } from '../remote/network-error.ts';

/** What nodemailer adds to its errors. */
interface MailError extends Error {
  readonly code?: string;
  /** What the system or TLS had called it before. */
  readonly originalCode?: string;
  readonly responseCode?: number;
}

/** A Failure out of whatever sending a mail has thrown; `where` names the server. */
export function mailFailure(error: unknown, where: string): Failure {
  if (error instanceof Failure) return error;
  const { code, originalCode, responseCode } = (error instanceof Error ? error : {}) as Partial<MailError>;
  const said = responseCode === undefined ? '' : ` (${responseCode})`;
  const original = originalCode === undefined ? error : Object.assign(new Error('mail'), { code: originalCode });
  const answered = { answer: responseCode, cause: undefined };
  switch (code) {
    case 'EAUTH':
      return new Failure('misconfigured', `${where}: auth: it does not take the user and the password${said}`, {
        hint: 'check messages.mail.user and messages.mail.password',
        ...answered,
      });
    case 'EENVELOPE':
      return responseCode !== undefined && responseCode >= 500
        ? new Failure('send-failed', `${where}: recipient: it does not deliver to the address${said}`, {
            hint: "the address may be wrong, or the server may not relay for the sender; the server's log says which",
            ...answered,
          })
        : new Failure('unreachable', `${where}: recipient: it takes no mail for the address now${said}`, {
            hint: "the server's log says why",
            ...answered,
          });
    case 'EMESSAGE':
      return new Failure('send-failed', `${where}: data: it does not take the mail${said}`, {
        hint: "the server's log says why",
        ...answered,
      });
    case 'ETLS':
      return (
        networkFailure(original, `${where}: STARTTLS`) ??
        new Failure('tls-failed', `${where}: STARTTLS: the connection cannot be secured`, {
          hint: 'use smtps:// where the server speaks TLS from the first byte, or have it offer STARTTLS',
        })
      );
    case 'EPROTOCOL':
      return new Failure('protocol-error', `${where}: its answer is not SMTP`, {
        hint: 'check scheme and port of messages.mail.url',
      });
    default:
      return (
        networkFailure(original, where) ??
        new Failure('unreachable', `${where}: the connection broke before the mail was taken${said}`, {
          hint: 'its log says more',
          ...answered,
        })
      );
  }
}
