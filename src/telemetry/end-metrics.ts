/** When certificates and revocation lists end, as metrics: those that serve, and those that servers have shown. */
import { Gauge, type Registry } from 'prom-client';

/** Ends are in milliseconds since the epoch. No method throws. */
export class EndMetrics {
  readonly #certificates: Gauge;
  readonly #lists: Gauge;
  /** By label. */
  readonly #serverEnds = new Map<string, { readonly provider: string; readonly at: number }>();

  constructor(registry: Registry) {
    const own = { registers: [registry], aggregator: 'min' as const };
    this.#certificates = new Gauge({
      ...{ name: 'gatehouse_certificate_expiry_seconds', labelNames: ['certificate'] },
      ...{ ...own, help: 'When the first certificate of a chain ends, as Unix time' },
    });
    this.#lists = new Gauge({
      ...{ name: 'gatehouse_crl_next_update_seconds', labelNames: ['file'] },
      ...{ ...own, help: 'When a revocation list has to be replaced, as Unix time' },
    });
  }

  /** The certificates that serve, in place of those before. */
  certificates(ends: readonly { readonly certificate: string; readonly at: number }[]): void {
    this.#certificates.reset();
    for (const { certificate, at } of ends) this.#certificates.set({ certificate }, at / 1000);
    for (const [certificate, { at }] of this.#serverEnds) this.#certificates.set({ certificate }, at / 1000);
  }

  /** The revocation lists in use, in place of those before. */
  revocationLists(ends: readonly { readonly file: string; readonly at: number }[]): void {
    this.#lists.reset();
    for (const { file, at } of ends) this.#lists.set({ file }, at / 1000);
  }

  /** When the certificate ends that a server of a provider has shown last. */
  serverCertificate(provider: string, host: string, at: number): void {
    const certificate = `${provider} ${host}`;
    this.#serverEnds.set(certificate, { provider, at });
    if (Number.isFinite(at)) this.#certificates.set({ certificate }, at / 1000);
  }

  /** Forgets servers of providers that a new configuration no longer has. */
  retain(providers: readonly string[]): void {
    for (const [certificate, { provider }] of this.#serverEnds) {
      if (providers.includes(provider)) continue;
      this.#serverEnds.delete(certificate);
      this.#certificates.remove({ certificate });
    }
  }
}
