/** Why something was refused or failed: one closed list of codes for audit records, metrics and tests. */

/** Who should have said whether somebody may come in cannot tell: no word on the user, and a matter of time or of the operator. */
const outages = [
  'timed-out',
  'unreachable',
  'tls-failed',
  'breaker-open',
  'misconfigured',
  'protocol-error',
  'provider-broke',
  'overloaded',
] as const;

/** Every reason code; the audit, the metrics and the docs' troubleshooting tables use these words and no others. */
export const reasons = [
  // A provider rejects: it knows the user and does not authenticate them.
  'bad-password',
  'account-locked',
  'account-disabled',
  'account-expired',
  'password-expired',
  'password-must-change',
  'password-refused',
  'logon-not-permitted',
  'user-reserved',
  'too-many-failures',
  'ticket-replayed',
  'ticket-rejected',
  'clock-skew',
  'wrong-key',
  'realm-not-allowed',
  'token-rejected',
  'claim-missing',
  'not-in-directory',
  'login-denied',
  // An API token does not do, or a password that came with a request.
  'token-expired',
  'token-revoked',
  'token-not-here',
  'token-in-address',
  'insecure-transport',
  // A provider is unavailable.
  ...outages,
  'client-gone',
  // A second factor was not proved, or cannot be.
  'factor-missing',
  'code-wrong',
  'code-expired',
  'code-replayed',
  'factor-locked',
  'too-many-sends',
  'send-failed',
  'budget-spent',
  'contact-missing',
  'enrolment-closed',
  'enrolment-unfinished',
  'key-foreign',
  'key-counter',
  'user-not-verified',
  'pass-spent',
  'pass-not-allowed',
  'step-foreign',
  // Whose user it is cannot be told, or nobody else may come in; a password that is chosen here does not do.
  'tenant-missing',
  'tenant-ambiguous',
  'external-off',
  'password-weak',
  // A login flow cannot go on.
  'cookie-missing',
  'flow-expired',
  'flow-foreign',
  'flow-loop',
  'unknown-user',
  // Policy denies or asks for more.
  'location-closed',
  'role-missing',
  'provider-not-admitted',
  'network-not-admitted',
  'too-old',
  'level-too-low',
  'tenant-mismatch',
  'privilege-missing',
  'policy-broke',
  // A machine's certificate does not do.
  'peer-certificate-missing',
  'peer-unknown',
  'peer-not-admitted',
  'peer-expired',
  'peer-use',
  'peer-revoked',
  'peer-list-stale',
  // A machine does not show the secret of a service.
  'secret-missing',
  'secret-wrong',
  // The gateway refuses a request.
  'misdirected',
  'ambiguous-target',
  'ambiguous-host',
  'ambiguous-header',
  'host-unknown',
  'no-route',
  'login-required',
  'origin-mismatch',
  'upgrade-refused',
  'method-not-allowed',
  'untrusted-peer',
  'request-too-large',
  'request-too-slow',
  'answer-not-taken',
  'draining',
  'store-away',
  'internal-error',
  // The upstream fails.
  'upstream-unreachable',
  'upstream-timed-out',
  'upstream-broke',
  'upstream-pin-mismatch',
  // A session ends.
  'signed-out',
  'revoked',
  'idle',
  'lifetime',
  'offline-over',
  'provider-gone',
  'rotated',
  'back-channel',
  'single-logout',
  'factor-reset',
  'tenant-changed',
] as const;

/** A reason code. */
export type Reason = (typeof reasons)[number];

/** A reason as a stored record has it: the word of a newer worker is kept as it is, since nothing rests on knowing them all. */
export function storedReason(word: string): Reason {
  return word as Reason;
}

/** Whether somebody is known and cannot come in since nobody can tell of which tenant they are. */
export function isOfNoTenant(reason: Reason): reason is 'tenant-missing' | 'tenant-ambiguous' {
  return reason === 'tenant-missing' || reason === 'tenant-ambiguous';
}

/** Whether a reason says that somebody could not be asked. */
export function isOutage(reason: Reason): boolean {
  return (outages as readonly Reason[]).includes(reason);
}
