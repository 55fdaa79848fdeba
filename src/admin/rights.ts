/** Who may do what at the admin listener: the one table. What it does not grant is refused. */

/**
 * `operator` and `monitor` are what `admin.tokens` says; who speaks at the socket is an operator. `loopback` is a program on
 * this machine that shows no token, where none is configured; `stranger` is anybody else, who learns whether we are up.
 */
export type Role = 'stranger' | 'loopback' | 'monitor' | 'operator';

/** What there is to read or to change. */
export type Subject =
  | 'health'
  | 'metrics'
  | 'sessions'
  | 'lockouts'
  | 'offline'
  | 'providers'
  | 'records'
  | 'api-tokens'
  | 'factors'
  | 'configuration';

const everybodyKnown: readonly Role[] = ['loopback', 'monitor', 'operator'];
const operators: readonly Role[] = ['operator'];

const rights: Readonly<Record<Subject, { readonly read: readonly Role[]; readonly change: readonly Role[] }>> = {
  health: { read: everybodyKnown, change: [] },
  metrics: { read: everybodyKnown, change: [] },
  sessions: { read: everybodyKnown, change: ['loopback', 'operator'] },
  lockouts: { read: everybodyKnown, change: ['loopback', 'operator'] },
  providers: { read: everybodyKnown, change: [] },
  records: { read: everybodyKnown, change: [] },
  // A code that lets somebody in is for operators alone.
  factors: { read: ['monitor', 'operator'], change: operators },
  'api-tokens': { read: ['monitor', 'operator'], change: operators },
  offline: { read: everybodyKnown, change: ['loopback', 'operator'] },
  configuration: { read: ['monitor', 'operator'], change: operators },
};

/** Whether a role may read a subject, or change it. */
export function isGranted(role: Role, act: 'read' | 'change', subject: Subject): boolean {
  return rights[subject][act].includes(role);
}
