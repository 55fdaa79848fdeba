/** An Express application with the gateway inside it, for a test: a small contact center, and an end with the test. */

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import express, { type Express, type Request } from 'express';
import { Secret } from '../../../src/core/secret.ts';
import { type AppConfig, type Gatehouse, gatehouse } from '../../../src/middleware/middleware.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { UsersFile } from '../../../src/users/users-file.ts';
import { temporaryFolder } from '../tools/folder.ts';
import { freePort } from '../tools/free-port.ts';
import { passwords } from './site.ts';
import { Visitor } from './visitor.ts';

/** A running application. */
export interface TestApp {
  readonly url: URL;
  readonly guard: Gatehouse;
  /** What it was made with. */
  readonly config: AppConfig;
  readonly server: Server;
  /** Every line of the log and the audit so far. */
  readonly lines: readonly string[];
  /** The audit's records of an event. */
  audit(event: string): Record<string, unknown>[];
  visitor(): Visitor;
}

/** What a test's application is made of. */
export interface TestAppOptions {
  /** Over the configuration of a small contact center. */
  readonly config?: Partial<AppConfig>;
  /** Makes the application; Express 5 when absent. */
  readonly framework?: typeof express;
  /** The application behind the gateway; it answers with what it saw when absent. */
  readonly build?: (app: Express, guard: Gatehouse) => void;
}

/** Starts an application. `/admin` needs the role supervisor, `/public` is open, `/closed` is shut, the rest needs a login. */
export async function startApp(
  t: TestContext,
  { config = {}, framework = express, build = echoing }: TestAppOptions = {},
): Promise<TestApp> {
  const folder = await temporaryFolder(t);
  const users = join(folder, 'users.yaml');
  await writeUsers(users);
  const url = new URL(`http://127.0.0.1:${await freePort()}`);
  const lines: string[] = [];
  const whole = { ...siteOf(url, users), ...config };
  const guard = gatehouse({
    config: whole,
    output: { write: (line) => lines.push(line) },
  });
  const app = framework();
  build(app, guard);
  const server = createServer(app);
  server.listen(Number(url.port), '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await guard.close();
  });
  return {
    url,
    guard,
    config: whole,
    server,
    lines,
    audit: (event) => lines.map((line) => JSON.parse(line)).filter((record) => record.event === event),
    visitor: () => new Visitor(url),
  };
}

/** What an application says of a request: who, where, and every header that it finds. */
export function seenBy(request: IncomingMessage & Partial<Pick<Request, 'originalUrl' | 'principal'>>): object {
  const { url, originalUrl, principal, rawHeaders, headers, headersDistinct } = request;
  const who = principal && { ...principal, roles: [...principal.roles] };
  return { url, originalUrl, principal: who, rawHeaders, headers, headersDistinct };
}

/** Guards an application that answers everything with what it saw. */
export function echoing(app: Express, guard: Gatehouse): void {
  app.use(guard);
  app.use((request, response) => void response.json(seenBy(request)));
}

function siteOf(url: URL, users: string): AppConfig {
  return {
    server: { publicUrl: url.origin },
    login: { chain: ['local'] },
    providers: { local: { type: 'local', users } },
    roles: { agent: { groups: ['agents'] }, supervisor: { groups: ['supervisors'], label: 'Supervisors' } },
    routes: [
      { location: '/' },
      { location: '/admin', access: { roles: ['supervisor'] } },
      { location: '/public', access: 'public' },
      { location: '/closed', access: 'deny' },
      { location: '/ws', websocket: true },
    ],
  };
}

async function writeUsers(path: string): Promise<void> {
  const file = new UsersFile(path, { log: createLog({ level: 'silent', destination: { write: () => true } }) });
  for (const [username, groups] of [
    ['agent1', ['agents']],
    ['supervisor1', ['agents', 'supervisors']],
  ] as const)
    await file.add({ username, password: new Secret(passwords[username]), name: `The ${username}`, groups });
}
