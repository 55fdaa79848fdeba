/** How a provider is declared: its options beside the function that makes it. One folder and one line add a provider. */
import type * as z from 'zod';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Outcome } from '../core/outcome.ts';
import type { Provider } from '../core/provider.ts';
import type { Store } from '../core/store.ts';
import type { CertificateListener } from '../tls/client.ts';
import type { PasswordJudge } from '../users/password-rules.ts';

/** What the gateway hands to a provider besides its options. */
export interface ProviderContext {
  /** The name under `providers:` in the configuration; also the realm of its subjects, unless its options name one. */
  readonly name: string;
  readonly publicUrl: URL;
  readonly log: Log;
  readonly clock: Clock;
  /** Shared by all workers and nodes: for what is one-time or must be found again. */
  readonly store: Store;
  /** Judges a new password before it is set anywhere. */
  readonly passwords: PasswordJudge;
  /** To be told of the certificates that its servers show; absent where nobody counts them. */
  readonly onCertificate?: CertificateListener;
  /** Asks another configured provider for a user's directory entry; `unavailable` when it cannot be asked. */
  lookUp(provider: string, username: string, signal: AbortSignal): Promise<Outcome>;
  /** Asks another configured provider how an account stands. */
  standing(provider: string, subject: string, state: unknown, signal: AbortSignal): Promise<Outcome>;
}

/** Options that contradict one another: where it shows best, in dots, and what to do about it. */
export interface OptionProblem {
  readonly key: string;
  readonly message: string;
  readonly hint: string;
}

/** A kind of provider: the schema of its options, and what makes one of them. */
export interface ProviderDefinition<Options extends z.ZodObject = z.ZodObject> {
  readonly options: Options;
  /** False for a provider that answers from this machine: it has no circuit breaker, and is asked even after the total deadline. */
  readonly needsNetwork?: boolean;
  /** True where the browser is led elsewhere to sign in; only such a provider can be followed at once. */
  readonly isFederated?: boolean;
  /** True where users can be looked up that somebody else has authenticated: it implements `lookUp`. */
  readonly isDirectory?: boolean;
  /** What takes more than one option. Asked once, when a configuration is read; `create` relies on it. */
  checkTogether?(options: z.output<Options>): readonly OptionProblem[];
  /**
   * Reads the files that options name, for `gatehouse check`: gives what is worth a warning, and throws an OperatorError where
   * `create` would.
   */
  checkFiles?(name: string, options: z.output<Options>): readonly string[];
  /** May throw an OperatorError for what only shows when the parts are put together; must not wait for a network. */
  create(options: z.output<Options>, context: ProviderContext): Provider;
}

/** The deadline of a provider that is made without one, in milliseconds; the gateway always names one. */
export const usualTimeout = 5000;

/**
 * How much of its deadline a provider takes for its work, in milliseconds: it ends before whoever asks gives up, so that its
 * answer can say which server and which step it was.
 */
export function timeForWork(timeout: number): number {
  return timeout - Math.min(100, timeout / 20);
}

/** Declares a kind of provider. The name under which it is exported from `index.ts` is its `type:` in the configuration. */
export function defineProvider<Options extends z.ZodObject>(
  definition: ProviderDefinition<Options>,
): ProviderDefinition<Options> {
  return definition;
}
