/**
 * The servers behind routes and streams that are spoken to over TLS, for `gatehouse check --connect`: whether their certificates are
 * what the gateway wants. A server that is away is no error of the configuration: everything found is a warning.
 */
import { systemClock } from '../../core/clock.ts';
import { Failure } from '../../core/failure.ts';
import type { ProbeStep } from '../../core/provider.ts';
import type { Document } from '../../gateway/document.ts';
import { routesOf } from '../../gateway/routes.ts';
import { serverTrust } from '../../proxy/server-trust.ts';
import { networkFailure } from '../../remote/network-error.ts';
import { networkSteps, type ProbeTrust, probeSteps } from '../../remote/probe.ts';
import { serverTrust as streamServerTrust } from '../../streams/upstream-of.ts';

/** A server and how it is trusted. */
interface SecureServer {
  readonly origin: string;
  readonly url: URL;
  /** Throws where an authority cannot be read. */
  readonly trust: () => ProbeTrust;
}

/** Each server once, however many routes and streams lead there in the same way. */
export function secureServers(document: Document): readonly SecureServer[] {
  const found = new Map<string, SecureServer>();
  for (const { upstream } of routesOf(document))
    for (const server of upstream?.servers ?? []) {
      const { origin, url, trust } = server;
      const { tls = {} } = upstream ?? {};
      if (url.protocol === 'https:')
        found.set(JSON.stringify([origin, trust, tls]), { origin, url, trust: () => serverTrust(server, tls) });
    }
  for (const { upstream } of Object.values(document.streams))
    for (const server of upstream.servers) {
      const { origin, isSecure, trust } = server;
      const { ca, certificate, key } = upstream;
      if (!isSecure) continue;
      const url = new URL(origin.replace(/^tls:/, 'https:'));
      found.set(JSON.stringify([origin, trust, ca, certificate, key]), {
        ...{ origin, url },
        trust: () => streamServerTrust(server, upstream),
      });
    }
  return [...found.values()];
}

/** Tries name, port and TLS of one. */
export async function* probeServer(
  { origin, url, trust }: SecureServer,
  terms: { readonly signal: AbortSignal; readonly timeout: number },
): AsyncGenerator<ProbeStep> {
  const explain = (error: unknown): Failure =>
    networkFailure(error, origin) ?? new Failure('upstream-unreachable', `${origin}: ${String(error)}`);
  try {
    const steps = networkSteps(url, trust(), systemClock);
    for await (const step of probeSteps(steps, { ...terms, explain }))
      yield step.result === 'failed' ? { ...step, result: 'warning' } : step;
  } catch (error) {
    yield { step: 'tls', result: 'warning', detail: explain(error).message, milliseconds: 0 };
  }
}
