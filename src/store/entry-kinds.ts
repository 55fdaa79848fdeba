/** The kinds of entries that a store has: what of them is secret, and what of them a backup brings back. */

/** What is known of a kind. */
interface EntryKind {
  /** Sealed from the first sign to the last, or the one member of a session's record that its provider keeps. */
  readonly secret?: 'whole' | 'state';
  /** Used up by being taken: after a failover, which may have lost that, one from before it is refused. */
  readonly isOneTime?: true;
  /**
   * Whether a restore brings it back: never what is one-time, remembered or counts, of which the present store knows better;
   * sessions and logins under way at the operator's wish only, since a backup knows nothing of what has ended since. What is
   * removed is there neither from the backup nor from before.
   */
  readonly restored: 'always' | 'with-sessions' | 'never' | 'removed';
  /** As an operator calls several of them. */
  readonly label: string;
}

/** Every kind by the first word of its keys. One that does not stand here is not brought back. */
export const entryKinds: Readonly<Record<string, EntryKind>> = {
  session: { secret: 'state', restored: 'with-sessions', label: 'sessions' },
  'session-user': { restored: 'with-sessions', label: 'entries of the index of users' },
  'session-handle': { restored: 'with-sessions', label: 'entries of the index of handles' },
  'session-token': { restored: 'with-sessions', label: 'tokens of further hosts' },
  handover: { secret: 'whole', isOneTime: true, restored: 'never', label: 'ways to further hosts' },
  'handover-code': { secret: 'whole', isOneTime: true, restored: 'never', label: 'codes of further hosts' },
  flow: { secret: 'whole', isOneTime: true, restored: 'with-sessions', label: 'logins under way' },
  'flow-turns': { restored: 'never', label: 'counts of turns' },
  'proved-password': { secret: 'whole', isOneTime: true, restored: 'never', label: 'proved passwords' },
  'provider-challenge': { secret: 'whole', isOneTime: true, restored: 'never', label: 'questions of providers' },
  'kept-post': { secret: 'whole', isOneTime: true, restored: 'with-sessions', label: 'saved forms' },
  'refresh-lease': { restored: 'never', label: 'leases' },
  'refresh-refusals': { restored: 'never', label: 'counts of refusals' },
  offline: { secret: 'whole', restored: 'never', label: 'offline verifiers' },
  'offline-name': { restored: 'never', label: 'names of offline verifiers' },
  'offline-return': { restored: 'never', label: 'marks of offline sessions' },
  'offline-lease': { restored: 'never', label: 'leases of the return' },
  recheck: { restored: 'never', label: 'rechecks' },
  'cas-ticket': { restored: 'never', label: 'used tickets' },
  'oidc-logout': { restored: 'never', label: 'used logout tokens' },
  'lockout-user': { restored: 'never', label: 'lock-outs of names' },
  'lockout-account': { restored: 'never', label: 'lock-outs of accounts' },
  'lockout-address': { restored: 'never', label: 'lock-outs of addresses' },
  'recent-secret': { restored: 'never', label: 'digests of wrong secrets' },
  'assertion-key': { secret: 'whole', restored: 'always', label: 'sets of assertion keys' },
  'form-key': { secret: 'whole', restored: 'always', label: 'form keys' },
  pending: { secret: 'whole', isOneTime: true, restored: 'never', label: 'logins between their steps' },
  // What the account has is what it had; codes that were used since are old by now.
  factor: { secret: 'whole', restored: 'always', label: 'enrolments of factors' },
  'factor-state': { restored: 'never', label: 'counts of wrong codes' },
  'account-cut': { restored: 'never', label: 'cuts of accounts' },
  // An operator is told which come back; one that the present store knows as ended does not.
  'api-token': { restored: 'always', label: 'API tokens' },
  'api-token-key': { secret: 'whole', restored: 'always', label: 'keys of API tokens' },
  'api-token-user': { restored: 'never', label: 'users of API tokens' },
  'api-token-use': { restored: 'never', label: 'uses of API tokens' },
  'cookie-names': { restored: 'always', label: 'lists of bound cookies' },
  'store-lease': { restored: 'never', label: 'leases of the store' },
  'store-seal': { restored: 'never', label: 'marks of the sealing' },
  recovery: { restored: 'never', label: 'recovery codes' },
  pass: { restored: 'never', label: 'passes' },
  'enrolment-code': { restored: 'never', label: 'enrolment codes' },
  // What was set up since the backup is gone, and the gateway is to see that.
  'enrolment-mark': { restored: 'removed', label: 'marks of the enrolments' },
  known: { restored: 'never', label: 'remembered browsers of accounts' },
  'known-browser': { restored: 'never', label: 'remembered browsers' },
  credential: { restored: 'always', label: 'marks of whose a security key is' },
  'challenge-used': { restored: 'never', label: 'used challenges of keys' },
  'sent-code-used': { restored: 'never', label: 'used codes' },
  'transaction-used': { restored: 'never', label: 'used transactions of verification services' },
  sends: { restored: 'never', label: 'counts of sent codes' },
  health: { restored: 'never', label: 'probes' },
};

/** The kind of a key. */
export function kindOf(key: string): string {
  return key.slice(0, key.indexOf(':'));
}
