/**
 * The header lines of a message as a value: the one place that reads them. Names are folded to lower case once, each line is
 * kept as it came, and what is repeated or ends a body is judged by one rule for everybody.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { ReadName } from './read-names.ts';

/** Where the body of a message ends (RFC 9112 §6.3), or why that has more than one answer. */
type BodyFraming =
  | { readonly kind: 'none' | 'chunked' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'faulty'; readonly detail: string };

/** Header lines as Node keeps them in a message. */
export interface NodeHeaders {
  readonly headers: IncomingHttpHeaders;
  readonly headersDistinct: NodeJS.Dict<string[]>;
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;
// Horizontal tab is the only control octet in a field value (RFC 9110 §5.5).
const controlOctet = /[\0-\x08\x0a-\x1f\x7f]/;
const [space, tab] = [0x20, 0x09];

/**
 * A second line of these refuses the message: who acts on the first could not agree with who acts on the last. Cookie is
 * missing on purpose, its lines are one list. Host is counted by whoever reads the host.
 */
const refusedTwice: ReadonlySet<string> = new Set([
  ...['authorization', 'content-length', 'content-type', 'expect', 'origin', 'proxy-authorization'],
  ...['sec-websocket-key', 'sec-websocket-version', 'transfer-encoding'],
]);

/** Of these the first line counts and goes on; of all others every line does. */
const firstCounts: ReadonlySet<string> = new Set([
  ...refusedTwice,
  ...['age', 'content-location', 'content-range', 'date', 'etag', 'expires', 'from', 'host', 'if-modified-since'],
  ...['if-range', 'if-unmodified-since', 'last-modified', 'location', 'max-forwards', 'range', 'referer'],
  ...['retry-after', 'server', 'user-agent'],
]);

const none: readonly string[] = [];

/** Header lines. Names are asked for in lower case. */
export class HeaderLines {
  /** Names and values in turn, as they came: spelling, order, octets as Latin-1. */
  readonly raw: readonly string[];
  /** In lower case. */
  #names: string[] | undefined;
  #values: Map<string, string[]> | undefined;
  /** True: names and values have been read in their strict form. */
  readonly #isStrict: boolean;

  constructor(raw: readonly string[], { isStrict = false } = {}) {
    this.raw = raw;
    this.#isStrict = isStrict;
  }

  /**
   * Reads lines that each end in CRLF, without the empty one behind them; undefined where one is not `name: value` in the
   * strict form. The bytes are copied once: names and values are parts of that one text.
   */
  static fromBytes(block: Buffer): HeaderLines | undefined {
    return HeaderLines.fromText(block.toString('latin1'));
  }

  /** The same of a text that is Latin-1. */
  static fromText(text: string): HeaderLines | undefined {
    const raw: string[] = [];
    for (let start = 0; start < text.length; ) {
      const end = text.indexOf('\r\n', start);
      const colon = text.indexOf(':', start);
      if (end === -1 || colon === -1 || colon > end) return undefined;
      const name = text.slice(start, colon);
      const value = trimmed(text, colon + 1, end);
      if (!token.test(name) || controlOctet.test(value)) return undefined;
      raw.push(name, value);
      start = end + 2;
    }
    return new HeaderLines(raw, { isStrict: true });
  }

  /** Every value of a name, in order. */
  all(name: ReadName): readonly string[] {
    return this.named(name);
  }

  /** The same of a name that is not known before. Whoever keeps what follows from it must be told of the name (`read-names.ts`). */
  named(name: string): readonly string[] {
    return this.#index().get(name) ?? none;
  }

  has(name: ReadName): boolean {
    return this.#index().has(name);
  }

  /** The elements of a list, however many lines it takes; empty ones are left out. */
  list(name: ReadName): readonly string[] {
    return this.all(name).flatMap((value) =>
      value
        .split(',')
        .map((element) => element.trim())
        .filter((element) => element !== ''),
    );
  }

  /** The one value; undefined where there is none, and where two lines differ. */
  single(name: ReadName): string | undefined {
    const [first, ...more] = this.all(name);
    return more.every((value) => value === first) ? first : undefined;
  }

  /** Each line in order: the name in lower case, the value, the name as it was spelt. */
  each(visit: (name: string, value: string, spelling: string) => void): void {
    const { raw } = this;
    const names = this.#lowered();
    for (let index = 0; index + 1 < raw.length; index += 2)
      visit(names[index / 2] ?? '', raw[index + 1] ?? '', raw[index] ?? '');
  }

  #lowered(): readonly string[] {
    if (this.#names) return this.#names;
    const names: string[] = [];
    for (let index = 0; index + 1 < this.raw.length; index += 2) names.push((this.raw[index] ?? '').toLowerCase());
    this.#names = names;
    return names;
  }

