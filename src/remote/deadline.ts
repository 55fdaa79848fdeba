/** Time limits that end the work itself, and waiting for work that others wait for too. */

/** A limit and how long it is until then. */
export interface Deadline {
  /** Aborts when the time is up, with a DeadlineError, or when whoever asked has gone. */
  readonly signal: AbortSignal;
  /** Milliseconds left, never below zero. */
  remaining(): number;
}

/** The time is up; the same kind of error as `AbortSignal.timeout` gives, so that libraries take it for what it is. */
export class DeadlineError extends DOMException {
  constructor(milliseconds: number) {
    super(`no answer within ${Math.round(milliseconds)} ms`, 'TimeoutError');
  }
}

/**
 * Runs `work` with a limit of its own below `parent`. Rejects at the limit, or when `parent` aborts, also where the work pays no
 * heed to its signal. An infinite limit is none. Timer and listener end with it.
 */
export async function withDeadline<T>(
  parent: AbortSignal | undefined,
  milliseconds: number,
  work: (deadline: Deadline) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const end = performance.now() + milliseconds;
  const timer = Number.isFinite(milliseconds)
    ? setTimeout(() => controller.abort(new DeadlineError(milliseconds)), milliseconds)
    : undefined;
  const onAbort = (): void => controller.abort(parent?.reason);
  if (parent?.aborted) onAbort();
  else parent?.addEventListener('abort', onAbort, { once: true });
  const { signal } = controller;
  try {
    return await abortable(signal, () => work({ signal, remaining: () => Math.max(0, end - performance.now()) }));
  } finally {
    clearTimeout(timer);
    parent?.removeEventListener('abort', onAbort);
  }
}

/**
 * Runs work that pays heed to its signal, which aborts at the limit too, and leaves it to the work to say what it was at then.
 * What is begun within the limit may go on under the signal afterwards.
 */
export async function untilLimit<T>(
  parent: AbortSignal,
  milliseconds: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new DeadlineError(milliseconds)), milliseconds);
  try {
    return await work(AbortSignal.any([parent, late.signal]));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The result of `work`, or the signal's reason as soon as it aborts. The work goes on unless `onAbort` ends it; work that is
 * shared is never ended, since others wait for it too.
 */
export async function abortable<T>(signal: AbortSignal, work: () => Promise<T>, onAbort?: () => void): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const listener = (): void => {
    reject(signal.reason);
    onAbort?.();
  };
  signal.addEventListener('abort', listener, { once: true });
  try {
    const result = work();
    // Who leaves does not hear of a failure; it is no unhandled one for that.
    result.catch(() => undefined);
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener('abort', listener);
  }
}

/** Whether an error says that the time was up, or that whoever asked has gone. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError');
}
