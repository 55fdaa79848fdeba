/** Names that follow a request through all programs: our request id, and W3C Trace Context. */
import { randomBytes, randomUUID } from 'node:crypto';

/** Where a request stands in a trace. */
interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits: who asks. */
  readonly spanId: string;
  readonly isSampled: boolean;
}

const traceparentForm = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?$/;
const requestIdForm = /^[A-Za-z0-9][A-Za-z0-9._:-]{7,127}$/;

/** Reads a `traceparent` header (W3C Trace Context §3.2); undefined unless it is valid to the letter. */
export function parseTraceparent(value: string | undefined): TraceContext | undefined {
  if (value === undefined) return undefined;
  const [, version, traceId = '', spanId = '', flags = '', rest] = traceparentForm.exec(value) ?? [];
  if (version === undefined || version === 'ff' || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  // Only versions to come may carry more fields.
  if (version === '00' && rest !== undefined) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** A span of ours: within the caller's trace when its header is valid, else in one of its own. */
export function continueTrace(header: string | undefined): TraceContext {
  const caller = parseTraceparent(header);
  return {
    traceId: caller?.traceId ?? randomDigits(32),
    spanId: randomDigits(16),
    isSampled: caller?.isSampled ?? false,
  };
}

let digits = '';
let taken = 0;

/** Hexadecimal digits that nobody has seen. Asking the system for each name on its own costs more than a route's match. */
function randomDigits(count: number): string {
  if (taken + count > digits.length) {
    digits = randomBytes(4096).toString('hex');
    taken = 0;
  }
  taken += count;
  return digits.slice(taken - count, taken);
}

/** The `traceparent` header for what is asked on behalf of this span. */
export function formatTraceparent({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`;
}

/**
 * The id of a request: the one that a trusted proxy gave it, if it is well-formed, else one of our own. Pass nothing for
 * an untrusted peer: a client must not choose what the logs call it.
 */
export function createRequestId(fromTrustedProxy?: string): string {
  return fromTrustedProxy !== undefined && requestIdForm.test(fromTrustedProxy) ? fromTrustedProxy : randomUUID();
}
