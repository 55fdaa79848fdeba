/**
 * A directory as one thing, however many servers it has: which one is asked, how long each may take, which ones are left
 * alone for a while. What is asked is the business of `user-search.ts`, `groups.ts` and `bind.ts`.
 */

import { ResultCodeError } from 'ldapts';
import type { Clock } from '../../core/clock.ts';
import type { Failure } from '../../core/failure.ts';
import type { Log } from '../../core/log.ts';
import type { Secret } from '../../core/secret.ts';
import { type Deadline, withDeadline } from '../../remote/deadline.ts';
import { Semaphore } from '../../remote/semaphore.ts';
import { Connection } from './connection.ts';
import { directoryFailure, isOfServer } from './failure.ts';
import { Pool, queueIsFull } from './pool.ts';
import type { Security, Server } from './transport.ts';

/** Who searches; anonymous when absent. */
export interface Manager {
  readonly dn: string;
  readonly password: Secret;
}

/** What a directory needs to know. */
interface DirectoryOptions {
  readonly servers: readonly Server[];
  readonly security: Security;
  readonly manager: Manager | undefined;
  readonly flavor: 'auto' | 'activeDirectory' | 'openldap';
  /** The most search connections to one server. */
  readonly poolSize: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** A server and how it has been doing. */
interface Member {
  readonly server: Server;
  readonly pool: Pool;
  /** Kept connections on which users bind, and nothing else is done: whose they are at a moment says nothing. */
  readonly binds: Pool;
  failures: number;
  /** Until then it is asked only after those that are well. */
  avoidedUntil: number;
}

/** Binds at once to each connection for searches: a password's hash takes a server longer than a search. */
const bindsPerSearch = 4;
const firstPause = 5000;
const maxPause = 60_000;
const activeDirectory = '1.2.840.113556.1.4.800';

/** The servers of one directory. */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #members: readonly Member[];
  readonly #binds: Semaphore;
  #isActiveDirectory: boolean | undefined;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#binds = new Semaphore(options.poolSize * bindsPerSearch, 1000, queueIsFull);
    this.#members = options.servers.map((server) => ({
      server,
      pool: new Pool((signal) => this.#openManaged(server, signal), options.poolSize),
      binds: new Pool((signal) => Connection.open(server, options.security, signal), options.poolSize * bindsPerSearch),
      failures: 0,
      avoidedUntil: 0,
    }));
  }

  /** Runs searches on a connection that is bound as the manager. */
  async search<T>(deadline: Deadline, work: (connection: Connection, signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#ask(deadline, undefined, ({ pool }, signal) =>
      pool.use(signal, (connection) => work(connection, signal)),
    );
  }

  /**
   * Has a user bind, which must be all that `work` does: the connection is another user's a moment later, or nobody's where the
   * bind failed. `preferred` is asked first. One that broke before the answer is replaced once, so that a server that was started
   * anew refuses nobody; such a bind may be made twice.
   */
  async bind<T>(
    deadline: Deadline,
    preferred: Server | undefined,
    work: (connection: Connection, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return this.#binds.run(deadline.signal, () =>
      this.#ask(deadline, preferred, ({ binds }, signal) =>
        binds.use(signal, (connection) => work(connection, signal)),
      ),
    );
  }

  /** Runs `work` on a fresh connection that nobody has bound and nobody else will use; `preferred` is asked first. */
  async apart<T>(
    deadline: Deadline,
    preferred: Server | undefined,
    work: (connection: Connection, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return this.#binds.run(deadline.signal, () =>
      this.#ask(deadline, preferred, async ({ server }, signal) => {
        const connection = await Connection.open(server, this.#options.security, signal);
        try {
          return await work(connection, signal);
        } finally {
          connection.close();
        }
      }),
    );
  }

  /** Has one of the servers say anything at all, also that it tells strangers nothing; nobody binds. */
  async ping(deadline: Deadline): Promise<void> {
    await this.apart(deadline, undefined, async (connection, signal) => {
      try {
        await connection.run(signal, (client) => client.search('', { scope: 'base', attributes: ['1.1'] }));
      } catch (error) {
        if (!(error instanceof ResultCodeError)) throw error;
      }
    });
  }

  /** Binds a connection as the manager, or as nobody where there is none. */
  async bindManager(connection: Connection, signal: AbortSignal): Promise<void> {
    const { manager } = this.#options;
    if (!manager) return;
    try {
      await connection.run(signal, (client) => client.bind(manager.dn, manager.password.reveal()));
    } catch (error) {
      throw directoryFailure(error, `${connection.server.label}: bind as ${manager.dn}`);
    }
  }

  /** Whether the manager could change the password of a user who cannot bind; a directory that knows how to must be asked for it. */
  canChangePasswords(server: Server): boolean {
    const { manager, security } = this.#options;
    return manager !== undefined && (server.secure || security.startTls);
  }

  /** Whether it is an Active Directory, as configured or as its root says; asked once. */
  async isActiveDirectory(connection: Connection, signal: AbortSignal): Promise<boolean> {
    if (this.#options.flavor !== 'auto') return this.#options.flavor === 'activeDirectory';
    if (this.#isActiveDirectory === undefined) {
      const { searchEntries } = await connection.run(signal, (client) =>
        client.search('', { scope: 'base', attributes: ['supportedCapabilities'] }),
      );
      this.#isActiveDirectory = [searchEntries[0]?.supportedCapabilities ?? []].flat().includes(activeDirectory);
    }
    return this.#isActiveDirectory;
  }

  close(): void {
    for (const { pool, binds } of this.#members) {
      pool.close();
      binds.close();
    }
  }

  async #openManaged(server: Server, signal: AbortSignal): Promise<Connection> {
    const connection = await Connection.open(server, this.#options.security, signal);
    try {
      await this.bindManager(connection, signal);
    } catch (error) {
      connection.destroy();
      throw error;
    }
    return connection;
  }

  /**
   * Asks one server after the other until one answers. Those that are well share the time, so that the first to hang does
   * not use it up; an answer that only means "no" comes from one server and holds.
   */
  async #ask<T>(
    deadline: Deadline,
    preferred: Server | undefined,
    work: (member: Member, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { well, avoided } = this.#order(preferred);
    const order = [...well, ...avoided];
    let failure: Failure | undefined;
    for (const [index, member] of order.entries()) {
      const sharing = index < well.length ? well.length - index : order.length - index;
      try {
        const result = await this.#try(deadline, deadline.remaining() / sharing, member, work);
        this.#succeeded(member);
        return result;
      } catch (error) {
        failure = directoryFailure(error, member.server.label);
        if (!isOfServer(failure)) throw failure;
        if (isTheirFault(deadline.signal)) this.#failed(member, failure);
        if (deadline.signal.aborted) throw failure;
      }
    }
    throw failure ?? new Error('a directory has at least one server');
  }

  async #try<T>(
    deadline: Deadline,
    share: number,
    member: Member,
    work: (member: Member, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    // One login at a time finds out whether a server is well again; the others do not wait with it.
    if (member.failures > 0) member.avoidedUntil = this.#options.clock.now() + pauseAfter(member.failures);
    return withDeadline(deadline.signal, share, ({ signal }) => work(member, signal));
  }

  #order(preferred: Server | undefined): { well: readonly Member[]; avoided: readonly Member[] } {
    const now = this.#options.clock.now();
    const well = this.#members.filter(({ avoidedUntil }) => avoidedUntil <= now);
    const avoided = this.#members.filter(({ avoidedUntil }) => avoidedUntil > now);
    return { well: well.toSorted((a, b) => Number(b.server === preferred) - Number(a.server === preferred)), avoided };
  }

  #failed(member: Member, failure: Failure): void {
    member.failures++;
    member.avoidedUntil = this.#options.clock.now() + pauseAfter(member.failures);
    if (this.#members.length > 1) {
      this.#options.log.warn(
        { url: member.server.label, reason: failure.reason, error: failure.message },
        'ldap server avoided for a while',
      );
    }
  }

  #succeeded(member: Member): void {
    if (member.failures > 0 && this.#members.length > 1) {
      this.#options.log.info({ url: member.server.label }, 'ldap server is well again');
    }
    member.failures = 0;
    member.avoidedUntil = 0;
  }
}

function pauseAfter(failures: number): number {
  return Math.min(maxPause, firstPause * 2 ** (failures - 1));
}

/** A client that has gone away says nothing about the server. */
function isTheirFault({ aborted, reason }: AbortSignal): boolean {
  return !aborted || (reason instanceof Error && reason.name === 'TimeoutError');
}
