/** The time that a gRPC client gives a call, in its header `grpc-timeout`. Pure. */

const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 };

/**
 * Milliseconds for a call; 0 is without end, undefined a header that is none. A route's own `limit` counts where it is shorter; 0 is
 * no limit.
 */
export function callDeadline(header: string | undefined, limit: number): number | undefined {
  if (header === undefined) return 0;
  const [, digits, unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(header.trim()) ?? [];
  const factor = units[unit];
  if (digits === undefined || factor === undefined) return undefined;
  // One that is over already still has to be said by the call's end.
  const asked = Math.max(1, Number(digits) * factor);
  return Math.min(limit > 0 ? Math.min(asked, limit) : asked, 2 ** 31 - 1);
}
