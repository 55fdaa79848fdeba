/** What the pages say of errors in English. */
import type { ErrorCode } from '../../core/errors.ts';

/** What a page says about one error. */
export interface ErrorText {
  readonly title: string;
  readonly body: string;
}

/** By the code of the error. */
export const errors = {
  BAD_REQUEST: {
    title: 'This request is not valid',
    body: 'The address cannot be read in one clear way, so it was not passed on. Check the address, or begin at the start page.',
  },
  MISDIRECTED: {
    title: 'This site has another address',
    body: 'You opened it under a name that is not its own. Go on to the right one.',
  },
  LOGIN_REQUIRED: { title: 'Sign in to continue', body: 'This page is for people who are signed in.' },
  LOGIN_FAILED: { title: 'Signing in did not work', body: 'The user name or the password is wrong.' },
  TOO_MANY_FAILURES: {
    title: 'Too many attempts',
    body: 'There were too many failed attempts.',
  },
  PROVIDER_UNAVAILABLE: {
    title: 'Signing in is not possible at the moment',
    body: 'The service that checks your account does not answer. It is not your password.',
  },
  ACCESS_DENIED: {
    title: 'You do not have access to this page',
    body: 'Your account is missing the permission that this page asks for.',
  },
  PEER_CERTIFICATE_REQUIRED: {
    title: 'This address is for machines',
    body: 'It takes those that show a certificate.',
  },
  SECRET_REQUIRED: {
    title: 'This address is for machines',
    body: 'It takes those that show its shared secret.',
  },
  PEER_REFUSED: {
    title: 'The certificate of this machine does not admit it here',
    body: 'Whoever looks after this service has to enter it, or to give it another.',
  },
  ORIGIN_MISMATCH: {
    title: 'This request came from another site',
    body: 'For your safety it was not carried out. If you meant to do this, open the page here and do it again.',
  },
  NOT_FOUND: { title: 'There is nothing at this address', body: 'Check the address, or begin at the start page.' },
  UNSUPPORTED_MEDIA_TYPE: {
    title: 'Another kind of request',
    body: 'This address takes another kind of request.',
  },
  METHOD_NOT_ALLOWED: {
    title: 'This does not work at this address',
    body: 'The address exists, but does not take this kind of request.',
  },
  REQUEST_TIMEOUT: {
    title: 'The request took too long',
    body: 'It did not arrive in time. Check your connection, then try again.',
  },
  PAYLOAD_TOO_LARGE: {
    title: 'That is too large',
    body: 'What you sent is larger than this application accepts. Nothing was stored.',
  },
  UPSTREAM_UNREACHABLE: {
    title: 'The application does not answer',
    body: 'You are signed in, but the application behind this page cannot be reached.',
  },
  UPSTREAM_BROKE: {
    title: 'The application gave no usable answer',
    body: 'You are signed in, but the answer of the application could not be used.',
  },
  UNAVAILABLE: {
    title: 'Not available at the moment',
    body: 'The service is starting, stopping or overloaded.',
  },
  UPSTREAM_TIMEOUT: {
    title: 'The application took too long',
    body: 'You are signed in, but the application did not answer in time. What you asked for may still have been done: look before you repeat it.',
  },
} satisfies Record<ErrorCode, ErrorText>;
