/** A whole gateway for a test: a configuration in a folder of its own, free ports, and an end with the test. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { stringify } from 'yaml';
import { readConfiguration } from '../../../src/cli/configuration.ts';
import { formatIssues } from '../../../src/config/report.ts';
import type { Clock } from '../../../src/core/clock.ts';
import { Secret } from '../../../src/core/secret.ts';
import { type Standalone, startStandalone } from '../../../src/runtime/standalone.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { UsersFile } from '../../../src/users/users-file.ts';
import { temporaryFolder } from '../tools/folder.ts';
import { freePort } from '../tools/free-port.ts';

/** Plain data, as YAML holds it. */
export type Yaml = { readonly [key: string]: unknown };

/** A local user of a test. */
export interface TestUser {
  readonly name: string;
  readonly password: string;
  readonly fullName?: string;
  readonly email?: string;
  readonly groups?: readonly string[];
}

/** What a test's gateway is made of. */
export interface TestGatewayOptions {
  /** Over the small default: listeners on free ports, a memory store, local users, a chain of `local`. */
  readonly config: Yaml;
  readonly users?: readonly TestUser[];
  readonly clock?: Clock;
  readonly env?: Readonly<Record<string, string>>;
}

/** A running gateway and its surroundings. */
export interface TestGateway {
  readonly url: URL;
  readonly admin: URL;
  readonly folder: string;
  readonly file: string;
  readonly running: Standalone;
  /** Every line of the log and the audit so far. */
  readonly lines: readonly string[];
  /** The audit's records of an event. */
  audit(event: string): Record<string, unknown>[];
  /** Writes another configuration over the file; `running.reload({ actor: 'signal' })` reads it. */
  write(config: Yaml): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a gateway that ends with the test. */
export async function gateway(t: TestContext, options: TestGatewayOptions): Promise<TestGateway> {
  const folder = await temporaryFolder(t);
  const port = await freePort();
  const file = join(folder, 'gatehouse.yaml');
  const write = (config: Yaml): Promise<void> => writeFile(file, stringify(merge(defaults(port), config)));
  await write(options.config);
  await writeUsers(join(folder, 'users.yaml'), options.users ?? []);
  const lines: string[] = [];
  const read = () => readConfiguration(file, options.env ?? {});
  const reading = read();
  if (reading.kind === 'invalid') throw new Error(formatIssues(reading.issues));
  const running = await startStandalone({
    document: reading.document,
    read,
    output: { write: (line) => lines.push(line) },
    ...(options.clock && { clock: options.clock }),
  });
  t.after(() => running.stop());
  const [url] = running.front.addresses;
  if (!url) throw new Error('the gateway listens nowhere');
  return {
    url,
    admin: running.adminAddress,
    folder,
    file,
    running,
    lines,
    audit: (event) => lines.flatMap((line) => recordOf(line)).filter((record) => record.event === event),
    write,
    stop: () => running.stop(),
  };
}

function defaults(port: number): Yaml {
  return {
    server: { listen: `http://127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}`, drain: '1s' },
    admin: { listen: 'http://127.0.0.1:0', socket: 'admin.sock' },
    login: { chain: ['local'] },
    session: { store: { type: 'memory' } },
    providers: { local: { type: 'local', users: 'users.yaml' } },
  };
}

async function writeUsers(path: string, users: readonly TestUser[]): Promise<void> {
  const file = new UsersFile(path, { log: createLog({ level: 'silent', destination: { write: () => true } }) });
  for (const { name, password, fullName, email, groups } of users)
    await file.add({
      username: name,
      password: new Secret(password),
      ...(fullName && { name: fullName }),
      ...(email && { email }),
      ...(groups && { groups }),
    });
}

function merge(base: Yaml, over: Yaml): Yaml {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const before = merged[key];
    merged[key] = isMapping(before) && isMapping(value) && key !== 'store' ? merge(before, value) : value;
  }
  return merged;
}

function isMapping(value: unknown): value is Yaml {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function recordOf(line: string): Record<string, unknown>[] {
  const record: unknown = JSON.parse(line);
  return isMapping(record) ? [record] : [];
}
