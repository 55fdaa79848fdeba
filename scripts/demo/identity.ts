/** What an application learns about its user: the headers as they came, and the signed assertion once it is verified. */
import type { IncomingHttpHeaders } from 'node:http';
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';

/** The gateway's word about a request. */
export interface Identity {
  readonly user: string | undefined;
  readonly name: string | undefined;
  /** Every header that the gateway sets, as it came; the assertion is shortened. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly assertion: AssertionCheck;
}

/** What came of verifying the assertion. */
export type AssertionCheck =
  | { readonly kind: 'absent' }
  | { readonly kind: 'verified'; readonly claims: Readonly<Record<string, unknown>>; readonly algorithm: string }
  | { readonly kind: 'refused'; readonly why: string };

/** Reads the identity of one request. */
export type ReadIdentity = (headers: IncomingHttpHeaders) => Promise<Identity>;

const fromGateway = /^(?:x-remote-|x-gatehouse-|x-forwarded-|x-request-id$|traceparent$)/;

/** A reader that verifies assertions of this gateway, made for this application's origin. */
export function identityReader(gatewayUrl: string, origin: string): ReadIdentity {
  const keys = createRemoteJWKSet(new URL('/_gate/jwks.json', gatewayUrl));
  const issuer = new URL(gatewayUrl).origin;
  return async (headers) => ({
    user: single(headers['x-remote-user']),
    name: decoded(single(headers['x-remote-name'])),
    headers: Object.entries(headers)
      .filter(([name]) => fromGateway.test(name))
      .map(([name, value]) => [name, shorten(name, single(value) ?? '')] as const),
    assertion: await check(single(headers['x-gatehouse-assertion'])),
  });

  async function check(token: string | undefined): Promise<AssertionCheck> {
    if (token === undefined) return { kind: 'absent' };
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, { issuer, audience: origin });
      return { kind: 'verified', claims: payload, algorithm: protectedHeader.alg };
    } catch (error) {
      const code = error instanceof errors.JOSEError ? error.code : 'the keys could not be fetched';
      return { kind: 'refused', why: error instanceof Error ? `${code}: ${error.message}` : code };
    }
  }
}

function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.join(', ');
}

/** Names beyond ASCII travel percent-encoded. */
function decoded(value: string | undefined): string | undefined {
  try {
    return value && decodeURIComponent(value);
  } catch {
    return value;
  }
}

function shorten(name: string, value: string): string {
  return name === 'x-gatehouse-assertion' ? `${value.slice(0, 40)}… (${value.length} characters)` : value;
}
