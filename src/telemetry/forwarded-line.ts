/**
 * The audit's line of a request that was let through and answered, in pieces: what it says of the address and of whoever asked is
 * the same for many requests and can be kept.
 */
import { visibleJson } from './json-line.ts';
import { scrubFields } from './scrub.ts';

/** A request that was forwarded by the lane. */
export interface ForwardedRequest {
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
  /** Its id, which is one of ours. */
  readonly request: string;
  /** As `placeText`, `addressText` and `userText` write it. */
  readonly place: string;
  readonly address: string;
  readonly user: string;
}

/** What the line says of the address that was asked for. */
export function placeText(record: { readonly method: string; readonly route: string; readonly path: string }): string {
  return `,${fieldsOf(record)},"seconds":`;
}

/** What the line says of where it came from. */
export function addressText(record: { readonly address: string }): string {
  return `",${fieldsOf(record)}`;
}

/** What the line says of who asked, and its end. */
export function userText(
  record: Readonly<Partial<Record<'user' | 'tenant' | 'provider' | 'session' | 'via', string>>>,
): string {
  return `${Object.keys(record).length === 0 ? '' : `,${fieldsOf(record)}`},"lane":true}`;
}

/** The line, but for its time: in the very order in which a record of all its fields is written. */
export function forwardedLine({ status, place, seconds, request, address, user }: ForwardedRequest): string {
  return `"event":"request","verdict":"forward","status":${status}${place}${seconds},"request":"${request}${address}${user}`;
}

function fieldsOf(record: object): string {
  return visibleJson(JSON.stringify(scrubFields(record))).slice(1, -1);
}
