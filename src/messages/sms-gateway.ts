/** Text messages on their way out, by the HTTP interface of a gateway: a bounded queue, one limit of time for each, no redirect. */
import { systemClock } from '../core/clock.ts';
import { Failure } from '../core/failure.ts';
import type { ProbeStep } from '../core/provider.ts';
import { HttpClient } from '../remote/http-client.ts';
import { networkFailure } from '../remote/network-error.ts';
import { networkSteps, probeSteps } from '../remote/probe.ts';
import { Semaphore } from '../remote/semaphore.ts';
import type { CertificateListener } from '../tls/client.ts';
import { filled, type SmsGatewayOptions } from './options.ts';

/** One message to one person. */
interface TextMessage {
  /** E.164, as `phoneNumber` gives it. */
  readonly to: string;
  readonly from: string;
  readonly text: string;
}

const atOnce = 8;
const maxQueue = 2000;

/** The way to an SMS gateway. */
export class SmsGateway {
  readonly #options: SmsGatewayOptions;
  readonly #client: HttpClient;
  readonly #turns = new Semaphore(atOnce, maxQueue, {
    message: 'SMS gateway: too many messages wait to be sent',
    hint: 'see whether the gateway is slow, and whether somebody asks for codes over and over',
  });

  constructor(options: SmsGatewayOptions, onCertificate?: CertificateListener) {
    this.#options = options;
    // A message whose answer is lost may be on its way: it is not sent twice, as it would be on a worn connection.
    this.#client = new HttpClient({ ca: options.ca, timeout: options.timeout, keepAlive: false, onCertificate });
  }

  /** Whether a message that came now would wait for others. */
  get isBusy(): boolean {
    return !this.#turns.isFree;
  }

  /** Hands one message to the gateway; rejects with a Failure that names it and what it said. */
  async send(message: TextMessage, signal?: AbortSignal): Promise<void> {
    const { url, body, fields, headers } = this.#options;
    const values = filled(fields, { to: message.to, from: message.from, text: message.text });
    const type = body === 'json' ? 'application/json' : 'application/x-www-form-urlencoded';
    const request = {
      method: 'POST',
      headers: {
        'content-type': type,
        ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value.reveal()])),
      },
      body: body === 'json' ? JSON.stringify(values) : new URLSearchParams(values).toString(),
      signal,
    };
    const answer = await this.#turns.run(signal, () =>
      this.#client.request(url, request).catch((error: unknown) => {
        throw this.#failure(error);
      }),
    );
    if (answer.status >= 200 && answer.status < 300) return;
    const isOurs = answer.status === 401 || answer.status === 403;
    const hint = isOurs ? 'check the headers of the gateway: it does not know who asks' : "the gateway's log says why";
    const reason =
      answer.status >= 500 || answer.status === 429 ? 'unreachable' : isOurs ? 'misconfigured' : 'send-failed';
    throw new Failure(reason, `${this.#where}: it answered ${answer.status}`, { hint, answer: answer.status });
  }

  /** What `check --connect` tries: name, port, TLS. Nothing is sent: the first message shows the rest. */
  probe(signal: AbortSignal): AsyncIterable<ProbeStep> {
    const { url, ca, timeout } = this.#options;
    const explain = (error: unknown): Failure => this.#failure(error);
    return probeSteps(networkSteps(url, { ca }, systemClock), { signal, timeout, explain });
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    await this.#client.close();
  }

  get #where(): string {
    return `SMS gateway ${this.#options.url.origin}`;
  }

  #failure(error: unknown): Failure {
    if (error instanceof Failure) return error;
    return (
      networkFailure(error, this.#where) ??
      new Failure('unreachable', `${this.#where}: no answer`, { hint: 'its log says more' })
    );
  }
}
