/**
 * The certificates of the https listeners while they serve: which one a visitor's server name gets, files that are replaced
 * under way, and the warning before one ends.
 */
import type { X509Certificate } from 'node:crypto';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { Clock } from '../core/clock.ts';
import { OperatorError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { readClientAuthorities } from './client-authorities.ts';
import { FileWatch } from './file-watch.ts';
import type { CertificateSource } from './options.ts';
import { type PreparedCertificates, prepareCertificates } from './prepared-certificates.ts';
import { prepareRevocation, RevocationLists } from './revocation.ts';
import type { PreparedRevocation } from './revocation-notices.ts';
import { dateProblem, filesOf, readServerCertificate, type ServerCertificate } from './server-certificate.ts';

interface CertificateParts {
  readonly clock: Clock;
  readonly log: Log;
}

/** How long before its end a certificate is warned of, and how often. */
export const warnAhead = 30 * 86_400_000;
const warnEvery = 86_400_000;

/** The certificates of the moment. */
export class Certificates {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #listeners = new Set<() => void>();
  readonly #watch: FileWatch;
  readonly #warned = new Map<string, number>();
  #current: readonly ServerCertificate[];
  #asked: PreparedCertificates['asked'];
  #byName: ReadonlyMap<string, ServerCertificate>;
  #revocation: RevocationLists | undefined;

  private constructor({ clock, log }: CertificateParts, prepared: PreparedCertificates) {
    this.#clock = clock;
    this.#log = log;
    this.#current = prepared.served;
    this.#asked = prepared.asked;
    this.#byName = byName(prepared.served);
    this.#watch = new FileWatch(
      (index) => this.#replace(index),
      () => this.#warnOfEnds(),
    );
    for (const certificate of prepared.served) this.#describe(certificate, 'a certificate is in use');
    this.#warnOfEnds();
    this.#follow();
    this.#useRevocation(prepared.asked?.revocation);
  }

  /** Reads every certificate; throws an OperatorError for the first that cannot serve. */
  static async open(sources: readonly CertificateSource[], parts: CertificateParts): Promise<Certificates> {
    return new Certificates(parts, await prepareCertificates(sources));
  }

  /** With certificates that have been read already. */
  static of(prepared: PreparedCertificates, parts: CertificateParts): Certificates {
    return new Certificates(parts, prepared);
  }

  /** What serves now, the default first. */
  get current(): readonly ServerCertificate[] {
    return this.#current;
  }

  /** What a listener's secure context is made of: the certificate for visitors who name no other's host. */
  get defaults(): SecureContextOptions {
    return this.#current[0]?.options ?? {};
  }

  /** Stands for all that serve now and all who vouch for clients, wherever they are read. */
  get mark(): string {
    const vouching = this.authorities.map(({ fingerprint256 }) => fingerprint256);
    return [...this.#current.map(fingerprint), ...vouching].join(' ');
  }

  /** Who vouches for clients; nobody where none are asked. */
  get authorities(): readonly X509Certificate[] {
    return this.#asked?.authorities.certificates ?? [];
  }

  /** Which of them are revoked, where lists are configured. */
  get revocation(): RevocationLists | undefined {
    return this.#revocation;
  }

  /** The context for a server name; the default one for a name that none is good for. */
  contextFor(servername: string): SecureContext | undefined {
    const name = servername.toLowerCase().replace(/\.$/, '');
    const found = this.#byName.get(name) ?? this.#byName.get(name.replace(/^[^.]+/, '*')) ?? this.#current[0];
    return found?.context;
  }

  /** Called after every change, of lists too, so that listeners take the new ones. Gives the way to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Puts other certificates in place, as a reload does. */
  use(prepared: PreparedCertificates): void {
    const before = new Set(this.#current.map(fingerprint));
    this.#current = prepared.served;
    this.#asked = prepared.asked;
    this.#useRevocation(prepared.asked?.revocation);
    this.#changed();
    for (const certificate of prepared.served)
      if (!before.has(fingerprint(certificate))) this.#describe(certificate, 'a certificate is in use');
    this.#warnOfEnds();
    this.#follow();
  }

  close(): void {
    this.#watch.close();
    this.#revocation?.close();
    this.#listeners.clear();
  }

  #useRevocation(prepared: PreparedRevocation | undefined): void {
    if (prepared && this.#revocation) return void this.#revocation.use(prepared);
    this.#revocation?.close();
    const [clock, log] = [this.#clock, this.#log];
    this.#revocation = prepared && new RevocationLists(prepared, { clock, log }, () => this.#changed());
  }

  #follow(): void {
    const files = this.#current.map(({ source }) => filesOf(source));
    this.#watch.follow(this.#asked?.source ? [...files, [this.#asked.source.file]] : files);
  }

  /** Reads one anew after its files have changed. What cannot serve is thrown, and the one before goes on. */
  async #replace(index: number): Promise<(() => void) | undefined> {
    const before = this.#current[index];
    if (!before) return this.#replaceAuthorities();
    try {
      const next = {
        ...(await readServerCertificate(before.source, this.#asked?.authorities.pem)),
        label: before.label,
      };
      const now = this.#clock.now();
      if (before.isForServers && !next.isForServers)
        throw new OperatorError('it was issued for other uses than TLS servers', 'have it issued with serverAuth');
      const problem = dateProblem(next, now);
      if (problem && !dateProblem(before, now))
        throw new OperatorError(problem, 'put a certificate that is valid now in its place');
      if (this.#current[index] !== before || fingerprint(next) === fingerprint(before)) return undefined;
      this.#current = this.#current.with(index, next);
      this.#changed();
      this.#describe(next, 'a certificate was replaced');
      this.#warnOfEnds();
      return undefined;
    } catch (error) {
      return () => {
        const { message: detail, hint } = error instanceof OperatorError ? error : new OperatorError(String(error));
        this.#log.error(
          { certificate: before.label, detail, ...(hint && { hint }) },
          'a replaced certificate cannot be used; the one before goes on',
        );
      };
    }
  }

  /** Reads those who vouch for clients anew; every context is made anew with them. */
  async #replaceAuthorities(): Promise<(() => void) | undefined> {
    const asked = this.#asked;
    const source = asked?.source;
    if (!asked || !source) return undefined;
    const { file } = source;
    try {
      const authorities = readClientAuthorities(source);
      const isSame = authorities.pem.join() === asked.authorities.pem.join();
      if (isSame || this.#asked !== asked) return undefined;
      const before = this.#current;
      const next = await Promise.all(
        before.map(async (one) => ({
          ...(await readServerCertificate(one.source, authorities.pem)),
          label: one.label,
        })),
      );
      const lists = this.#revocation?.current;
      const revocation = lists && (await prepareRevocation(lists.options, authorities.certificates, lists));
      if (this.#asked !== asked || this.#current !== before) return undefined;
      this.#asked = { source, authorities, revocation };
      this.#current = next;
      this.#useRevocation(revocation);
      this.#changed();
      this.#log.info(
        { file, authorities: authorities.certificates.length },
        'the authorities of clients were replaced',
      );
      return undefined;
    } catch (error) {
      const { message: detail, hint } = error instanceof OperatorError ? error : new OperatorError(String(error));
      return () =>
        this.#log.error(
          { file, detail, ...(hint && { hint }) },
          'replaced authorities of clients cannot be used; those before go on',
        );
    }
  }

  #changed(): void {
    this.#byName = byName(this.#current);
    for (const listener of this.#listeners) listener();
  }

  #describe({ label, names, report, remarks }: ServerCertificate, message: string): void {
    const fields = {
      certificate: label,
      names,
      expires: report.expires.toISOString(),
      thumbprint: report.certificates[0]?.thumbprint,
    };
    this.#log.info(fields, message);
    for (const remark of remarks) this.#log.warn({ certificate: label, remark }, 'a certificate should be mended');
  }

  /** Once a day for each certificate that has ended or soon will. */
  #warnOfEnds(): void {
    const now = this.#clock.now();
    for (const certificate of this.#current) {
      const left = certificate.report.expires.getTime() - now;
      const problem = dateProblem(certificate, now);
      const key = fingerprint(certificate);
      if ((!problem && left > warnAhead) || now - (this.#warned.get(key) ?? Number.NEGATIVE_INFINITY) < warnEvery)
        continue;
      this.#warned.set(key, now);
      const fields = { certificate: certificate.label, expires: certificate.report.expires.toISOString() };
      if (problem)
        this.#log.error({ ...fields, detail: problem }, 'a certificate is not valid, and browsers refuse it');
      else this.#log.warn({ ...fields, days: Math.floor(left / 86_400_000) }, 'a certificate expires soon; renew it');
    }
  }
}

/** Of two with the same name the first serves it. */
function byName(certificates: readonly ServerCertificate[]): ReadonlyMap<string, ServerCertificate> {
  const map = new Map<string, ServerCertificate>();
  for (const certificate of certificates)
    for (const name of certificate.names) if (!map.has(name)) map.set(name, certificate);
  return map;
}

function fingerprint({ report }: ServerCertificate): string {
  return report.certificates.map(({ thumbprint }) => thumbprint).join(' ');
}
