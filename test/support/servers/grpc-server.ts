/** A gRPC server (grpc-js) with calls of each kind, which remembers the metadata that it got, and clients of it. */

import type { TestContext } from 'node:test';
import {
  type ChannelCredentials,
  Client,
  type ClientOptions,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js';

const text = (value: string): Buffer => Buffer.from(value, 'utf8');
const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Media/${path}`,
  requestStream,
  responseStream,
  requestSerialize: text,
  requestDeserialize: String,
  responseSerialize: text,
  responseDeserialize: String,
});

/** What the server knows: `say` echoes, `count` sends numbers, `collect` joins, `chat` echoes each; `fail` and `die` end badly, `wait` never ends. */
export const media: ServiceDefinition = {
  say: method('Say', false, false),
  fail: method('Fail', false, false),
  wait: method('Wait', false, false),
  count: method('Count', false, true),
  die: method('Die', false, true),
  collect: method('Collect', true, false),
  chat: method('Chat', true, true),
};

/** A running server. */
export interface GrpcServer {
  readonly port: number;
  readonly metadata: Record<string, unknown>[];
  /** Calls that their client gave up. */
  cancelled(): number;
  /** Calls that run. */
  running(): number;
  /** Ends all connections at once. */
  kill(): void;
}

interface Call {
  readonly request: string;
  readonly metadata: Metadata;
  on(event: string, listener: (value: string) => void): void;
  write(value: string): void;
  end(): void;
  sendMetadata(metadata: Metadata): void;
  readonly cancelled: boolean;
}
type Done = (error: object | null, value?: string, trailer?: Metadata) => void;

/** Starts one. */
export async function startGrpcServer(
  t: TestContext,
  credentials = ServerCredentials.createInsecure(),
): Promise<GrpcServer> {
  const server = new Server();
  const metadata: Record<string, unknown>[] = [];
  let [cancelled, running] = [0, 0];
  const note = (call: Call): void => {
    metadata.push(call.metadata.toJSON());
    running += 1;
    call.on('cancelled', () => {
      cancelled += 1;
      running -= 1;
    });
  };
  const trailer = new Metadata();
  trailer.set('x-count', '7');
  trailer.set('blob-bin', Buffer.from([0, 1, 255]));
  server.addService(media, {
    say: (call: Call, done: Done) => {
      note(call);
      running -= 1;
      done(null, `you said ${call.request}`, trailer);
    },
    fail: (call: Call, done: Done) => {
      note(call);
      running -= 1;
      done({ code: status.FAILED_PRECONDITION, details: 'näh', metadata: trailer });
    },
    wait: (call: Call) => note(call),
    count: (call: Call) => {
      note(call);
      running -= 1;
      const n = Number(call.request);
      for (let index = 0; index < n; index += 1) call.write(String(index));
      call.end();
    },
    die: (call: Call) => {
      note(call);
      call.write('first');
    },
    collect: (call: Call, done: Done) => {
      note(call);
      const got: string[] = [];
      call.on('data', (value) => got.push(value));
      call.on('end', () => {
        running -= 1;
        done(null, got.join(','));
      });
    },
    chat: (call: Call) => {
      note(call);
      call.on('data', (value) => call.write(`echo ${value}`));
      call.on('end', () => {
        running -= 1;
        call.end();
      });
    },
  } as never);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  t.after(() => server.forceShutdown());
  return { port, metadata, cancelled: () => cancelled, running: () => running, kill: () => server.forceShutdown() };
}

/** How a call ended. */
export interface CallEnd {
  readonly code: number;
  readonly details: string;
  readonly values: readonly string[];
  readonly trailers: Record<string, unknown>;
}

/** A client of the service. */
export interface GrpcClient {
  unary(
    name: string,
    value: string,
    options?: { readonly deadline?: number; readonly metadata?: Readonly<Record<string, string>> },
  ): Promise<CallEnd>;
  /** All values of a stream from the server. */
  stream(name: string, value: string, onValue?: (value: string, cancel: () => void) => void): Promise<CallEnd>;
  /** Sends values one after the other, each when the answer to the one before has come where the server answers each. */
  duplex(name: string, values: readonly string[]): Promise<CallEnd>;
}

/** Makes one. */
export function grpcClient(
  t: TestContext,
  address: string,
  credentials: ChannelCredentials,
  options: ClientOptions = {},
): GrpcClient {
  const client = new Client(address, credentials, options);
  t.after(() => client.close());
  const of = (name: string) => media[name] ?? fail(name);
  const metadataOf = (given: Readonly<Record<string, string>> = {}): Metadata => {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(given))
      metadata.set(key, key.endsWith('-bin') ? Buffer.from(value) : value);
    return metadata;
  };
  const end = (call: NodeJS.EventEmitter, values: string[]): Promise<CallEnd> =>
    new Promise((resolve) => {
      call.on('error', () => undefined);
      call.once('status', (found: { code: number; details: string; metadata: Metadata }) =>
        resolve({ code: found.code, details: found.details, values, trailers: found.metadata.toJSON() }),
      );
    });
  return {
    unary: (name, value, { deadline, metadata } = {}) => {
      const { path, requestSerialize, responseDeserialize } = of(name);
      const values: string[] = [];
      const call = client.makeUnaryRequest(
        path,
        requestSerialize as never,
        responseDeserialize as never,
        value,
        metadataOf(metadata),
        deadline === undefined ? {} : { deadline: Date.now() + deadline },
        (_error, answer?: string) => {
          if (answer !== undefined) values.push(answer);
        },
      );
      return end(call, values);
    },
    stream: (name, value, onValue) => {
      const { path, requestSerialize, responseDeserialize } = of(name);
      const values: string[] = [];
      const call = client.makeServerStreamRequest(path, requestSerialize as never, responseDeserialize as never, value);
      call.on('data', (one: string) => {
        values.push(one);
        onValue?.(one, () => call.cancel());
      });
      return end(call, values);
    },
    duplex: (name, values) => {
      const { path, requestSerialize, responseDeserialize } = of(name);
      const got: string[] = [];
      const call = client.makeBidiStreamRequest<string, string>(
        path,
        requestSerialize as never,
        responseDeserialize as never,
      );
      const left = [...values];
      const next = (): void => {
        const value = left.shift();
        if (value === undefined) call.end();
        else call.write(value);
      };
      call.on('data', (one: string) => {
        got.push(one);
        next();
      });
      next();
      return end(call, got);
    },
  };
}

function fail(name: string): never {
  throw new Error(`there is no call ${name}`);
}
