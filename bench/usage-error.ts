/** A command line that cannot be read. */

/** Thrown with what is wrong with it. */
export class UsageError extends Error {}
