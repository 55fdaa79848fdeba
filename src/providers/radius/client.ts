/**
 * Asks RADIUS servers over UDP: one after the other within a deadline, each several times with the same packet (RFC 5080 §2.2.1).
 * Each request has a connected socket of its own: the system drops what comes from elsewhere, a refusal by ICMP reaches the one
 * whom it concerns, and no id is in use twice on a port.
 */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { Failure } from '../../core/failure.ts';
import type { Log } from '../../core/log.ts';
import type { Secret } from '../../core/secret.ts';
import { abortable, type Deadline, untilLimit } from '../../remote/deadline.ts';
import { networkFailure } from '../../remote/network-error.ts';
import { Semaphore } from '../../remote/semaphore.ts';
import {
  codes,
  type Flaw,
  type Question,
  type RadiusAnswer,
  type RadiusRequest,
  readAnswer,
  writeRequest,
} from './packet.ts';

/** Where a server listens. */
export interface RadiusServer {
  readonly host: string;
  readonly port: number;
  /** As an operator reads it. */
  readonly label: string;
}

/** Whom is asked, and what counts as an answer. */
interface RadiusTerms {
  readonly servers: readonly RadiusServer[];
  readonly secret: Secret;
  readonly requireMessageAuthenticator: boolean;
  /** How often a packet is sent again to the same server. */
  readonly retries: number;
  readonly log: Log;
}

/** An answer, and whose it is. */
export type ServerAnswer = RadiusAnswer & { readonly server: RadiusServer };

const maxAtOnce = 512;
const maxQueue = 2048;
/** How long a server that was silent is asked after the others, in milliseconds. */
const restFor = 30_000;
const partOfTime = 0.95;
/** How far the times of sending are spread, so that servers that come back are not met by all at once. */
const jitter = 0.1;

/** The servers of one provider. */
export class RadiusClient {
  readonly #terms: RadiusTerms;
  readonly #turns = new Semaphore(maxAtOnce, maxQueue, { message: 'too many logins wait for RADIUS' });
  /** Since when a server has been silent, by the process's own clock. */
  readonly #silentSince = new Map<string, number>();

  constructor(terms: RadiusTerms) {
    this.#terms = terms;
  }

  /**
   * The first authentic answer of any server, or of the one that `only` names; a Failure where there is none in time. Each
   * server gets an equal part of the time that is left.
   */
  ask(question: Question, { signal, remaining }: Deadline, only?: string): Promise<ServerAnswer> {
    return this.#turns.run(signal, async () => {
      const servers = this.#inOrder().filter(({ label }) => only === undefined || label === only);
      const failures: Failure[] = [];
      for (const [index, server] of servers.entries()) {
        // A little less than is left, so that the last of them can be named before the deadline cuts in.
        const share = (remaining() * partOfTime) / (servers.length - index);
        try {
          const answer = await this.#askServer(question, server, signal, share);
          this.#silentSince.delete(server.label);
          return { ...answer, server };
        } catch (error) {
          if (signal.aborted) throw error;
          failures.push(failureOf(error, server));
          this.#silentSince.set(server.label, performance.now());
        }
      }
      throw together(failures);
    });
  }

  /** Asks one server alone, also one that has been silent. */
  askOne(question: Question, server: RadiusServer, { signal, remaining }: Deadline): Promise<RadiusAnswer> {
    return this.#askServer(question, server, signal, remaining() * partOfTime);
  }

  #inOrder(): readonly RadiusServer[] {
    const isResting = ({ label }: RadiusServer): boolean =>
      performance.now() - (this.#silentSince.get(label) ?? Number.NEGATIVE_INFINITY) < restFor;
    const { servers } = this.#terms;
    return [...servers.filter((server) => !isResting(server)), ...servers.filter(isResting)];
  }

  #askServer(question: Question, server: RadiusServer, parent: AbortSignal, share: number): Promise<RadiusAnswer> {
    const endsAt = performance.now() + share;
    return untilLimit(parent, share, async (signal) => {
      const { address, family } = await abortable(signal, () => lookup(server.host));
      const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4', recvBufferSize: 65_536 });
      try {
        socket.connect(server.port, address);
        await once(socket, 'connect', { signal });
        const { secret, requireMessageAuthenticator } = this.#terms;
        const request = writeRequest(question, secret);
        // That a server is there lets nobody in, and many say so without one.
        const isRequired = requireMessageAuthenticator && question.code === codes.accessRequest;
        const times = sendTimes(endsAt - performance.now(), this.#terms.retries);
        return await this.#exchange(socket, request, { server, times, signal, isRequired });
      } finally {
        socket
          .removeAllListeners()
          .on('error', () => undefined)
          .close();
      }
    });
  }

  /** Sends at each of the times until an authentic answer comes; whatever else comes is as if it had not. */
  async #exchange(
    socket: ReturnType<typeof createSocket>,
    request: RadiusRequest,
    {
      server,
      times,
      signal,
      isRequired,
    }: { server: RadiusServer; times: readonly number[]; signal: AbortSignal; isRequired: boolean },
  ): Promise<RadiusAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<RadiusAnswer>();
    const { secret } = this.#terms;
    let flaw: Flaw | undefined;
    socket.on('error', reject).on('message', (datagram) => {
      const answer = readAnswer(datagram, request, { secret, requireMessageAuthenticator: isRequired });
      if (typeof answer !== 'string') return resolve(answer);
      if (flaw !== answer) this.#terms.log.warn({ server: server.label, flaw: answer }, flaws[answer]);
      flaw = answer;
    });
    const send = (): void => socket.send(request.bytes, (error) => error && reject(error));
    const timers = times.map((after) => setTimeout(send, after));
    try {
      return await abortable(signal, () => promise);
    } catch (error) {
      throw flaw === undefined ? error : flawed(flaw, server);
    } finally {
      for (const timer of timers) clearTimeout(timer);
    }
  }
}

