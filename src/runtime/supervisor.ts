/**
 * A gateway of several processes: this one leads. It has a gateway of its own, which takes no requests; by it the store is
 * opened, a configuration tried before the workers are asked, and operators answered for the whole machine.
 */
import { formatIssues } from '../config/report.ts';
import { OperatorError } from '../core/errors.ts';
import { refuseTaken } from '../edge/listen.ts';
import { addressesOf } from '../edge/listener-plan.ts';
import type { Document } from '../gateway/document.ts';
import { Breakers } from '../remote/breakers.ts';
import { standardOutput } from '../telemetry/standard-output.ts';
import { Host } from './host.ts';
import { machineView } from './machine-view.ts';
import type { Reading } from './reading.ts';
import { socketOf } from './standalone.ts';
import { WorkerPool, type WorkerPoolParts } from './worker-pool.ts';

/** What starts a gateway of several processes. */
interface SupervisorOptions extends Pick<WorkerPoolParts, 'count' | 'entry' | 'env' | 'file'> {
  /** Reads the configuration, with the text that it was read from. */
  readonly read: () => { readonly reading: Reading; readonly text: string | undefined };
  readonly forgetSealed: boolean;
}

/** A gateway of several processes that has started. */
type Supervised = Host<Document, WorkerPool>;

/** Starts all or nothing; throws an OperatorError that says what stands in the way. */
export function startSupervised({ read, forgetSealed, count, ...workers }: SupervisorOptions): Promise<Supervised> {
  const texts = new WeakMap<Document, { readonly text: string | undefined }>();
  const readOne = (): Document => {
    const { reading, text } = read();
    if (reading.kind !== 'ok')
      throw new OperatorError(`the configuration cannot be used\n${formatIssues(reading.issues)}`);
    texts.set(reading.document, { text });
    return reading.document;
  };
  let pool: WorkerPool | undefined;
  const breakers: Breakers = new Breakers({
    onNews: (identity) => {
      const standing = breakers.standing(identity);
      if (standing) pool?.tellStanding(standing);
    },
  });
  const isTerminal = process.stdout.isTTY === true;
  const parts = { ...workers, count, isTerminal, output: standardOutput() };
  return Host.start({
    document: readOne(),
    forgetSealed,
    part: { workers: count, breakers, isTerminal },
    read: readOne,
    admin: (document) => ({ ...document.admin, socket: socketOf(document) }),
    open: async (gateway, services) => {
      await refuseTaken(addressesOf(gateway.document));
      pool = await WorkerPool.open({ ...parts, textOf: (document) => texts.get(document)?.text }, gateway, services);
      return pool;
    },
    machine: machineView,
  });
}
