/** What answers come to for a login, once attempts are counted and what is one-time is taken. */
import type { Enrolment, EnrolOutcome, FactorBehaviour } from '../core/factor.ts';
import type { Proof } from '../core/proof.ts';
import type { Reason } from '../core/reason.ts';

/** What an answer comes to for a login. */
export type Judged =
  | { readonly kind: 'verified'; readonly proof: Proof }
  | {
      readonly kind: 'rejected';
      readonly reason: Reason;
      readonly state?: unknown;
      readonly next?: FactorBehaviour;
    }
  /** Nothing was compared; `retryAfter` in milliseconds, absent where only an operator releases. */
  | { readonly kind: 'locked'; readonly retryAfter?: number }
  | { readonly kind: 'unavailable'; readonly reason: Reason };

/** What the first answer to a setup comes to for a login. */
export type Enrolled =
  | { readonly kind: 'enrolled'; readonly proof?: Proof | undefined; readonly enrolment: Enrolment }
  /** Somebody has enrolled something else for the account meanwhile. */
  | { readonly kind: 'overtaken' }
  | Exclude<EnrolOutcome, { kind: 'enrolled' }>
  | Extract<Judged, { kind: 'locked' }>;
