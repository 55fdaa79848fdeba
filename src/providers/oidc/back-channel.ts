/**
 * Where the gateway itself asks an issuer whose public address is for browsers: metadata at an address of its own, and all that
 * goes from server to server at an internal origin. What the issuer calls itself and where browsers go stays public.
 */
import type { ServerMetadata } from 'openid-client';
import type { Fetch } from '../../remote/http-client.ts';
import type { OidcOptions } from './options.ts';

/** The addresses of an issuer as configured. */
export type IssuerAddresses = Pick<OidcOptions, 'issuer' | 'discoveryUrl' | 'internalUrl'>;

const wellKnown = '/.well-known/openid-configuration';

/** Where the metadata of an issuer is read. */
export function metadataAddress({ issuer, discoveryUrl, internalUrl }: IssuerAddresses): URL {
  const base = discoveryUrl ?? movedTo(internalUrl, issuer);
  return base.pathname.includes('/.well-known/')
    ? base
    : new URL(`${base.pathname.replace(/\/$/, '')}${wellKnown}`, base);
}

/** Asks at the internal origin, where there is one, whatever origin an address of the metadata has. */
export function internalFetch({ internalUrl }: IssuerAddresses, fetch: Fetch): Fetch {
  return internalUrl ? (url, init) => fetch(movedTo(internalUrl, new URL(url)).href, init) : fetch;
}

/**
 * The metadata with public addresses only: an issuer that is asked by its internal name may answer with addresses of that name,
 * which no browser reaches.
 */
export function publicMetadata({ issuer, internalUrl }: IssuerAddresses, metadata: ServerMetadata): ServerMetadata {
  if (!internalUrl) return metadata;
  const isInternal = (value: unknown): value is string =>
    typeof value === 'string' && URL.canParse(value) && new URL(value).origin === internalUrl.origin;
  const moved = Object.entries(metadata).flatMap(([name, value]) =>
    isInternal(value) ? [[name, movedTo(issuer, new URL(value)).href] as const] : [],
  );
  return { ...metadata, ...Object.fromEntries(moved) };
}

/** Where codes, tokens or keys of a provider cross a network unprotected, by the key that says so. */
export function clearAddress({
  discoveryUrl,
  internalUrl,
}: IssuerAddresses): 'discoveryUrl' | 'internalUrl' | undefined {
  if (isClear(internalUrl)) return 'internalUrl';
  return isClear(discoveryUrl) ? 'discoveryUrl' : undefined;
}

function isClear(url: URL | undefined): boolean {
  return url?.protocol === 'http:' && !/^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
}

function movedTo(origin: URL | undefined, address: URL): URL {
  return origin ? new URL(`${address.pathname}${address.search}`, origin) : address;
}