/** When a packet is sent, in milliseconds from the start: each wait is twice the one before, and the last ends with the time. */
function sendTimes(total: number, retries: number): readonly number[] {
  const parts = 2 ** (retries + 1) - 1;
  const spread = (): number => 1 + jitter * (2 * Math.random() - 1);
  return Array.from({ length: retries + 1 }, (_, index) => ((total * (2 ** index - 1)) / parts) * spread());
}

const flaws: Readonly<Record<Flaw, string>> = {
  malformed: 'what came is no answer of RADIUS, and counts as if it had not come',
  'other-request': 'what came answers another request, and counts as if it had not come',
  'wrong-authenticator': 'an answer was not made with our secret, and counts as if it had not come',
  'no-message-authenticator': 'an answer without a Message-Authenticator counts as if it had not come',
};

const hints: Readonly<Record<Flaw, string>> = {
  malformed: 'check that RADIUS listens on that port',
  'other-request': 'check what stands between the gateway and the server',
  'wrong-authenticator': 'check that secret is the one that the server has for this machine',
  'no-message-authenticator':
    'have the server send one in every answer (docs/providers/radius.md); without it answers can be forged (CVE-2024-3596)',
};

function flawed(flaw: Flaw, { label }: RadiusServer): Failure {
  return new Failure('protocol-error', `${label}: ${flaws[flaw]}`, { hint: hints[flaw] });
}

function failureOf(error: unknown, { label }: RadiusServer): Failure {
  if (error instanceof Failure) return error;
  const failure = networkFailure(error, label);
  if (failure?.reason !== 'timed-out') return failure ?? radiusFailure(error, label);
  return new Failure('timed-out', failure.message, {
    hint: 'check that the server runs, and its log: it is silent to clients that it does not know, and to a wrong secret',
  });
}

/** Any error as a Failure; `where` names whom was asked. */
export function radiusFailure(error: unknown, where: string): Failure {
  if (error instanceof Failure) return error;
  const text = error instanceof Error ? error.message : String(error);
  return networkFailure(error, where) ?? new Failure('provider-broke', `${where}: ${text}`, { cause: error });
}

/** What all of them came to: the reason of the first, and the words of each. */
function together(failures: readonly Failure[]): Failure {
  const [first] = failures;
  if (!first) return new Failure('misconfigured', 'the server that asked for more is not among servers any more');
  return new Failure(first.reason, failures.map(({ message }) => message).join('; '), { hint: first.hint });
}
