/** A worker: the life of `host.ts` behind listeners that it shares with others, led over the pipe to the process that made it. */
import { formatIssues } from '../config/report.ts';
import { OperatorError } from '../core/errors.ts';
import type { Document } from '../gateway/document.ts';
import { Breakers } from '../remote/breakers.ts';
import { abandonOutput } from '../telemetry/standard-output.ts';
import { GatewayFront } from './gateway-front.ts';
import { Host, type PreparedReload } from './host.ts';
import type { Reading } from './reading.ts';
import type { ConfigurationText, FromWorker, Question, ToWorker, WorkerFault, WorkerStart } from './worker-messages.ts';

/** Reads a configuration of which the text is known. */
type ReadText = (file: string, text: ConfigurationText) => Reading;

/** Runs this process as a worker until it is told to end, or nobody leads it any more. */
export function runWorker(read: ReadText): void {
  let life: WorkerLife | undefined;
  const end = (): void => {
    if (life) void life.end();
    else process.exit(1);
  };
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'start') {
      process.title = `gatehouse worker ${message.start.worker}`;
      life = new WorkerLife(message.start, read);
      return void life.begin();
    }
    if (message.kind === 'drain') return end();
    life?.hear(message);
  });
  // Nobody would start another in its place, nor tell it of anything, nor read what it says.
  process.once('disconnect', () => {
    abandonOutput();
    end();
  });
  // A service manager may tell every process; a terminal does, and the process that leads says what is to be done.
  process.on('SIGTERM', end);
  process.on('SIGINT', () => undefined);
  process.on('SIGHUP', () => undefined);
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}

class WorkerLife {
  readonly #start: WorkerStart;
  readonly #read: ReadText;
  readonly #breakers: Breakers;
  /** How much has been said of each breaker. */
  readonly #said = new Map<string, number>();
  #ticketSecret: Buffer;
  #host: Host<Document, GatewayFront> | undefined;
  #prepared: PreparedReload | undefined;
  #ended: Promise<void> | undefined;

  constructor(start: WorkerStart, read: ReadText) {
    this.#start = start;
    this.#read = read;
    this.#ticketSecret = Buffer.from(start.ticketSecret);
    this.#breakers = new Breakers({
      led: start.breakers,
      onNews: (identity, news) => {
        const said = (this.#said.get(identity) ?? 0) + 1;
        this.#said.set(identity, said);
        tell({ kind: 'breaker', identity, news, said });
      },
    });
  }

  async begin(): Promise<void> {
    const { worker, workers, places, isTerminal, text } = this.#start;
    try {
      const document = this.#documentOf(text);
      this.#host = await Host.start({
        document,
        part: { worker, workers, isTerminal, breakers: this.#breakers },
        // Another is read when the process that leads says which.
        read: () => document,
        admin: () => undefined,
        open: (gateway, services) =>
          GatewayFront.open(gateway, services, {
            places,
            ticketSecret: this.#ticketSecret,
          }),
      });
      this.#host.front.useTicketSecret(this.#ticketSecret);
      tell({ kind: 'ready', places: this.#host.front.places });
    } catch (error) {
      tell({ kind: 'failed', fault: faultOf(error) });
      if (process.connected) process.disconnect();
      process.exitCode = 1;
    }
  }

  hear(message: Exclude<ToWorker, { kind: 'start' | 'drain' }>): void {
    switch (message.kind) {
      case 'question':
        void this.#answer(message.question).then(
          (answer) => tell({ kind: 'answer', id: message.id, answer }),
          (error: unknown) => tell({ kind: 'refusal', id: message.id, fault: faultOf(error) }),
        );
        break;
      case 'standing': {
        // What it does not speak of yet is on its way, and another word comes after it.
        const { standing, heard } = message;
        if (heard === (this.#said.get(standing.identity) ?? 0)) this.#breakers.adopt(standing);
        break;
      }
      case 'tickets':
        this.#ticketSecret = Buffer.from(message.secret);
        this.#host?.front.useTicketSecret(this.#ticketSecret);
        break;
      default:
        message satisfies never;
    }
  }

  /** Lets requests under way finish, and ends the process. */
  end(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    await this.#prepared?.drop();
    await this.#host?.stop();
    // What was written goes out as the process ends.
    process.exit(this.#host ? 0 : 1);
  }

  async #answer(question: Question): Promise<unknown> {
    const host = this.#host;
    if (!host) throw new OperatorError('the worker has not begun yet');
    switch (question.asked) {
      case 'prepare':
        await this.#prepared?.drop();
        this.#prepared = undefined;
        this.#prepared = await host.prepareReload(() => this.#documentOf(question.text));
        host.log.debug({}, 'a configuration is ready, and waits for the other workers');
        return undefined;
      case 'take': {
        const prepared = this.#prepared;
        if (!prepared) throw new OperatorError('no configuration is ready');
        this.#prepared = undefined;
        await prepared.take();
        return undefined;
      }
      case 'drop': {
        const prepared = this.#prepared;
        this.#prepared = undefined;
        await prepared?.drop();
        return undefined;
      }
      case 'metrics':
        return host.services.metrics.snapshot({ counts: false });
      case 'figures':
        return host.services.figures.known();
      case 'lines':
        return [...host.services.recent[question.of].newest()];
      case 'live':
        return question.sessions.map((id) => host.services.connections.count(id));
      default:
        return question satisfies never;
    }
  }

  #documentOf(text: ConfigurationText): Document {
    const reading = this.#read(this.#start.file, text);
    if (reading.kind === 'ok') return reading.document;
    throw new OperatorError(`the configuration cannot be used\n${formatIssues(reading.issues)}`);
  }
}

function faultOf(error: unknown): WorkerFault {
  const message = error instanceof Error ? error.message : String(error);
  return { message, hint: error instanceof OperatorError ? error.hint : undefined };
}
