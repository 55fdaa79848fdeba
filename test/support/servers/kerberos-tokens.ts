/** The program that makes the tokens that a browser would send, `kerberos-client.ts`; one serves many users. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { endServer } from './server-process.ts';

/** Whose token is made, and for what. */
export interface TokenOrder {
  readonly principal: string;
  /** The user's key; the client signs in by it when the cache holds no ticket yet. */
  readonly keytab: string;
  readonly cache: string;
  readonly service: string;
  readonly mutual: boolean;
  readonly bare: boolean;
}

/** Starts the program with the first order. */
export class TokenMaker {
  readonly #krb5Config: string;
  readonly #waiting: ((line: string) => void)[] = [];
  #client: ChildProcess | undefined;

  constructor(krb5Config: string) {
    this.#krb5Config = krb5Config;
  }

  /** The base64 of a fresh token. */
  async make(order: TokenOrder): Promise<string> {
    this.#client ??= this.#start();
    const answer = new Promise<string>((resolve) => this.#waiting.push(resolve));
    this.#client.stdin?.write(`${JSON.stringify(order)}\n`);
    const { token, error } = JSON.parse(await answer) as { token?: string; error?: string };
    if (token === undefined) throw new Error(`no token for ${order.principal}: ${error}`);
    return token;
  }

  async close(): Promise<void> {
    if (this.#client) await endServer(this.#client);
  }

  #start(): ChildProcess {
    const program = join(import.meta.dirname, '../tools/kerberos-client.ts');
    const env = { PATH: process.env.PATH, KRB5_CONFIG: this.#krb5Config };
    const client = spawn(process.execPath, [program], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: client.stdout });
    lines.on('line', (line) => this.#waiting.shift()?.(line));
    lines.on('close', () => {
      for (const resolve of this.#waiting.splice(0)) resolve('{"error":"the client ended"}');
    });
    return client;
  }
}
