/** What is known of a login under way, for the table of its steps. */
import type { Account } from '../core/account.ts';
import type { Clock } from '../core/clock.ts';
import type { AskTerms } from '../core/factor.ts';
import { freshAt, type Proof, withProof } from '../core/proof.ts';
import { accountOf } from '../core/session.ts';
import type { AccountEnrolments } from '../factors/enrolments.ts';
import type { ConfiguredFactor, Factors } from '../factors/factors.ts';
import type { EnrolmentOpening } from '../factors/opening.ts';
import type { FactorRules } from '../factors/options.ts';
import { type Demand, shortfall, type Worth } from '../policy/levels.ts';
import { rememberedName } from '../policy/worth.ts';
import { isInAny } from '../routing/networks.ts';
import type { PendingLogin } from '../sessions/pending.ts';
import type { Vouched } from '../sessions/stored-session.ts';
import type { LoginDoor } from './admit.ts';
import type { StepContext } from './step-result.ts';
import type { StepFacts } from './steps.ts';

/** What facts follow from, beside the login. */
export interface FactParts {
  readonly factors: Factors;
  readonly rules: FactorRules;
  readonly worth: Worth;
  readonly clock: Clock;
  readonly door: LoginDoor;
  readonly opening: EnrolmentOpening;
}

/** The facts, and what the account had enrolled when they were told: what they allow is allowed over that alone. */
interface KnownFacts {
  readonly facts: StepFacts;
  readonly has: AccountEnrolments;
}

const noEnrolments: AccountEnrolments = { all: [], version: undefined };

/** How old the first proof of somebody may be who begins to set something up, in milliseconds. */
const freshEnough = 5 * 60_000;

/** Tells them. Throws where the store is out of reach, or an enrolment cannot be read. */
export async function factsOf(
  { factors, rules, worth, clock, door, opening }: FactParts,
  pending: PendingLogin,
  context: StepContext,
): Promise<KnownFacts> {
  const { client } = context;
  const now = clock.now();
  const terms = termsOf({ door }, pending, context);
  const asked: Demand = pending.demand ?? { level: door.levelFor(pending.vouched, client) };
  const { vouched, onShow, excluded, newPassword, spare } = pending;
  const isCounting = (name: string): boolean => spare === undefined || factors.find(name)?.factor.letsEnrol !== false;
  // A pass that lets somebody in need not let them set anything up.
  const proofs = pending.proofs.filter(({ by }) => isCounting(by));
  const shown = { [onShow?.kind === 'challenge' ? 'asked' : 'enrolling']: onShow?.factor };
  const tenants = door.tenantsOf(vouched);
  const common = { awaitsProvider: false, tenants, mustChangePassword: newPassword !== undefined } as const;
  const noSetup = { candidates: [], enrollable: [], needsFreshProof: false, isEnrolmentClosed: false } as const;
  const nothing = { ...noSetup, needsCode: false } as const;
  const isReached = (demand: Demand): boolean => shortfall(proofs, demand, worth, now) === undefined;
  // What an account has set up shows once it is known whose it is.
  if (tenants !== 'one') return { facts: { ...common, ...nothing, isEnough: isReached(asked) }, has: noEnrolments };
  if (spare === undefined && isReached(asked))
    return { facts: { ...common, ...shown, ...nothing, isEnough: true }, has: noEnrolments };

  const account = accountOf(vouched);
  const has = await factors.enrolments.of(account);
  const usable = await factors.usable({ account, terms }, has);
  // What is set up beside something else is set up after a proof of that, also where it came meanwhile.
  const isGuarded = spare !== undefined && (has.all.length > 0 || usable.length > 0);
  const demand: Demand = isGuarded && (asked.level ?? 1) < 2 ? { ...asked, level: 2 } : asked;
  // What is enrolled under a name that has left the configuration is enrolled all the same.
  const isFirst = has.all.length === 0 && usable.length === 0;
  const byFactors = proofs.filter(
    ({ step, by }) =>
      step !== 'first' &&
      worth.factors.has(by) &&
      by !== rememberedName &&
      factors.find(by)?.factor.letsEnrol !== false,
  );
  // A pass does as well, which may be spent by now.
  const lacksCode = async (): Promise<boolean> =>
    isFirst && byFactors.length === 0 && (await opening.lacksCode(account, pending.enrolmentCode, terms.roles));
  if (isReached(demand)) {
    const needsCode = await lacksCode();
    return { facts: { ...common, ...shown, ...nothing, spare, needsCode, isEnough: true }, has };
  }
  const open = usable.filter(({ name }) => !excluded.includes(name) && isCounting(name));
  const isHelping = (factor: ConfiguredFactor): boolean =>
    shortfall(withProof(proofs, proofBy(factor, now)), demand, worth, now) === undefined;
  const helping = open.filter(isHelping);
  const ableTo = factors.all.filter((one) => factors.isOffered(one, terms, has) && !one.factor.isSpare);
  const able = ableTo.filter(isHelping);
  const isInside = rules.enrol.networks.length === 0 || isInAny(client, rules.enrol.networks);
  const hasProved = byFactors.some(({ at }) => at >= pending.beganAt);
  const mayEnrol = isInside && (isFirst ? rules.enrol.first !== 'off' : hasProved);
  // Whoever has something proves that, before anything is set up beside it.
  const toProve = able.length > 0 && isInside && !hasProved ? open : [];
  return {
    facts: {
      ...common,
      ...shown,
      isEnough: false,
      needsCode: able.length > 0 && mayEnrol && (await lacksCode()),
      candidates: (helping.length > 0 ? helping : toProve).map(({ name }) => name),
      enrollable: mayEnrol ? able.map(({ name }) => name) : [],
      needsFreshProof: onShow?.kind !== 'enrolment' && !(now - freshAt(pending.proofs) <= freshEnough),
      isEnrolmentClosed: able.length > 0 && !mayEnrol,
      withoutContact: isFirst ? strictestWithout(factors.all.filter(isHelping), pending) : undefined,
    },
    has,
  };
}

/** Of several words of the operator the strictest; nobody who is signed in goes past what a location asks for. */
function strictestWithout(
  factors: readonly ConfiguredFactor[],
  { session }: PendingLogin,
): StepFacts['withoutContact'] | undefined {
  const words = new Set(factors.map(({ factor }) => factor.withoutContact));
  const allowed = session === undefined ? (['insecure-allow'] as const) : [];
  return (['refuse', 'help', ...allowed] as const).find((word) => words.has(word));
}

/** Whether an account has anything set up, or can be asked for something without that. */
export async function hasFactor(
  { factors }: Pick<FactParts, 'factors'>,
  account: Account,
  terms: AskTerms,
): Promise<boolean> {
  const has = await factors.enrolments.of(account);
  return has.all.length > 0 || (await factors.usable({ account, terms }, has)).length > 0;
}

/** What a factor would prove at this moment. */
function proofBy({ name, gives }: ConfiguredFactor, at: number): Proof {
  return { step: 'second', by: name, realm: '', amr: [gives === 3 ? 'hwk' : 'otp'], at };
}

/** What factors are told of whoever is asked. */
export function termsOf(
  { door }: { readonly door: Pick<LoginDoor, 'rolesOf'> },
  { vouched }: { readonly vouched: Pick<Vouched, 'assertion' | 'provider' | 'tenant'> },
  { client, language, signal }: StepContext,
): AskTerms {
  const { assertion, provider } = vouched;
  return { assertion, provider, roles: door.rolesOf(vouched), language, address: client.address, signal };
}
