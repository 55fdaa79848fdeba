/** Asks a CAS server about tickets, within bounds of time and size, and only at the configured address. */

import type { Clock } from '../../core/clock.ts';
import { Failure } from '../../core/failure.ts';
import type { Log } from '../../core/log.ts';
import { HttpClient } from '../../remote/http-client.ts';
import type { ProviderContext } from '../define.ts';
import { readTicketAnswer, type TicketAnswer } from './answer.ts';
import { casFailure } from './failure.ts';
import type { CasOptions } from './options.ts';
import { isProxyTicket } from './tickets.ts';

/** What is asked about. */
export interface ValidationRequest {
  readonly ticket: string;
  /** As it was when the ticket was asked for, to the letter. */
  readonly service: string;
  /** Only a ticket for which the user has just given credentials will do. */
  readonly renew: boolean;
}

/** An answer over HTTP, whole. */
interface Page {
  readonly status: number;
  readonly text: string;
}

const withoutP3For = 3_600_000;
const absent: ReadonlySet<number> = new Set([404, 405, 410, 501]);
const charsets: ReadonlySet<string> = new Set(['utf-8', 'us-ascii', 'iso-8859-1', 'iso-8859-15', 'windows-1252']);

/** One CAS server. */
export class CasClient {
  readonly #base: URL;
  readonly #version: CasOptions['version'];
  readonly #http: HttpClient;
  readonly #clock: Clock;
  readonly #log: Log;
  #withoutP3Until = 0;

  constructor(
    { url, ca, pins, version, timeout, outboundProxy }: CasOptions,
    { clock, log, onCertificate }: Pick<ProviderContext, 'clock' | 'log' | 'onCertificate'>,
  ) {
    this.#base = new URL(`${url.pathname.replace(/\/+$/, '')}/`, url);
    this.#version = version;
    this.#clock = clock;
    this.#log = log;
    // A kept connection that has died would lose the answer to a ticket that the server has then used up.
    this.#http = new HttpClient({ ca, pins, timeout, keepAlive: false, outboundProxy, onCertificate });
  }

  /** An address of the server: `login`, `logout`, `p3/serviceValidate`; values are encoded, whatever stands in them. */
  address(path: string, query: Readonly<Record<string, string>> = {}): URL {
    const url = new URL(path, this.#base);
    url.search = new URLSearchParams(query).toString();
    return url;
  }

  /** Where the server is, for messages. */
  get label(): string {
    return this.#base.href;
  }

  /** The server's word on a ticket. Throws a Failure when there is none to rely on; ends with the signal. */
  async validate(question: ValidationRequest, signal: AbortSignal): Promise<TicketAnswer> {
    const triesP3 = this.#version === '3.0' && this.#clock.now() >= this.#withoutP3Until;
    if (triesP3) {
      const answer = await this.validateAt('p3/', question, signal);
      if (answer) return answer;
      this.#withoutP3Until = this.#clock.now() + withoutP3For;
      this.#log.info({ server: this.label }, 'the CAS server does not speak 3.0; its 2.0 address is used');
    }
    const answer = await this.validateAt('', question, signal);
    if (answer) return answer;
    throw new Failure('misconfigured', `${this.label}: there is no address to validate tickets`, {
      hint: 'url must be the base address of CAS, below which /login and /serviceValidate are',
    });
  }

  /** The same at one address; undefined when the server has no such address. */
  async validateAt(
    prefix: 'p3/' | '',
    question: ValidationRequest,
    signal: AbortSignal,
  ): Promise<TicketAnswer | undefined> {
    const { ticket, service, renew } = question;
    // The address for service tickets knows no proxies: whoever presents one there cannot be acting for a user.
    const method = isProxyTicket(ticket) ? 'proxyValidate' : 'serviceValidate';
    const url = this.address(prefix + method, { service, ticket, ...(renew && { renew: 'true' }) });
    try {
      const page = await this.read(url, signal, 'application/xml, text/xml;q=0.9');
      return absent.has(page.status) ? undefined : answerOf(page);
    } catch (error) {
      throw casFailure(error, this.label);
    }
  }

  /** Reads a page of the server. Redirections are not followed: they could lead anywhere, the ticket with them. */
  async read(url: URL, signal: AbortSignal, accept: string): Promise<Page> {
    const { status, headers, body } = await this.#http.request(url, { signal, headers: { accept } });
    if (status >= 300 && status < 400) throw redirected(url, headers.location);
    return { status, text: decode(body, headers['content-type']) };
  }

  /** Opens the login page; rejects where there is none to be had. */
  async ping(signal: AbortSignal): Promise<void> {
    const { status } = await this.read(this.address('login'), signal, 'text/html');
    if (status >= 500) throw new Failure('provider-broke', `${this.label}: CAS answers with status ${status}`);
  }

  /** Ends its sockets. */
  async close(): Promise<void> {
    await this.#http.close();
  }
}

/** Some servers refuse with a status of their own; nobody is authenticated but with 200. */
function answerOf({ status, text }: Page): TicketAnswer {
  if (status === 200) return readTicketAnswer(text);
  if (status === 429 || status === 503) throw new Failure('overloaded', `CAS answers with status ${status}`);
  if (status >= 500)
    throw new Failure('provider-broke', `CAS answers with status ${status}`, { hint: 'see the log of CAS' });
  const answer = readTicketAnswer(text);
  if (answer.kind === 'failure') return answer;
  throw new Failure('protocol-error', `CAS answers with status ${status} and a success`);
}

function decode(bytes: Buffer, contentType: string | string[] | undefined): string {
  const type = String(contentType ?? '');
  const declared = /^<\?xml[^>]{0,100}?\sencoding\s*=\s*["']([\w.-]{1,40})["']/.exec(bytes.toString('latin1', 0, 200));
  const charset = (/;\s*charset="?([\w.-]{1,40})/i.exec(type)?.[1] ?? declared?.[1] ?? 'utf-8').toLowerCase();
  if (!charsets.has(charset)) throw new Failure('protocol-error', 'CAS answers in a charset that is not read here');
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes);
  } catch {
    throw new Failure('protocol-error', `the answer of CAS is not in ${charset}`);
  }
}

/** Names origin and path only: a query may repeat the ticket. */
function redirected(from: URL, location: string | string[] | undefined): Failure {
  const to = typeof location === 'string' && URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  const where = to ? `to ${to.origin}${to.pathname.replace(/;.*$/, '')}` : 'elsewhere';
  return new Failure('misconfigured', `${from.origin}${from.pathname}: the server sends us ${where}`, {
    hint: 'set url to where CAS itself answers; redirections are not followed',
  });
}
