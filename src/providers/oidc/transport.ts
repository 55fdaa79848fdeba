/** HTTP towards one issuer: its authorities, bounded answers, few connections, and an end to all of it. */
import { Agent, fetch as undiciFetch } from 'undici';
import type { Authorities } from '../../tls/authorities.ts';
import { tlsClientOptions } from '../../tls/client.ts';

const maxBytes = 1024 * 1024;
const connections = 16;

/** A fetch with the shape that openid-client and jose ask for. */
export type Fetch = (url: string, init: FetchInit) => Promise<Response>;

/** What they pass to it. */
export interface FetchInit {
  readonly method?: string | undefined;
  readonly headers?: unknown;
  readonly body?: unknown;
  readonly redirect?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The connections to an issuer. More requests than connections wait their turn. */
export class Transport {
  readonly #ca: Authorities | undefined;
  readonly #timeout: number;
  #agent: Agent | undefined;
  #isClosed = false;

  constructor(ca: Authorities | undefined, timeout: number) {
    this.#ca = ca;
    this.#timeout = timeout;
  }

  /** One request; redirects are not followed. */
  readonly fetch: Fetch = async (url, init) => {
    if (this.#isClosed) throw new DOMException('the provider is closed', 'AbortError');
    this.#agent ??= this.#newAgent();
    const { signal, ...rest } = init;
    const limit = AbortSignal.timeout(this.#timeout);
    const response = await undiciFetch(url, {
      ...(rest as Parameters<typeof undiciFetch>[1]),
      redirect: 'manual',
      dispatcher: this.#agent,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    return response as unknown as Response;
  };

  /** Ends every connection. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#agent?.destroy();
  }

  #newAgent(): Agent {
    return new Agent({
      connect: { ...tlsClientOptions({ ca: this.#ca }), timeout: this.#timeout },
      connections,
      maxResponseSize: maxBytes,
      headersTimeout: this.#timeout,
      bodyTimeout: this.#timeout,
      keepAliveTimeout: 15_000,
    });
  }
}
