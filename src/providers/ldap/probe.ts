/** `gatehouse check --connect` for a directory: every server step by step, up to the first step that fails. */

import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../core/clock.ts';
import { Failure } from '../../core/failure.ts';
import type { ProbeStep } from '../../core/provider.ts';
import { addressesOf, describeChain, describeTls, probeSteps, type Step, type StepResult } from '../../remote/probe.ts';
import { anchorsOf, type ChainReport, chainReport, insecureReadChain } from '../../tls/chain-report.ts';
import { Connection } from './connection.ts';
import type { Directory, Manager } from './directory.ts';
import { directoryFailure } from './failure.ts';
import type { GroupSource } from './groups.ts';
import type { AttributeMap } from './options.ts';
import { probeGroups, probeSearch } from './probe-content.ts';
import { openTcp, requestStartTls, type Security, type Server, secureSocket } from './transport.ts';
import type { UserSearch } from './user-search.ts';

/** What is tried. */
export interface DirectoryProbePlan {
  readonly servers: readonly Server[];
  readonly security: Security;
  readonly manager: Manager | undefined;
  readonly directory: Directory;
  readonly search: UserSearch;
  readonly attributes: AttributeMap;
  readonly groups: GroupSource | undefined;
  /** For each step, in milliseconds. */
  readonly timeout: number;
  readonly clock: Clock;
}

/** Tries each server of the plan. */
export async function* probeDirectory(plan: DirectoryProbePlan, signal: AbortSignal): AsyncGenerator<ProbeStep> {
  for (const server of plan.servers) yield* new ServerProbe(plan, server, signal).run();
}

/** One server: each step leaves behind what the next one needs. */
class ServerProbe {
  readonly #plan: DirectoryProbePlan;
  readonly #server: Server;
  readonly #signal: AbortSignal;
  #addresses: readonly string[] = [];
  #socket: Socket | undefined;
  #connection: Connection | undefined;

  constructor(plan: DirectoryProbePlan, server: Server, signal: AbortSignal) {
    this.#plan = plan;
    this.#server = server;
    this.#signal = signal;
  }

  async *run(): AsyncGenerator<ProbeStep> {
    const { security, groups, manager } = this.#plan;
    const steps: Step[] = [
      ['resolve', () => this.#resolve()],
      ['connect', (signal) => this.#connect(signal)],
    ];
    if (this.#server.secure || security.startTls) {
      steps.push([security.startTls ? 'starttls' : 'tls', (signal) => this.#secure(signal)]);
    }
    steps.push(
      ['bind', (signal) => this.#bind(manager, signal)],
      ['search', (signal) => probeSearch(this.#plan, this.#requireConnection(), signal)],
    );
    if (groups)
      steps.push(['groups', (signal) => probeGroups(groups, this.#plan.search, this.#requireConnection(), signal)]);
    const { label } = this.#server;
    const terms = {
      signal: this.#signal,
      timeout: this.#plan.timeout,
      explain: (error: unknown) => directoryFailure(error, label),
    };
    try {
      for await (const step of probeSteps(steps, terms))
        yield step.detail.startsWith(label) ? step : { ...step, detail: `${label}: ${step.detail}` };
    } finally {
      this.#connection?.close();
      this.#socket?.destroy();
    }
  }

  async #resolve(): Promise<StepResult> {
    this.#addresses = await addressesOf(this.#server.host);
    return { detail: this.#addresses.join(', ') };
  }

  /** Every address: a dead one behind a good name makes every other login slow. */
  async #connect(signal: AbortSignal): Promise<StepResult> {
    const tries = await Promise.allSettled(this.#addresses.map((address) => openTcp(this.#server, signal, address)));
    const dead: string[] = [];
    let failure: unknown;
    for (const [index, attempt] of tries.entries()) {
      if (attempt.status === 'rejected') {
        failure = attempt.reason;
        dead.push(this.#addresses[index] ?? '');
      } else if (this.#socket) attempt.value.destroy();
      else this.#socket = attempt.value.on('error', () => undefined);
    }
    if (!this.#socket) throw failure;
    const detail = `port ${this.#server.port} answers`;
    if (dead.length === 0) return { detail };
    return {
      detail: `${detail}, but not on ${dead.join(', ')}`,
      hint: 'mend or remove the addresses that do not answer',
    };
  }

  async #secure(signal: AbortSignal): Promise<StepResult> {
    const { security, clock } = this.#plan;
    const plain = this.#requireSocket();
    if (!this.#server.secure) await requestStartTls(plain, signal);
    let secure: TLSSocket;
    try {
      secure = await secureSocket(plain, this.#server, security, signal);
    } catch (error) {
      const failure = directoryFailure(error, this.#server.label);
      const report = failure.reason === 'tls-failed' ? await this.#shownChain(signal) : undefined;
      throw report ? withChain(failure, report) : failure;
    }
    this.#socket = secure.on('error', () => undefined);
    return describeTls(secure, security.authorities, clock);
  }

  /** What a server shows that was not trusted, read over a second connection on which nothing is sent. */
  async #shownChain(signal: AbortSignal): Promise<ChainReport | undefined> {
    const { security } = this.#plan;
    try {
      const plain = await openTcp(this.#server, signal);
      if (!this.#server.secure) await requestStartTls(plain, signal);
      const chain = await insecureReadChain(plain, security.servername ?? this.#server.host, signal);
      return chain && chainReport(chain, anchorsOf(security.authorities));
    } catch {
      return undefined;
    }
  }

  async #bind(manager: Manager | undefined, signal: AbortSignal): Promise<StepResult> {
    this.#connection = Connection.over(this.#server, this.#requireSocket());
    await this.#plan.directory.bindManager(this.#connection, signal);
    return { detail: manager ? `bound as ${manager.dn}` : 'anonymous: no managerDn is configured' };
  }

  #requireSocket(): Socket {
    if (!this.#socket) throw new Error('the steps are out of order');
    return this.#socket;
  }

  #requireConnection(): Connection {
    if (!this.#connection) throw new Error('the steps are out of order');
    return this.#connection;
  }
}

function withChain(failure: Failure, report: ChainReport): Failure {
  return new Failure(failure.reason, `${failure.message}; it shows: ${describeChain(report)}`, {
    hint: failure.hint,
  });
}
