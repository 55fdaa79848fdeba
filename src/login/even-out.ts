/** The time that failed logins take: it says nothing of who was named, or of what was asked. */

/** Failed logins are answered at multiples of this many milliseconds. */
const failureStep = 500;

/** Waits until the next step, unless nobody waits for the answer any more. */
export async function evenOut(startedAt: number, signal: AbortSignal): Promise<void> {
  const elapsed = performance.now() - startedAt;
  const wait = Math.ceil(elapsed / failureStep) * failureStep - elapsed;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, wait);
    const stop = (): void => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener('abort', stop, { once: true });
  });
}
