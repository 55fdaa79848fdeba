/** Values that are there at once where they can be: only what has to wait is a promise. */

/** A value that is there at once where it can be: look for a promise before awaiting, lest it cost a turn. */
export type MaybePromise<Value> = Value | Promise<Value>;

/** What follows from a value: at once where that is there, or after the promise. What `next` throws, it throws likewise. */
export function andThen<Value, Result>(
  value: MaybePromise<Value>,
  next: (value: Value) => MaybePromise<Result>,
): MaybePromise<Result> {
  return value instanceof Promise ? value.then(next) : next(value);
}
