/** Who a request comes from, as the ways of telling it say: `authenticate-request.ts`, `token-access.ts`. */
import type { ErrorCode } from '../core/errors.ts';
import type { Offer } from '../core/outcome.ts';
import type { Principal } from '../core/principal.ts';
import type { Reason } from '../core/reason.ts';
import type { Session } from '../core/session.ts';
import type { ShownCredential } from '../core/shown-credential.ts';
import type { StepResult } from './step-result.ts';

/** Who a request comes from. */
export type Identity =
  | {
      readonly kind: 'somebody';
      readonly principal: Principal;
      readonly session?: Session;
      /** Headers for the answer, whichever that is. */
      readonly reply: Readonly<Record<string, string | readonly string[]>>;
      /** What the request was let in by, where it can be asked whether that still holds. */
      readonly credential?: ShownCredential;
      /** Begins a session on the request's own proof: only where the request is let through, or each refusal would begin one. */
      readonly begin?: () => Promise<Somebody>;
      /** True: a session has begun in a browser in which somebody else has signed in before. */
      readonly replacesAnother?: boolean;
    }
  | {
      readonly kind: 'nobody';
      readonly offers: readonly Offer[];
      readonly reason: Reason;
      /** It has shown what only programs have: no page will help it. */
      readonly isProgram?: true;
    }
  /** A proof of the request itself is right, and the login of its user takes more. */
  | {
      readonly kind: 'unfinished';
      readonly principal: Principal;
      readonly reason: Reason;
      /** Headers for the answer, such as the token of a mutual authentication. */
      readonly reply: Readonly<Record<string, string | readonly string[]>>;
      /** Begins that login: for a page load alone. */
      readonly begin: () => Promise<StepResult>;
    }
  /** Whoever it is, not in this way: an API token out of its place, a locked address. */
  | {
      readonly kind: 'refused';
      readonly code: ErrorCode;
      readonly reason: Reason;
      readonly detail: string;
      readonly principal?: Principal;
      /** Seconds. */
      readonly retryAfter?: number;
    }
  | { readonly kind: 'unavailable'; readonly reason: Reason };

/** An identity that is somebody. */
export type Somebody = Extract<Identity, { kind: 'somebody' }>;
