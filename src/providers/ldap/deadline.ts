/** Time limits that end the work itself: a share of what is left, as a signal that sockets listen to. */

/** A limit and how long it is until then. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Milliseconds left, never below zero. */
  remaining(): number;
}

/** The time is up. */
export class DeadlineError extends Error {
  constructor(milliseconds: number) {
    super(`no answer within ${Math.round(milliseconds)} ms`);
    this.name = 'DeadlineError';
  }
}

/** Runs `work` with a deadline of its own below `parent`; its timer and its listener end with it. */
export async function withDeadline<T>(
  parent: AbortSignal,
  milliseconds: number,
  work: (deadline: Deadline) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const end = performance.now() + milliseconds;
  const timer = setTimeout(() => controller.abort(new DeadlineError(milliseconds)), milliseconds);
  const onAbort = () => controller.abort(parent.reason);
  if (parent.aborted) onAbort();
  else parent.addEventListener('abort', onAbort, { once: true });
  try {
    return await work({ signal: controller.signal, remaining: () => Math.max(0, end - performance.now()) });
  } finally {
    clearTimeout(timer);
    parent.removeEventListener('abort', onAbort);
  }
}

/** The result of `work`, or the signal's reason as soon as it aborts; `onAbort` is what ends the work. */
export async function abortable<T>(signal: AbortSignal, work: () => Promise<T>, onAbort: () => void): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const listener = () => {
    reject(signal.reason);
    onAbort();
  };
  signal.addEventListener('abort', listener, { once: true });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener('abort', listener);
  }
}
