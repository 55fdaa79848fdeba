/** Keeps browsers on https: plain http is sent to the public address, and https tells them to stay. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod';
import { duration } from '../config/values.ts';
import { errorBody, jsonAnswer, permanentRedirect } from '../core/answer.ts';
import { GatewayError } from '../core/errors.ts';
import type { Verdict } from '../core/verdict.ts';
import { writeAnswer } from '../edge/write-answer.ts';
import { readClient } from '../routing/client-address.ts';
import type { SiteOrigins } from '../routing/site-origins.ts';
import { canonicalTarget } from '../routing/target.ts';
import type { Pipeline } from './pipeline.ts';
import { readRequest } from './request.ts';

/** What stands under `server:` about keeping browsers on https. */
export const transportOptions = z.strictObject({
  redirectHttp: z
    .boolean()
    .default(false)
    .describe('true: the http listeners only send browsers to publicUrl, which is https'),
  hsts: z
    .union([z.literal(false), duration()])
    .prefault('365d')
    .describe('for how long browsers are told to use https only, when publicUrl is https; false: not at all'),
});

/** The seconds for which browsers are told to use https only; undefined where they are not told. */
export function hstsSeconds(server: { readonly publicUrl: URL; readonly hsts: number | false }): number | undefined {
  return server.publicUrl.protocol === 'https:' && server.hsts !== false ? Math.floor(server.hsts / 1000) : undefined;
}

/** The same as the header of answers that bring none of their own. Hosts below the public one are not spoken for. */
export function hstsHeader(server: Parameters<typeof hstsSeconds>[0]): string | undefined {
  const seconds = hstsSeconds(server);
  return seconds === undefined ? undefined : `max-age=${seconds}`;
}

interface RedirectParts {
  readonly pipeline: Pipeline;
  readonly origins: SiteOrigins;
  readonly isTrusted: (address: string) => boolean;
}

/**
 * Redirects a request for good; nothing is served and no cookie read on the way. The host is one that a route writes out, else
 * the public one, whatever the client wrote, and the path is the canonical one, so that neither can lead elsewhere.
 */
export function redirectToHttps({ pipeline, origins, isTrusted }: RedirectParts) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const plain = readRequest(request, new AbortController().signal);
    const startedAt = performance.now();
    const reading = readClient(plain, isTrusted);
    const scheme = reading.kind === 'ok' ? reading.client.scheme : 'http';
    const canonical = canonicalTarget({ target: plain.target, headers: plain.headers, scheme });
    const client = reading.kind === 'ok' ? { client: reading.client } : {};
    if (canonical.kind === 'refused') {
      const error = new GatewayError('BAD_REQUEST', canonical.detail);
      const verdict: Verdict = { kind: 'refuse', error, reason: canonical.reason };
      writeAnswer(request, response, jsonAnswer(error.status, errorBody(error, plain.id)));
      pipeline.finish({ request: plain, verdict, startedAt, ...client }, { status: error.status });
      return;
    }
    const { target } = canonical;
    const location = origins.trustedAt(target) + target.path + target.query;
    writeAnswer(request, response, permanentRedirect(plain.method, location));
    const verdict: Verdict = { kind: 'redirect', target, location };
    pipeline.finish({ request: plain, verdict, target, startedAt, ...client }, { status: response.statusCode });
  };
}
