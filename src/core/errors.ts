/** Errors with two faces: a public message for pages and JSON, a detail and a cause for the log. */

/** What a client may be told, by code. Pages translate by code; the English text here goes into JSON answers. */
export const errorCodes = {
  BAD_REQUEST: { status: 400, message: 'The request is not valid.' },
  LOGIN_REQUIRED: { status: 401, message: 'Sign in to continue.' },
  LOGIN_FAILED: { status: 401, message: 'The user name or the password is wrong.' },
  TOO_MANY_FAILURES: { status: 429, message: 'Too many failed attempts. Wait a moment, then try again.' },
  PROVIDER_UNAVAILABLE: { status: 503, message: 'Signing in is not possible at the moment.' },
  ACCESS_DENIED: { status: 403, message: 'You do not have access to this page.' },
  PEER_CERTIFICATE_REQUIRED: { status: 401, message: 'This address is for machines that show a certificate.' },
  SECRET_REQUIRED: { status: 401, message: 'This address is for machines that show its shared secret.' },
  PEER_REFUSED: { status: 403, message: 'The certificate of this machine does not admit it here.' },
  ORIGIN_MISMATCH: { status: 403, message: 'This request came from another site.' },
  NOT_FOUND: { status: 404, message: 'There is nothing at this address.' },
  METHOD_NOT_ALLOWED: { status: 405, message: 'This address does not take this kind of request.' },
  MISDIRECTED: { status: 421, message: 'This site has another address.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, message: 'This address takes another kind of request.' },
  REQUEST_TIMEOUT: { status: 408, message: 'The request took too long to arrive.' },
  PAYLOAD_TOO_LARGE: { status: 413, message: 'The request is too large.' },
  UPSTREAM_UNREACHABLE: { status: 502, message: 'The application does not answer.' },
  UPSTREAM_BROKE: { status: 502, message: 'The application gave an answer that cannot be used.' },
  UNAVAILABLE: { status: 503, message: 'The service is not available at the moment.' },
  UPSTREAM_TIMEOUT: { status: 504, message: 'The application took too long to answer.' },
} as const satisfies Record<string, { status: number; message: string }>;

/** The code of a public error. */
export type ErrorCode = keyof typeof errorCodes;

/** A failure that reaches a client; `message` is the log's detail, `publicMessage` the client's. */
export class GatewayError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, detail: string, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = 'GatewayError';
    this.code = code;
  }

  get status(): number {
    return errorCodes[this.code].status;
  }

  get publicMessage(): string {
    return errorCodes[this.code].message;
  }
}

/**
 * Something the operator has to mend before the program can go on: a file that cannot be read, a port in use.
 *
 * `message` says what is wrong and where; `hint` what to do. Commands print both and exit with 1.
 */
export class OperatorError extends Error {
  readonly hint: string | undefined;

  constructor(message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'OperatorError';
    this.hint = hint;
  }
}
