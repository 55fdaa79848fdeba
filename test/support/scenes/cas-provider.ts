/** A CAS provider as the gateway makes one, and servers at the wire that answer as a real one never does. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { Clock } from '../../../src/core/clock.ts';
import type { Log } from '../../../src/core/log.ts';
import type { Outcome } from '../../../src/core/outcome.ts';
import type { Attempt, Provider } from '../../../src/core/provider.ts';
import type { Store } from '../../../src/core/store.ts';
import { cas } from '../../../src/providers/cas/index.ts';
import { MemoryStore } from '../../../src/store/memory.ts';
import { type AttemptParts, attemptOf } from '../tools/attempt.ts';
import { keptLog } from '../tools/log-lines.ts';
import { anyPassword } from '../tools/password-judges.ts';

/** Where the provider under test lives: the address of `attempt.ts` with this name. */
export const callback = 'http://gate.test/_gate/callback/under-test';

/** What a test gives a provider besides its options. */
export interface CasSurroundings {
  readonly log?: Log;
  readonly clock?: Clock;
  readonly store?: Store;
}

const refuse = async (): Promise<never> => {
  throw new Error('the cas provider asks no other provider');
};

/** Makes one that closes with the test. */
export function casProvider(
  t: TestContext,
  options: Readonly<Record<string, unknown>>,
  { log = keptLog(), clock = { now: Date.now }, store = new MemoryStore(clock) }: CasSurroundings = {},
): Provider {
  const provider = cas.create(cas.options.parse(options), {
    name: 'under-test',
    log,
    clock,
    store,
    publicUrl: new URL('http://gate.test'),
    lookUp: refuse,
    passwords: anyPassword,
    standing: refuse,
  });
  t.after(() => provider.close?.());
  return provider;
}

/** The way to CAS, as the gateway begins it: where the browser is sent, and what is kept. */
export async function leave(
  provider: Provider,
  parts: AttemptParts = {},
): Promise<{ readonly url: URL; readonly state: unknown; readonly service: string }> {
  const flow = `flow-${Math.random().toString(36).slice(2)}`;
  const outcome = await provider.attempt(attemptOf({ stage: 'start', flow, ...parts }));
  if (outcome.kind !== 'continue' || outcome.offer.via !== 'redirect')
    throw new Error(`not on its way: ${outcome.kind}`);
  const { url } = outcome.offer;
  return { url, state: outcome.state, service: url.searchParams.get('service') ?? '' };
}

/** An attempt of a browser that comes back with a query. */
export function backWith(
  { service, state }: { readonly service: string; readonly state: unknown },
  query: Readonly<Record<string, string>> | string,
): AttemptParts {
  const url = new URL(service);
  for (const [name, value] of new URLSearchParams(query)) url.searchParams.append(name, value);
  return { stage: 'callback', url, state };
}

/** Leaves and comes back with a ticket. */
export async function signInWith(provider: Provider, ticket: string, parts: AttemptParts = {}): Promise<Outcome> {
  return provider.attempt(attemptOf({ ...backWith(await leave(provider), { ticket }), ...parts }));
}

/** Whole attempt for a callback. */
export function callbackAttempt(journey: { service: string; state: unknown }, ticket: string): Attempt {
  return attemptOf(backWith(journey, { ticket }));
}

/** An answer at the wire. */
export interface FakeAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** A server at the wire. */
export interface FakeCas {
  /** The base address. */
  readonly url: string;
  /** What was asked, in order. */
  readonly asked: URL[];
  readonly sockets: ReadonlySet<Socket>;
}

/** Starts one; `answer` gives undefined to say nothing at all. */
export async function fakeCas(
  t: TestContext,
  answer: (url: URL, socket: Socket) => FakeAnswer | undefined | Promise<FakeAnswer | undefined>,
): Promise<FakeCas> {
  const asked: URL[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://cas.invalid');
    asked.push(url);
    const found = await answer(url, request.socket);
    if (!found || response.destroyed) return;
    const { status = 200, headers = {}, body = '' } = found;
    response.writeHead(status, { 'content-type': 'application/xml; charset=utf-8', ...headers }).end(body);
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/cas`, asked, sockets };
}

/** The namespace of CAS, declared. */
export const xmlns = 'xmlns:cas="http://www.yale.edu/tp/cas"';

/** A success as the protocol has it; `more` follows the user. */
export function success(user: string, more = ''): string {
  return `<cas:serviceResponse ${xmlns}><cas:authenticationSuccess><cas:user>${user}</cas:user>${more}</cas:authenticationSuccess></cas:serviceResponse>`;
}

/** A failure as the protocol has it. */
export function failure(code: string, text = 'no'): string {
  return `<cas:serviceResponse ${xmlns}><cas:authenticationFailure code="${code}">${text}</cas:authenticationFailure></cas:serviceResponse>`;
}
