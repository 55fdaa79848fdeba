/** The option that names the way out of a site, `outboundProxy`, and how it is read: an address, or the environment's variables. */
import * as z from 'zod';
import { readContext } from '../config/context.ts';
import { secretElsewhere } from '../config/values.ts';
import { Secret } from '../core/secret.ts';
import { exemptNames, type ForwardProxy, type OutboundProxy } from './outbound-proxy.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The way out to identity providers; that of the whole site, or of one provider. */
export function outboundProxy() {
  const address = z
    .union([z.literal(false), z.string().meta({ description: 'env, or the address of a proxy' }), secretElsewhere()])
    .meta({
      title: 'forward proxy',
      kind: 'false, env, an address such as http://proxy.example.com:3128, or { env: NAME } or { file: path } that holds one',
      examples: [false, 'env', 'http://proxy.example.com:3128'],
    });
  return address.transform((value, context): OutboundProxy => {
    if (value === false) return false;
    const read = value === 'env' ? proxiesOf(readContext().env) : oneProxy(value);
    if (typeof read !== 'string') return read;
    context.addIssue({ code: 'custom', message: read });
    return z.NEVER;
  });
}

/** What stands under `server:` about the way out. */
export const outboundOptions = z.strictObject({
  outboundProxy: outboundProxy()
    .optional()
    .describe(
      'the forward proxy to OpenID Connect issuers and CAS servers, and to nothing else; env: by HTTPS_PROXY, HTTP_PROXY and NO_PROXY; none when absent',
    ),
});

/** The proxies that an environment names, as curl reads it; a text that says what is wrong where one cannot be used. */
export function proxiesOf(env: Environment): Exclude<OutboundProxy, false> | string {
  const named = (...names: readonly string[]) => names.find((name) => env[name]);
  // In the environment of a CGI program a client's header `Proxy` stands as HTTP_PROXY (CVE-2016-5385).
  const http = named(
    'http_proxy',
    ...(env.REQUEST_METHOD === undefined ? ['HTTP_PROXY'] : []),
    'all_proxy',
    'ALL_PROXY',
  );
  const https = named('https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY');
  const exempt = exemptNames(env[named('no_proxy', 'NO_PROXY') ?? ''] ?? '');
  const read: Record<'http' | 'https', ForwardProxy | undefined> = { http: undefined, https: undefined };
  for (const [scheme, name] of [
    ['http', http],
    ['https', https],
  ] as const) {
    if (name === undefined) continue;
    const text = env[name] ?? '';
    const proxy = proxyAt(text.includes('://') ? text : `http://${text}`, { from: name, isInClear: false });
    if (!proxy) return `the environment variable ${name} ${noProxy}`;
    read[scheme] = proxy;
  }
  return { ...read, exempt };
}

const noProxy = 'must be the http:// or https:// address of a proxy, such as http://proxy.example.com:3128';

function oneProxy(value: string | Secret): Exclude<OutboundProxy, false> | string {
  const isInClear = typeof value === 'string';
  const proxy = proxyAt(isInClear ? value : value.reveal(), { from: 'outboundProxy', isInClear });
  return proxy ? { http: proxy, https: proxy, exempt: [] } : noProxy;
}

function proxyAt(text: string, place: Pick<ForwardProxy, 'from' | 'isInClear'>): ForwardProxy | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search || url.hash) return undefined;
  const { origin, username, password } = url;
  if (username === '' && password === '') return { origin, authorization: undefined, ...place };
  const credentials = `${decoded(username)}:${decoded(password)}`;
  return { origin, authorization: new Secret(`Basic ${Buffer.from(credentials).toString('base64')}`), ...place };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