  /** The same lines, but for those whose name is left out. */
  without(isLeftOut: (name: string) => boolean): HeaderLines {
    const kept: string[] = [];
    this.each((name, value, spelling) => {
      if (!isLeftOut(name)) kept.push(spelling, value);
    });
    return new HeaderLines(kept);
  }

  /** The same lines with one first, in the place of all of its name. */
  with(spelling: string, value: string): HeaderLines {
    const others = this.without((name) => name === spelling.toLowerCase());
    return new HeaderLines([spelling, value, ...others.raw]);
  }

  /**
   * What two servers could read differently: repeated where only one can count, misspelt, octets that no header has, two ends
   * of a body. Node's parser refuses most of it first; forward-auth and the middleware bring lines that it has not seen.
   */
  fault(): string | undefined {
    const { raw } = this;
    if (raw.length % 2 !== 0) return 'a header line has no value';
    const seen = new Set<string>();
    const names = this.#lowered();
    for (let index = 0; index < raw.length; index += 2) {
      if (!this.#isStrict && !token.test(raw[index] ?? '')) return 'a header name holds a character that none may have';
      if (!this.#isStrict && controlOctet.test(raw[index + 1] ?? '')) return 'a header value holds a control octet';
      const spelt = names[index / 2] ?? '';
      // CGI and WSGI upstreams read Content_Length as Content-Length.
      const folded = spelt.includes('_') ? spelt.replaceAll('_', '-') : spelt;
      if (!refusedTwice.has(folded)) continue;
      if (folded !== spelt) return `${folded} is spelt with an underscore`;
      if (seen.has(folded)) return `${folded} stands there more than once`;
      seen.add(folded);
    }
    const framing = this.framing();
    return framing.kind === 'faulty' ? framing.detail : undefined;
  }

  /** Where the body of a request ends, `minorVersion` being that of HTTP/1; the one judgement of it. */
  framing(minorVersion = 1): BodyFraming {
    const [length, ...lengths] = this.all('content-length');
    const [coding, ...codings] = this.all('transfer-encoding');
    const fault =
      this.named('content_length').length + this.named('transfer_encoding').length > 0
        ? 'a length is spelt with an underscore'
        : framingFault({ length, coding, minorVersion, isRepeated: lengths.length + codings.length > 0 });
    if (fault !== undefined) return { kind: 'faulty', detail: fault };
    if (coding !== undefined) return { kind: 'chunked' };
    const bytes = Number(length ?? 0);
    return bytes === 0 ? { kind: 'none' } : { kind: 'length', bytes };
  }

  /** As Node makes them of lines: cookies joined by semicolons, lists by commas, `Set-Cookie` a list. */
  toNode(): NodeHeaders {
    const headersDistinct: NodeJS.Dict<string[]> = Object.create(null);
    const headers: IncomingHttpHeaders = Object.create(null);
    for (const [name, values] of this.#index()) {
      headersDistinct[name] = [...values];
      if (name === 'set-cookie') headers[name] = [...values];
      else if (firstCounts.has(name)) headers[name] = values[0];
      else headers[name] = values.join(name === 'cookie' ? '; ' : ', ');
    }
    return { headers, headersDistinct };
  }

  #index(): ReadonlyMap<string, string[]> {
    if (this.#values) return this.#values;
    const values = new Map<string, string[]>();
    this.each((name, value) => {
      const before = values.get(name);
      if (before) before.push(value);
      else values.set(name, [value]);
    });
    this.#values = values;
    return values;
  }
}

/** Whether of several lines of a name only the first goes on. */
export function countsOnce(name: string): boolean {
  return firstCounts.has(name);
}

function framingFault(said: {
  readonly length: string | undefined;
  readonly coding: string | undefined;
  readonly minorVersion: number;
  readonly isRepeated: boolean;
}): string | undefined {
  const { length, coding, minorVersion, isRepeated } = said;
  if (isRepeated) return 'the length of the body stands there more than once';
  if (length !== undefined && coding !== undefined) return 'content-length and transfer-encoding stand there together';
  if (length !== undefined && !/^\d{1,15}$/.test(length.trim())) return 'content-length is not a number';
  if (coding === undefined) return undefined;
  if (minorVersion === 0) return 'HTTP/1.0 knows no transfer coding';
  return coding.trim().toLowerCase() === 'chunked' ? undefined : 'transfer-encoding is not chunked';
}

/** A part of a text without the spaces and tabs around it. */
function trimmed(text: string, from: number, to: number): string {
  let [start, end] = [from, to];
  const isBlank = (index: number): boolean => [space, tab].includes(text.charCodeAt(index));
  while (start < end && isBlank(start)) start += 1;
  while (end > start && isBlank(end - 1)) end -= 1;
  return text.slice(start, end);
}
