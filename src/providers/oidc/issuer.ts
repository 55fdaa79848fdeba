/**
 * What an issuer says of itself: found in the background, tried again until it answers, kept, and looked up anew from time to
 * time. An issuer that is down at the start costs nothing but logins by it.
 */

import * as client from 'openid-client';
import type { Clock } from '../../core/clock.ts';
import type { Failure } from '../../core/failure.ts';
import type { Log } from '../../core/log.ts';
import { abortable } from '../../remote/deadline.ts';
import type { Fetch } from '../../remote/http-client.ts';
import { type IssuerAddresses, internalFetch, metadataAddress, publicMetadata } from './back-channel.ts';
import { oidcFailure, outage } from './failure.ts';
import { Keys } from './keys.ts';

/** The metadata of an issuer and its keys. */
export interface KnownIssuer {
  readonly metadata: client.ServerMetadata;
  readonly keys: Keys;
}

/** What finding an issuer takes. */
interface IssuerParts {
  readonly addresses: IssuerAddresses;
  readonly isInsecure: boolean;
  /** Asks at the very address that it is given. */
  readonly fetch: Fetch;
  /** For one discovery, in milliseconds. */
  readonly timeout: number;
  readonly clock: Clock;
  readonly log: Log;
}

const firstRetry = 1000;
const lastRetry = 60_000;
const goodFor = 3_600_000;
const failureHolds = 1000;

/** Finds an issuer and remembers it. */
export class Issuer {
  readonly #parts: IssuerParts;
  #known: KnownIssuer | undefined;
  #foundAt = 0;
  #underWay: Promise<KnownIssuer> | undefined;
  #failure: { readonly error: Failure; readonly at: number } | undefined;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: IssuerParts) {
    this.#parts = parts;
    this.#tryInBackground();
  }

  /** The issuer as configured; what it calls itself may differ in a closing slash. */
  get address(): URL {
    return this.#parts.addresses.issuer;
  }

  /** Where its metadata is read. */
  get metadataAddress(): URL {
    return metadataAddress(this.#parts.addresses);
  }

  /** What messages call it: the address that is asked, where that is another. */
  get label(): string {
    const { issuer, discoveryUrl, internalUrl } = this.#parts.addresses;
    return (discoveryUrl ?? internalUrl) ? this.metadataAddress.href : issuer.href;
  }

  /** What is known without asking. */
  get known(): KnownIssuer | undefined {
    return this.#known;
  }

  /** The issuer's metadata and keys; throws a Failure while they cannot be had. */
  async find(signal: AbortSignal): Promise<KnownIssuer> {
    const { clock } = this.#parts;
    if (this.#known) {
      if (clock.now() - this.#foundAt > goodFor) this.#tryInBackground();
      return this.#known;
    }
    // Somebody waits at the door: no need to sit out the pause between two tries in the background.
    const isRecent = this.#failure && clock.now() - this.#failure.at < failureHolds;
    if (!this.#underWay && this.#failure && isRecent) throw this.#failure.error;
    return abortable(signal, () => this.#try());
  }

  /** Asks now, whatever is known; for `check --connect`. */
  async discover(signal: AbortSignal): Promise<KnownIssuer> {
    return abortable(signal, () => this.#try());
  }

  /** Reads its metadata on a request of its own: one that is under way may hang for longer. */
  async ping(signal: AbortSignal): Promise<void> {
    const { href } = this.metadataAddress;
    const response = await this.#parts.fetch(href, { signal, headers: { accept: 'application/json' } });
    if (response.status !== 200)
      throw outage('provider-broke', `${this.label}: discovery is answered with ${response.status}`);
    // A page of whoever stands in for the issuer is no sign that logins work again.
    const said: unknown = await response.json();
    if (typeof said !== 'object' || said === null || !('issuer' in said))
      throw outage('protocol-error', `${this.label}: the answer is no metadata`);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #tryInBackground(): void {
    this.#try().catch(() => undefined);
  }

  #try(): Promise<KnownIssuer> {
    this.#underWay ??= this.#discover().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #discover(): Promise<KnownIssuer> {
    const { clock, log } = this.#parts;
    clearTimeout(this.#timer);
    try {
      const found = await this.#ask();
      if (!this.#known || this.#failures > 0) log.info({ issuer: this.address.href }, 'the issuer was found');
      this.#known = found;
      this.#foundAt = clock.now();
      this.#failure = undefined;
      this.#failures = 0;
      return found;
    } catch (error) {
      const failure = discoveryError(error, this.label);
      this.#failure = { error: failure, at: clock.now() };
      this.#failures += 1;
      if (!this.#isClosed) this.#again(failure);
      throw failure;
    }
  }

  #again(failure: Failure): void {
    const wait = Math.min(lastRetry, firstRetry * 2 ** (this.#failures - 1)) * (0.75 + Math.random() / 2);
    this.#timer = setTimeout(() => this.#tryInBackground(), wait).unref();
    // What is known goes on being used; the first failure of a row tells enough.
    if (this.#failures > 1) return;
    const { message, reason, hint } = failure;
    this.#parts.log.warn(
      { reason, detail: message, hint },
      'the issuer cannot be found; it is tried again until it can',
    );
  }

  async #ask(): Promise<KnownIssuer> {
    const { addresses, isInsecure, fetch, timeout, clock } = this.#parts;
    const { address, label, metadataAddress } = this;
    const configuration = await client.discovery(address, 'unused', undefined, client.None(), {
      timeout: timeout / 1000,
      [client.customFetch]: (_below, init) => fetch(metadataAddress.href, init),
      execute: isInsecure ? [client.allowInsecureRequests] : [],
    });
    const metadata = publicMetadata(addresses, configuration.serverMetadata());
    // openid-client lets Microsoft's metadata name an issuer other than the one that was asked.
    if (new URL(metadata.issuer).href !== address.href) throw wrongName(label, metadata.issuer);
    const uri =
      metadata.jwks_uri !== undefined && URL.canParse(metadata.jwks_uri) ? new URL(metadata.jwks_uri) : undefined;
    if (!uri)
      throw outage('misconfigured', `${label}: the metadata names no jwks_uri`, 'it must be an OpenID Connect issuer');
    if (uri.protocol !== 'https:' && !isInsecure)
      throw outage(
        'misconfigured',
        `${label}: jwks_uri is not https://`,
        'have the issuer published under https:// throughout',
      );
    const isSame = this.#known?.metadata.jwks_uri === metadata.jwks_uri;
    const keys = isSame ? this.#known?.keys : undefined;
    return { metadata, keys: keys ?? new Keys(uri, { fetch: internalFetch(addresses, fetch), clock, timeout }) };
  }
}

function discoveryError(error: unknown, label: string): Failure {
  if (error instanceof client.ClientError && error.code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED') {
    const { cause } = error;
    const body: unknown = typeof cause === 'object' && cause !== null && 'body' in cause ? cause.body : undefined;
    const named =
      typeof body === 'object' && body !== null && 'issuer' in body ? String(body.issuer) : 'something else';
    return wrongName(label, named);
  }
  const failure = oidcFailure(error, `${label}: discovery`);
  // Whatever answers there has not said who it is: that is no word on any user.
  return failure.kind === 'unavailable'
    ? failure
    : outage('protocol-error', failure.message, 'check issuer, and what answers there');
}

function wrongName(label: string, issuer: string): Failure {
  const shown = issuer.replaceAll(/[^\x21-\x7e]+/g, '').slice(0, 200);
  return outage(
    'misconfigured',
    `${label}: the metadata there is of the issuer ${shown}`,
    `set issuer to ${shown}, if that is the one you mean`,
  );
}
