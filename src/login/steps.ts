/** Which step of a login is next: a table over what is known of it. Nothing else decides that, and no step leads to another. */

/** What is known of a login under way. */
export interface StepFacts {
  /** The provider has asked for one more answer. */
  readonly awaitsProvider: boolean;
  /** How many tenants the user may be of. */
  readonly tenants: 'one' | 'several' | 'none';
  /** The proofs come up to what is asked for. */
  readonly isEnough: boolean;
  /** The factors that can be asked for, in the order of the configuration. */
  readonly candidates: readonly string[];
  /** The one whose challenge is on show. */
  readonly asked?: string | undefined;
  /** The factors that the account may set up now. */
  readonly enrollable: readonly string[];
  /** The one whose setup is on show. */
  readonly enrolling?: string | undefined;
  /** Setting up waits for a first proof that is young enough. */
  readonly needsFreshProof: boolean;
  /** The first factor of the account takes a code that is not there yet. */
  readonly needsCode: boolean;
  /** Some factor could be set up that would do, but not by this account, or not from here. */
  readonly isEnrolmentClosed: boolean;
  /** What an account gets that has nothing, and that nothing is known to reach its user by, as the operator has said. */
  readonly withoutContact?: 'help' | 'refuse' | 'insecure-allow' | undefined;
  /** A factor that stands in for others, to be set up beside the first one of an account. */
  readonly spare?: string | undefined;
  /** The password was right and has to change. */
  readonly mustChangePassword: boolean;
}

/** One step of a login. */
export type Step =
  | { readonly kind: 'provider' }
  | { readonly kind: 'tenant' }
  | {
      readonly kind: 'refused';
      readonly reason: 'tenant-missing' | 'factor-missing' | 'enrolment-closed' | 'contact-missing';
      /** The page says whom to ask. */
      readonly isHelped?: true;
    }
  /** The user picks one. */
  | { readonly kind: 'choose'; readonly factors: readonly string[] }
  /** The only one: it is asked for at once. */
  | { readonly kind: 'ask'; readonly factor: string }
  /** The challenge on show waits for its answer. */
  | { readonly kind: 'answer'; readonly factor: string; readonly hasOthers: boolean }
  /** The user proves first who they are once more. */
  | { readonly kind: 'confirm' }
  /** Who sets up the first factor gives the code for that. */
  | { readonly kind: 'enrolment-code' }
  | { readonly kind: 'choose-enrolment'; readonly factors: readonly string[] }
  | { readonly kind: 'begin-enrolment'; readonly factor: string }
  | { readonly kind: 'enrol'; readonly factor: string; readonly hasOthers: boolean }
  | { readonly kind: 'new-password'; readonly isLower?: true }
  /** `isLower`: below the level that is asked for, as the operator allows. */
  | { readonly kind: 'admit'; readonly isLower?: true };

/** The next step; the first row that fits counts. */
export function nextStep(facts: StepFacts): Step {
  const { candidates, asked, enrollable, enrolling } = facts;
  if (facts.awaitsProvider) return { kind: 'provider' };
  if (facts.tenants === 'none') return { kind: 'refused', reason: 'tenant-missing' };
  if (facts.tenants === 'several') return { kind: 'tenant' };
  // A leaked password that has to change changes nothing before the factors.
  if (facts.isEnough) return facts.spare === undefined ? lastStep(facts) : spareStep(facts, facts.spare);
  const [candidate, ...others] = candidates;
  if (asked !== undefined && candidates.includes(asked)) {
    const hasOthers = candidates.length > 1;
    return { kind: 'answer', factor: asked, hasOthers };
  }
  if (candidate !== undefined)
    return others.length === 0 ? { kind: 'ask', factor: candidate } : { kind: 'choose', factors: candidates };
  const [first, ...more] = enrollable;
  if (first === undefined && facts.withoutContact !== undefined) return stepWithout(facts.withoutContact, facts);
  if (first === undefined)
    return { kind: 'refused', reason: facts.isEnrolmentClosed ? 'enrolment-closed' : 'factor-missing' };
  if (facts.needsFreshProof) return { kind: 'confirm' };
  if (facts.needsCode) return { kind: 'enrolment-code' };
  if (enrolling !== undefined && enrollable.includes(enrolling)) {
    const hasOthers = more.length > 0;
    return { kind: 'enrol', factor: enrolling, hasOthers };
  }
  return more.length === 0
    ? { kind: 'begin-enrolment', factor: first }
    : { kind: 'choose-enrolment', factors: enrollable };
}

function stepWithout(behaviour: NonNullable<StepFacts['withoutContact']>, facts: StepFacts): Step {
  if (behaviour === 'insecure-allow') return { ...lastStep(facts), isLower: true };
  return { kind: 'refused', reason: 'contact-missing', ...(behaviour === 'help' && { isHelped: true }) };
}

function lastStep({ mustChangePassword }: StepFacts): Extract<Step, { kind: 'new-password' | 'admit' }> {
  return { kind: mustChangePassword ? 'new-password' : 'admit' };
}

function spareStep({ enrolling, needsCode }: StepFacts, factor: string): Step {
  if (needsCode) return { kind: 'enrolment-code' };
  return enrolling === factor ? { kind: 'enrol', factor, hasOthers: false } : { kind: 'begin-enrolment', factor };
}
