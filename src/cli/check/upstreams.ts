/**
 * The https upstreams of a configuration, for `gatehouse check --connect`: whether their certificates are what the gateway wants.
 * An upstream that is away is no error of the configuration: everything found is a warning.
 */
import { systemClock } from '../../core/clock.ts';
import { Failure } from '../../core/failure.ts';
import type { ProbeStep } from '../../core/provider.ts';
import type { Route, UpstreamServer, UpstreamTls } from '../../core/route.ts';
import { serverTrust } from '../../proxy/server-trust.ts';
import { networkFailure } from '../../remote/network-error.ts';
import { networkSteps, probeSteps } from '../../remote/probe.ts';

/** A server and how it is trusted. */
interface SecureUpstream {
  readonly server: UpstreamServer;
  readonly tls: UpstreamTls;
}

/** Each https server of the routes once, however many routes lead there. */
export function secureUpstreams(routes: readonly Route[]): readonly SecureUpstream[] {
  const found = new Map<string, SecureUpstream>();
  for (const { upstream } of routes)
    for (const server of upstream?.servers ?? []) {
      const { tls = {} } = upstream ?? {};
      if (server.url.protocol === 'https:')
        found.set(JSON.stringify([server.origin, server.trust, tls]), { server, tls });
    }
  return [...found.values()];
}

/** Tries name, port and TLS of one. */
export async function* probeUpstream(
  { server, tls }: SecureUpstream,
  terms: { readonly signal: AbortSignal; readonly timeout: number },
): AsyncGenerator<ProbeStep> {
  const explain = (error: unknown): Failure =>
    networkFailure(error, server.origin) ?? new Failure('upstream-unreachable', `${server.origin}: ${String(error)}`);
  try {
    const steps = networkSteps(server.url, serverTrust(server, tls), systemClock);
    for await (const step of probeSteps(steps, { ...terms, explain }))
      yield step.result === 'failed' ? { ...step, result: 'warning' } : step;
  } catch (error) {
    yield { step: 'tls', result: 'warning', detail: explain(error).message, milliseconds: 0 };
  }
}
