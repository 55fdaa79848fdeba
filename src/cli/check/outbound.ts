/** What `gatehouse check` says of the way out to identity providers: a proxy of the environment that nobody uses, a password in clear. */
import type { ConfigIssue, KeyPath } from '../../config/load.ts';
import type { Document } from '../../gateway/document.ts';
import { type OutboundProxy, wayTo } from '../../remote/outbound-proxy.ts';
import { proxiesOf } from '../../remote/proxy-options.ts';
import type { Reading } from '../../runtime/reading.ts';
import { optionsOf } from './provider-options.ts';

/** A provider that takes a forward proxy. */
interface Outward {
  readonly name: string;
  readonly url: URL;
  readonly own: OutboundProxy | undefined;
}

/** Warnings about the way out, for the environment of this command, which may be another than the service's. */
export function outboundWarnings(
  { document, locate }: Extract<Reading, { kind: 'ok' }>,
  env: Readonly<Record<string, string | undefined>>,
): ConfigIssue[] {
  const { outboundProxy: shared } = document.server;
  const outward = outwardProviders(document);
  const settings: readonly (readonly [KeyPath, OutboundProxy | undefined])[] = [
    [['server', 'outboundProxy'], shared],
    ...outward.map(({ name, own }) => [['providers', name, 'outboundProxy'], own] as const),
  ];
  const clear = settings.flatMap(([path, setting]) =>
    setting !== undefined && setting !== false && setting.https?.isInClear && setting.https.authorization
      ? [{ ...locate(path), message: 'holds a password in clear', hint: 'write { env: NAME } or { file: PATH }' }]
      : [],
  );
  const proxies = proxiesOf(env);
  if (shared !== undefined || typeof proxies === 'string') return clear;
  const unused = outward.flatMap(({ name, url, own }): ConfigIssue[] => {
    const { proxy } = wayTo(proxies, url);
    if (!proxy || own !== undefined) return [];
    const message = `${proxy.from} is set in the environment and not used: the gateway asks ${url.host} directly`;
    const hint = 'set server.outboundProxy: env to go by way of that proxy, or false to say that this is meant';
    return [{ ...locate(['providers', name]), message, hint }];
  });
  return [...clear, ...unused];
}

function outwardProviders({ providers }: Document): Outward[] {
  return Object.entries(providers).flatMap(([name, options]): Outward[] => {
    const oidc = optionsOf('oidc', options);
    if (oidc) return [{ name, url: oidc.internalUrl ?? oidc.issuer, own: oidc.outboundProxy }];
    const cas = optionsOf('cas', options);
    return cas ? [{ name, url: cas.url, own: cas.outboundProxy }] : [];
  });
}
