/**
 * The same small contact center in each place that the gateway can have: alone, and with a real proxy before or beside it
 * that runs what `gatehouse export` writes.
 */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { needsCaddy, startCaddy } from '../servers/caddy.ts';
import { needsHaproxy, startHaproxy } from '../servers/haproxy.ts';
import { needsNginx, startNginx } from '../servers/nginx.ts';
import { startUpstream, type TestUpstream } from '../servers/upstream.ts';
import { run } from '../tools/command.ts';
import { freePort } from '../tools/free-port.ts';
import { gateway, type TestGateway, type Yaml } from './gateway.ts';
import { passwords, siteConfig, staff } from './site.ts';
import { Visitor } from './visitor.ts';

/** A running place. */
export interface PlacedGateway {
  /** What browsers are sent to. */
  readonly front: URL;
  readonly gateway: TestGateway;
  readonly upstream: TestUpstream;
  visitor(): Visitor;
  /** A visitor who has signed in; what the upstream has seen so far is forgotten. */
  signedIn(name?: keyof typeof passwords): Promise<Visitor>;
}

/** A way to place the gateway. */
export interface Placement {
  readonly name: string;
  readonly options: { readonly skip: boolean | string };
  /** True: another program carries requests, and the gateway only decides. */
  readonly asks: boolean;
  /** True: the gateway carries what stays open, and can end it. */
  readonly cuts: boolean;
  /** True: that program brings the body of a form along when it fetches the answer to a refusal. */
  readonly keepsForms: boolean;
  start(t: TestContext): Promise<PlacedGateway>;
}

type StartProxy = (t: TestContext, configuration: string, port: number) => Promise<unknown>;

/** What `gatehouse export` writes for a gateway. */
export async function exported(kind: string, file: string, ...options: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(['export', kind, '--config', file, ...options]);
  assert.equal(code, 0, stderr);
  return stdout;
}

function configOf(origin: string, front: number, isProxied: boolean): Yaml {
  const { routes, ...rest } = siteConfig(origin);
  return {
    ...rest,
    server: { publicUrl: `http://127.0.0.1:${front}`, trustedProxies: isProxied ? ['127.0.0.1'] : [] },
    routes: [
      ...(routes as readonly Yaml[]),
      { name: 'replaced', location: '/base/', upstream: `${origin}/status/` },
      { name: 'stripped', location: '/strip', upstream: `${origin}/` },
      {
        name: 'a pattern',
        location: '~ ^/reports/\\d+/(?:pdf|csv)$',
        upstream: origin,
        access: { roles: ['supervisor'] },
      },
      { name: 'firm', location: '^~ /reports/2/', upstream: origin, access: 'public' },
      { name: 'exact', location: '= /exact', upstream: origin, access: 'public' },
    ],
  };
}

async function place(
  t: TestContext,
  kind?: string,
  start?: StartProxy,
  ...options: readonly string[]
): Promise<PlacedGateway> {
  const [upstream, port] = [await startUpstream(t), await freePort()];
  const started = await gateway(t, {
    config:
      kind === undefined
        ? { ...configOf(upstream.origin, port, false), server: {} }
        : configOf(upstream.origin, port, true),
    users: staff,
  });
  if (kind !== undefined)
    await start?.(t, await exported(kind, started.file, '--listen', `127.0.0.1:${port}`, ...options), port);
  const front = kind === undefined ? started.url : new URL(`http://127.0.0.1:${port}`);
  const visitor = () => new Visitor(front);
  return {
    front,
    gateway: started,
    upstream,
    visitor,
    signedIn: async (name = 'agent1') => {
      const browser = visitor();
      await browser.mustSignIn(name, passwords[name]);
      upstream.received.length = 0;
      return browser;
    },
  };
}

const nginx = (t: TestContext, ...options: readonly string[]): Promise<PlacedGateway> =>
  place(t, 'nginx', (inner, text, port) => startNginx(inner, () => text, port), ...options);

/** Every placement that can be run here. */
export const placements: readonly Placement[] = [
  {
    name: 'the built-in proxy',
    options: { skip: false },
    asks: false,
    cuts: true,
    keepsForms: true,
    start: (t) => place(t),
  },
  {
    name: 'nginx with auth_request',
    options: needsNginx,
    asks: true,
    cuts: false,
    keepsForms: true,
    start: (t) => nginx(t),
  },
  {
    name: 'nginx with auth_request and --live',
    options: needsNginx,
    asks: true,
    cuts: true,
    keepsForms: true,
    start: (t) => nginx(t, '--live'),
  },
  {
    name: 'Caddy with forward_auth',
    options: needsCaddy,
    asks: true,
    cuts: false,
    keepsForms: false,
    start: (t) => place(t, 'caddy', startCaddy),
  },
  {
    name: 'Caddy with forward_auth and --live',
    options: needsCaddy,
    asks: true,
    cuts: true,
    keepsForms: false,
    start: (t) => place(t, 'caddy', startCaddy, '--live'),
  },
  {
    name: 'HAProxy in front',
    options: needsHaproxy,
    asks: false,
    cuts: true,
    keepsForms: true,
    start: (t) => place(t, 'haproxy', startHaproxy),
  },
];
