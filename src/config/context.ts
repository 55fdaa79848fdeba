/** Where a configuration is being read from: what relative paths and `env:` references resolve against. */
import { AsyncLocalStorage } from 'node:async_hooks';

/** The folder of the configuration file, and the environment of the process that reads it. */
interface ReadContext {
  readonly directory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const contexts = new AsyncLocalStorage<ReadContext>();

/** Runs a parse so that the value schemas below it resolve against `context`. */
export function withReadContext<T>(context: ReadContext, parse: () => T): T {
  return contexts.run(context, parse);
}

/** The context of the parse under way; outside of one, the working directory and an empty environment. */
export function readContext(): ReadContext {
  return contexts.getStore() ?? { directory: process.cwd(), env: {} };
}
