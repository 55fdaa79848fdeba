/**
 * A verification service outside: which ways it has to check a user, and whether an answer is right. Requests are signed; only
 * the exact word of a whole answer is a pass, and whatever is late, broken or redirected is an outage.
 */
import { createHmac } from 'node:crypto';
import * as z from 'zod';
import { type Account, accountNamed } from '../../core/account.ts';
import type { Clock } from '../../core/clock.ts';
import { Failure } from '../../core/failure.ts';
import type { ProbeStep } from '../../core/provider.ts';
import type { Secret } from '../../core/secret.ts';
import { HttpClient } from '../../remote/http-client.ts';
import { networkFailure } from '../../remote/network-error.ts';
import { networkSteps, probeSteps, type Step } from '../../remote/probe.ts';
import type { Authorities } from '../../tls/authorities.ts';
import type { CertificateListener } from '../../tls/client.ts';

/** Where the service is, and what it knows us by. */
interface ServiceOptions {
  readonly contacts: URL;
  readonly verify: URL;
  readonly secret: Secret;
  /** For one request, its answer included; in milliseconds. */
  readonly timeout: number;
  readonly ca?: Authorities | undefined;
}

/** A way in which the service can check a user. */
interface ServiceMethod {
  readonly id: string;
  readonly label: string;
}

/** What the service says of an answer. */
type ServiceResult = 'valid' | 'invalid' | 'expired' | 'locked';

const maxBytes = 64 * 1024;
const line = z
  .string()
  .min(1)
  .max(100)
  .regex(/^\P{Cc}+$/u);
const methodsSchema = z.object({ methods: z.array(z.object({ id: line, label: line })).max(20) });
const resultSchema = z.object({ result: z.enum(['valid', 'invalid', 'expired', 'locked']) });

/** Who is asked about, and in which login: a transaction is answered once. */
interface ServiceSubject {
  readonly transaction: string;
  readonly account: Account;
}

/** The client of one service. */
export class VerificationService {
  readonly #options: ServiceOptions;
  readonly #clock: Clock;
  readonly #client: HttpClient;

  constructor(
    options: ServiceOptions,
    { clock, onCertificate }: { clock: Clock; onCertificate?: CertificateListener | undefined },
  ) {
    this.#options = options;
    this.#clock = clock;
    // An answer that is lost is not asked for again: a code may count as used there.
    this.#client = new HttpClient({ ca: options.ca, timeout: options.timeout, keepAlive: false, onCertificate });
  }

  /** The ways in which a user can be checked; none where the service knows none. Rejects with a Failure. */
  async methods(
    { transaction, account }: ServiceSubject,
    attributes: Readonly<Record<'email' | 'phone', string | undefined>>,
    signal?: AbortSignal,
  ): Promise<readonly ServiceMethod[]> {
    const asked = { transaction, user: account.subject, tenant: account.tenant, attributes };
    return (await this.#post(this.#options.contacts, asked, methodsSchema, signal)).methods;
  }

  /** What the service says of a code. Rejects with a Failure. */
  async verify(
    { transaction, account }: ServiceSubject,
    { method, code }: { method: string; code: string },
    signal?: AbortSignal,
  ): Promise<ServiceResult> {
    const asked = { transaction, user: account.subject, tenant: account.tenant, method, code };
    return (await this.#post(this.#options.verify, asked, resultSchema, signal)).result;
  }

  /** What `check --connect` tries: name, port and TLS of each address, and which methods a user has whom nobody knows. */
  async *probe(signal: AbortSignal): AsyncGenerator<ProbeStep> {
    const { contacts, verify, ca, timeout } = this.#options;
    const explain = (error: unknown): Failure => asFailure(error, `verification service ${contacts.origin}`);
    const subject = { transaction: 'gatehouse check', account: accountNamed('gatehouse-check') };
    const ask: Step = [
      'contacts',
      async (work) => {
        const methods = await this.methods(subject, { email: undefined, phone: undefined }, work);
        return { detail: `it answers, with ${methods.length} methods for a user whom nobody knows` };
      },
    ];
    const steps = [...networkSteps(contacts, { ca }, this.#clock), ask];
    if (verify.origin !== contacts.origin) steps.push(...networkSteps(verify, { ca }, this.#clock));
    yield* probeSteps(steps, { signal, timeout, explain });
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    await this.#client.close();
  }

  async #post<Schema extends z.ZodType>(
    url: URL,
    asked: object,
    schema: Schema,
    signal: AbortSignal | undefined,
  ): Promise<z.output<Schema>> {
    const body = JSON.stringify(asked);
    const where = `verification service ${url.origin}${url.pathname}`;
    const headers = { 'content-type': 'application/json', 'x-gatehouse-signature': this.#signature(body) };
    const answer = await this.#client
      .request(url, { method: 'POST', headers, body, signal })
      .catch((error: unknown) => {
        throw asFailure(error, where);
      });
    if (answer.status !== 200)
      throw new Failure('protocol-error', `${where}: it answered ${answer.status}`, statusHint(answer.status));
    const { 'content-type': type = '' } = answer.headers;
    const isJson = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(String(type));
    const read =
      isJson && answer.body.length <= maxBytes ? schema.safeParse(parseJson(answer.body.toString('utf8'))) : undefined;
    if (!read?.success)
      throw new Failure('protocol-error', `${where}: its answer is not as agreed`, {
        hint: 'it must be JSON of at most 64 kB as docs/factors/webservice.md has it',
      });
    return read.data;
  }

  /** The time stands in what is signed, so that a request that was overheard is of no use later. */
  #signature(body: string): string {
    const seconds = Math.floor(this.#clock.now() / 1000);
    const mark = createHmac('sha256', this.#options.secret.reveal()).update(`${seconds}.${body}`).digest('hex');
    return `t=${seconds},v1=${mark}`;
  }
}

function asFailure(error: unknown, where: string): Failure {
  if (error instanceof Failure) return error;
  return (
    networkFailure(error, where) ?? new Failure('unreachable', `${where}: no answer`, { hint: 'its log says more' })
  );
}

function statusHint(status: number): { readonly hint: string; readonly answer: number } {
  const isOurs = status === 401 || status === 403;
  return {
    hint: isOurs ? 'check the secret: the service must have the same' : "the service's log says why",
    answer: status,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
