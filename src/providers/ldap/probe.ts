/** `gatehouse check --connect` for a directory: every server step by step, up to the first step that fails. */
import { lookup } from 'node:dns/promises';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../core/clock.ts';
import type { ProbeStep } from '../../core/provider.ts';
import { anchorsOf, type ChainReport, chainReport, insecureReadChain, issuersOf } from '../../tls/chain-report.ts';
import { Connection } from './connection.ts';
import { withDeadline } from './deadline.ts';
import type { Directory, Manager } from './directory.ts';
import { DirectoryError, directoryError } from './failure.ts';
import type { GroupSource } from './groups.ts';
import type { AttributeMap } from './options.ts';
import { type Finding, probeGroups, probeSearch } from './probe-content.ts';
import { openTcp, requestStartTls, type Security, type Server, secureSocket } from './transport.ts';
import type { UserSearch } from './user-search.ts';

/** What is tried. */
export interface ProbePlan {
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

const day = 86_400_000;
const soon = 21 * day;

/** Tries each server of the plan. */
export async function* probeDirectory(plan: ProbePlan, signal: AbortSignal): AsyncGenerator<ProbeStep> {
  for (const server of plan.servers) yield* new ServerProbe(plan, server, signal).run();
}

/** One server: each step leaves behind what the next one needs. */
class ServerProbe {
  readonly #plan: ProbePlan;
  readonly #server: Server;
  readonly #signal: AbortSignal;
  #addresses: readonly string[] = [];
  #socket: Socket | undefined;
  #connection: Connection | undefined;

  constructor(plan: ProbePlan, server: Server, signal: AbortSignal) {
    this.#plan = plan;
    this.#server = server;
    this.#signal = signal;
  }

  async *run(): AsyncGenerator<ProbeStep> {
    const { security, groups, manager } = this.#plan;
    const steps: [string, (signal: AbortSignal) => Promise<Finding>][] = [
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
    try {
      for (const [name, work] of steps) {
        const step = await this.#step(name, work);
        yield step;
        if (step.result === 'failed') return;
      }
    } finally {
      this.#connection?.close();
      this.#socket?.destroy();
    }
  }

  async #step(step: string, work: (signal: AbortSignal) => Promise<Finding>): Promise<ProbeStep> {
    const start = performance.now();
    const timed = (result: ProbeStep['result'], detail: string, hint?: string): ProbeStep => ({
      step,
      result,
      detail: detail.startsWith(this.#server.label) ? detail : `${this.#server.label}: ${detail}`,
      ...(hint !== undefined && { hint }),
      milliseconds: Math.round(performance.now() - start),
    });
    try {
      const { detail, hint } = await withDeadline(this.#signal, this.#plan.timeout, ({ signal }) => work(signal));
      return timed(hint === undefined ? 'ok' : 'warning', detail, hint);
    } catch (error) {
      const failure = directoryError(error, this.#server.label);
      return timed('failed', failure.message, failure.hint);
    }
  }

  async #resolve(): Promise<Finding> {
    const found = await lookup(this.#server.host, { all: true });
    this.#addresses = found.map(({ address }) => address);
    return { detail: this.#addresses.join(', ') };
  }

  /** Every address: a dead one behind a good name makes every other login slow. */
  async #connect(signal: AbortSignal): Promise<Finding> {
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

  async #secure(signal: AbortSignal): Promise<Finding> {
    const { security, clock } = this.#plan;
    const plain = this.#requireSocket();
    if (!this.#server.secure) await requestStartTls(plain, signal);
    let secure: TLSSocket;
    try {
      secure = await secureSocket(plain, this.#server, security, signal);
    } catch (error) {
      const failure = directoryError(error, this.#server.label);
      const report = failure.reason === 'tls-failed' ? await this.#shownChain(signal) : undefined;
      throw report ? withChain(failure, report) : failure;
    }
    this.#socket = secure.on('error', () => undefined);
    const report = chainReport(issuersOf(secure.getPeerX509Certificate()), anchorsOf(security.authorities));
    const left = report.expires.getTime() - clock.now();
    const detail = `${secure.getProtocol()}, ${describeChain(report)}`;
    return left < soon
      ? { detail, hint: `the certificate ends in ${Math.floor(left / day)} days; renew it on the server` }
      : { detail };
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

  async #bind(manager: Manager | undefined, signal: AbortSignal): Promise<Finding> {
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

function describeChain({ certificates, complete, missing, expires }: ChainReport): string {
  const [leaf] = certificates;
  if (!leaf) return 'no certificate';
  const names = leaf.names.length > 0 ? ` for ${leaf.names.join(', ')}` : ' without a name';
  const end = complete ? 'complete chain' : `chain of ${certificates.length}, ending below ${missing}`;
  return `${leaf.subject}${names}, issued by ${leaf.issuer}, until ${expires.toISOString().slice(0, 10)}, ${end}, pin ${leaf.pin}`;
}

function withChain(failure: DirectoryError, report: ChainReport): DirectoryError {
  return new DirectoryError(failure.reason, `${failure.message}; it shows: ${describeChain(report)}`, {
    hint: failure.hint,
  });
}
