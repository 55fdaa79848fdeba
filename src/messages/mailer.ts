/**
 * Mails on their way out: a few kept connections to one server, a bounded queue before them, one limit of time for each mail.
 * Whom to write to, and what, is the caller's; nothing here reads a text.
 */
import { once } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import type { Transporter } from 'nodemailer';
import { systemClock } from '../core/clock.ts';
import type { ProbeStep } from '../core/provider.ts';
import { withDeadline } from '../remote/deadline.ts';
import { networkSteps, probeSteps, type Step } from '../remote/probe.ts';
import { Semaphore } from '../remote/semaphore.ts';
import { type CertificateListener, connectTls, type TlsClientOptions, tlsClientOptions } from '../tls/client.ts';
import { mailFailure } from './mail-failure.ts';
import type { MailOptions } from './options.ts';

/** One mail to one person. */
interface Mail {
  /** Exactly one address, as `mailAddress` gives it. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

const connections = 4;
/** Half a minute's worth of a server that takes a fifth of a second for each. */
const maxQueue = 2000;

/** The way to a mail server. */
export class Mailer {
  readonly #options: MailOptions;
  readonly #tls: TlsClientOptions;
  readonly #turns = new Semaphore(connections, maxQueue, {
    message: 'mail: too many mails wait to be sent',
    hint: 'see whether the mail server is slow, and whether somebody asks for codes over and over',
  });
  #transport: Promise<Transporter> | undefined;
  readonly #ending = new AbortController();

  constructor(options: MailOptions, onCertificate?: CertificateListener) {
    this.#options = options;
    this.#tls = tlsClientOptions({ ca: options.ca, servername: options.url.host, onCertificate });
  }

  /** The library's part, with its connections; it is loaded with the first mail. */
  async #open(): Promise<Transporter> {
    const options = this.#options;
    const { host, port, security } = options.url;
    const { createTransport } = await import('nodemailer');
    return createTransport({
      pool: true,
      host,
      port,
      secure: security === 'tls',
      requireTLS: security === 'starttls',
      ignoreTLS: security === 'none',
      maxConnections: connections,
      tls: this.#tls,
      greetingTimeout: options.timeout,
      connectionTimeout: options.timeout,
      socketTimeout: options.timeout,
      disableFileAccess: true,
      disableUrlAccess: true,
      getSocket: (_options: unknown, callback: (error: Error | null, made?: object) => void) => {
        this.#connect().then(
          (connection) => callback(null, { connection, secured: security === 'tls' }),
          (error: unknown) => callback(error instanceof Error ? error : new Error('no connection')),
        );
      },
      ...(options.user !== undefined && {
        auth: { user: options.user, pass: options.password?.reveal() ?? '' },
      }),
    } as Parameters<typeof createTransport>[0]);
  }

  #opened(): Promise<Transporter> {
    this.#transport ??= this.#open();
    return this.#transport;
  }

  /** The longest that one mail takes once it is its turn, in milliseconds. */
  get timeout(): number {
    return this.#options.timeout;
  }

  /** Whether a mail that came now would wait for others. */
  get isBusy(): boolean {
    return !this.#turns.isFree;
  }

  /** Sends one mail; rejects with a Failure that names the server and the step. The time counts from the mail's turn on. */
  async send({ to, subject, text }: Mail, signal?: AbortSignal): Promise<void> {
    const { from, timeout } = this.#options;
    await this.#turns.run(signal, async () => {
      try {
        const transport = await this.#opened();
        await withDeadline(signal, timeout, () =>
          transport.sendMail({
            // The library writes into what it is given.
            from: { ...from },
            to: { name: '', address: to },
            // What stands in the headers is for readers; whom the server delivers to is this.
            envelope: { from: from.address, to: [to] },
            subject,
            text,
            headers: { 'Auto-Submitted': 'auto-generated' },
          }),
        );
      } catch (error) {
        throw mailFailure(error, this.#where);
      }
    });
  }

  /** Signs in at the server and sends nothing. */
  async verify(signal: AbortSignal): Promise<void> {
    try {
      await withDeadline(signal, this.#options.timeout, async () => (await this.#opened()).verify());
    } catch (error) {
      throw mailFailure(error, this.#where);
    }
  }

  /** What `check --connect` tries: name, port, TLS where it begins with it, and signing in. Nothing is sent. */
  async *probe(signal: AbortSignal): AsyncGenerator<ProbeStep> {
    const { url, ca, timeout } = this.#options;
    const { host, port, security } = url;
    const at = new URL(`${security === 'tls' ? 'https' : 'http'}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`);
    const steps: Step[] = [
      ...networkSteps(at, { ca }, systemClock),
      [
        'auth',
        async () => {
          await this.verify(signal);
          return { detail: this.#options.user === undefined ? 'it greets' : `signed in as ${this.#options.user}` };
        },
      ],
    ];
    yield* probeSteps(steps, { signal, timeout, explain: (error) => mailFailure(error, this.#where) });
  }

  /** Ends every connection; mails that wait are not sent. */
  close(): void {
    this.#ending.abort();
    void this.#transport?.then((transport) => transport.close());
  }

  get #where(): string {
    const { host, port } = this.#options.url;
    return `mail server ${host}:${port}`;
  }

  async #connect(): Promise<Socket> {
    const { timeout, url } = this.#options;
    const { host, port, security } = url;
    return withDeadline(this.#ending.signal, timeout, async ({ signal }) => {
      const socket = security === 'tls' ? connectTls({ host, port }, this.#tls) : connect(port, host);
      try {
        await once(socket, security === 'tls' ? 'secureConnect' : 'connect', { signal });
      } catch (error) {
        socket.on('error', () => undefined).destroy();
        throw error;
      }
      return socket;
    });
  }
}
