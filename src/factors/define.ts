/** How a factor is declared: its options beside the function that makes it. One folder and one line add a kind. */
import type * as z from 'zod';
import type { Account } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { Factor } from '../core/factor.ts';
import type { Log } from '../core/log.ts';
import type { Amr } from '../core/principal.ts';
import type { Proof } from '../core/proof.ts';
import type { Reason } from '../core/reason.ts';
import type { Sealer } from '../core/seal.ts';
import type { Store } from '../core/store.ts';
import type { Mailer } from '../messages/mailer.ts';
import type { SendLimit, Sends } from './sends.ts';

/** What the gateway hands to a factor besides its options. */
export interface FactorContext {
  /** The name under `factors:` in the configuration. */
  readonly name: string;
  /** What users call the site. */
  readonly siteName: string;
  readonly publicUrl: URL;
  readonly log: Log;
  readonly clock: Clock;
  /** Shared by all workers and nodes: for what is one-time or counts. */
  readonly store: Store;
  /** Makes keys for digests of what must not be read in the store. */
  readonly sealer: Sealer;
  /** Absent where no mails are sent. */
  readonly mailer?: Mailer | undefined;
  /** Counts what is sent. */
  readonly sends: Sends;
  readonly sendRules: SendRules;
  /** Is told what became of each code that was to be sent. */
  readonly onSend: (report: SendReport) => void;
}

/** What became of a code that was to be sent: `refused` where it was one too many. */
export interface SendReport {
  readonly account: Account;
  readonly outcome: 'sent' | 'failed' | 'refused';
  readonly reason?: Reason;
  /** Of the client that asked for it. */
  readonly address: string;
}

/** How often codes may be sent; times in milliseconds. */
interface SendRules {
  /** Between two codes to one account. */
  readonly wait: number;
  readonly account: SendLimit;
  readonly contact: SendLimit;
  readonly address: SendLimit;
}

/** What of a site concerns the options of its factors. */
interface FactorSite {
  readonly publicUrl: URL;
  /** Whether `messages.mail` is configured. */
  readonly sendsMail: boolean;
}

/** Options that contradict one another: where it shows best, in dots, and what to do about it. */
interface OptionProblem {
  readonly key: string;
  readonly message: string;
  readonly hint: string;
}

/** A kind of factor: the schema of its options, and what makes one of them. */
export interface FactorDefinition<Options extends z.ZodObject = z.ZodObject> {
  readonly options: Options;
  /** What it makes of a first proof: 3 for WebAuthn alone. */
  readonly gives: 2 | 3;
  /** What takes more than one option, or the address of the site. Asked once, when a configuration is read; `create` relies on it. */
  checkTogether?(options: z.output<Options>, site: FactorSite): readonly OptionProblem[];
  /** May throw an OperatorError for what only shows when the parts are put together; must not wait for a network. */
  create(options: z.output<Options>, context: FactorContext): Factor;
}

/** Declares a kind of factor. The name under which it is exported from `index.ts` is its `type:` in the configuration. */
export function defineFactor<Options extends z.ZodObject>(
  definition: FactorDefinition<Options>,
): FactorDefinition<Options> {
  return definition;
}

/** That an account has proved itself by a factor at this moment. */
export function secondProof(
  { name, clock }: Pick<FactorContext, 'name' | 'clock'>,
  account: Account,
  amr: readonly Amr[],
): Proof {
  return { step: 'second', by: name, realm: account.tenant, amr, at: clock.now() };
}
