/**
 * One's own second factors on the page of the account: seen, added, renamed, taken off. Whoever changes anything has proved a
 * factor a short while ago, where the account has one: a session that was left open takes nobody's key off.
 */
import type { Level, Proof } from '../core/proof.ts';
import { accountOf, type Session } from '../core/session.ts';
import type { AccountFactors } from '../factors/desk.ts';
import type { ConfiguredFactor } from '../factors/factors.ts';
import { hasFactor, termsOf } from '../login/step-facts.ts';
import type { OwnFactorsView } from '../pages/own-factors.ts';
import { type Demand, shortfall } from '../policy/levels.ts';
import { isInAny } from '../routing/networks.ts';
import type { FormFields, PortalParts, PortalRequest } from './context.ts';
import { redirect } from './send-page.ts';
import { answerStep, type StepParts, stepContext } from './step-answer.ts';

/** What own factors are shown and changed with. */
export type OwnFactorParts = StepParts &
  Pick<PortalParts, 'door' | 'steps' | 'door' | 'desk' | 'worth' | 'notices' | 'recorder'>;

const here = '/_gate/account';
/** How old a proof may be by which factors are changed, in milliseconds. */
const freshEnough = 10 * 60_000;
/** How old the first proof of somebody may be who has no factor yet, in milliseconds. */
const freshFirst = 5 * 60_000;

/** What the page says of them; undefined where none are configured. */
export async function ownFactors(
  { factors, desk, factorRules, remembered }: OwnFactorParts,
  { context, headers }: PortalRequest,
  session: Session,
): Promise<OwnFactorsView | undefined> {
  if (factors.all.length === 0) return undefined;
  const account = accountOf(session);
  const shown = await desk.show(account);
  const here = remembered.idIn(headers);
  const isInside = factorRules.enrol.networks.length === 0 || isInAny(context.client, factorRules.enrol.networks);
  const mayAdd = isInside && (shown.enrolments.length > 0 || factorRules.enrol.first !== 'off');
  const has = await factors.enrolments.of(account);
  const isOpen = (one: ConfiguredFactor): boolean => factors.isOffered(one, session, has);
  const addable = mayAdd ? factors.all.filter((one) => isOpen(one) && isAddable(one, shown, factors)) : [];
  const nameOf = ({
    name,
    type,
    label,
  }: {
    name: string;
    type: string;
    label?: (typeof addable)[number]['label'];
  }) => ({
    name,
    type,
    label,
  });
  return {
    enrolments: shown.enrolments.map(({ id, factor, name, createdAt, lastUsedAt, left }) => ({
      ...{ id, name, createdAt, lastUsedAt, left },
      factor: nameOf(factors.find(factor) ?? { name: factor, type: '' }),
    })),
    addable: addable.map(nameOf),
    browsers: shown.browsers.map((browser) => ({ ...browser, isThis: browser.id === here })),
  };
}

/** One that can be set up; what stands in for others only beside one of them. */
function isAddable(one: ConfiguredFactor, { enrolments }: AccountFactors, factors: OwnFactorParts['factors']): boolean {
  return !one.factor.isSpare || enrolments.some(({ factor }) => factors.find(factor)?.factor.isSpare !== true);
}

/** Does what a form asks for: `add` with `factor`, `remove` or `rename` with `id`, `forget` with the `id` of a browser or without. False where it asks for nothing of the kind. */
export async function changeOwnFactors(
  parts: OwnFactorParts,
  visit: PortalRequest,
  session: Session,
  form: FormFields,
): Promise<'done' | 'last' | 'not-ours'> {
  switch (form.get('do')) {
    case 'add':
      await add(parts, visit, session, form.get('factor'));
      return 'done';
    case 'remove':
      return remove(parts, visit, session, form.get('id') ?? '');
    case 'rename':
      return rename(parts, visit, session, form.get('id') ?? '', form.get('name') ?? '');
    case 'forget':
      return forget(parts, visit, session, form.get('id'));
    default:
      return 'not-ours';
  }
}

async function add(
  parts: OwnFactorParts,
  visit: PortalRequest,
  session: Session,
  name: string | undefined,
): Promise<void> {
  const shown = await ownFactors(parts, visit, session);
  if (name === undefined || !shown?.addable.some((one) => one.name === name)) return back(visit);
  const level = (await isGuarded(parts, visit, session)) ? 2 : 1;
  const demand = { level, maxAge: level === 1 ? freshFirst : freshEnough } as const;
  // Who has nothing yet proves anew who they are.
  if (level === 1 && isLacking(parts, session, demand)) return confirm(visit);
  // A pass that lets somebody in for a day need not let them set anything up.
  const counted = session.proofs.filter(({ by }) => parts.factors.find(by)?.factor.letsEnrol !== false);
  if (level === 2 && counted.length < session.proofs.length && isLackingOf(parts, counted, demand)) return back(visit);
  const wish = { session, demand, returnTo: here, spare: name };
  return answerStep(parts, visit, await parts.steps.beginStepUp(wish, stepContext(parts, visit)));
}

async function remove(
  parts: OwnFactorParts,
  visit: PortalRequest,
  session: Session,
  id: string,
): Promise<'done' | 'last'> {
  const found = await own(parts, session, id);
  if (!found) return done(visit);
  if (await hasAsked(parts, visit, session, found.gives)) return 'done';
  const account = accountOf(session);
  const { enrolments } = await parts.desk.show(account);
  const isLast = !enrolments.some((one) => one.id !== id && parts.factors.find(one.factor)?.factor.isSpare !== true);
  if (isLast && !found.isSpare && parts.door.levelFor(session, visit.context.client) > 1) return 'last';
  if ((await parts.desk.remove(account, id)) === 'removed') {
    const { client, requestId } = visit.context;
    const who = { account, provider: session.provider, session: session.id, client, requestId };
    parts.recorder.account({ event: 'unenrol', outcome: 'succeeded', factor: found.factor, ...who });
    await parts.notices.tell(account, 'removed', session.assertion);
  }
  return done(visit);
}

async function rename(
  parts: OwnFactorParts,
  visit: PortalRequest,
  session: Session,
  id: string,
  name: string,
): Promise<'done'> {
  const found = await own(parts, session, id);
  if (!found) return done(visit);
  if (await hasAsked(parts, visit, session, found.gives)) return 'done';
  await parts.desk.rename(accountOf(session), id, name);
  return done(visit);
}

/** Takes nothing away that keeps anybody out: no proof is asked for. */
async function forget(
  { desk, recorder }: OwnFactorParts,
  visit: PortalRequest,
  session: Session,
  id: string | undefined,
): Promise<'done'> {
  const account = accountOf(session);
  const count = /^[\w-]{32}$/.test(id ?? '') || id === undefined ? await desk.forgetBrowsers(account, id) : 0;
  const { client, requestId } = visit.context;
  const who = { account, provider: session.provider, session: session.id, client, requestId };
  recorder.account({ event: 'remember', outcome: 'succeeded', detail: `${count} forgotten`, ...who });
  return done(visit);
}

async function own({ desk, factors }: OwnFactorParts, session: Session, id: string) {
  const { enrolments } = await desk.show(accountOf(session));
  const enrolment = enrolments.find((one) => one.id === id);
  if (!enrolment) return undefined;
  const configured = factors.find(enrolment.factor);
  // One that has left the configuration is taken off by whatever the account has.
  const gives: Level = configured?.gives ?? 2;
  return { factor: enrolment.factor, gives, isSpare: configured?.factor.isSpare === true };
}

/** Whether a factor is asked for before a password is changed, as it is of whoever has one; that has been answered then. */
export async function hasAskedForFactor(
  parts: OwnFactorParts,
  visit: PortalRequest,
  session: Session,
): Promise<boolean> {
  return (await isGuarded(parts, visit, session)) && hasAskedFor(parts, visit, session, atAnyTime);
}

/** A factor that was proved at any time; a browser that is remembered proves none, and meets no age. */
const atAnyTime: Demand = { level: 2, maxAge: Number.MAX_SAFE_INTEGER };

/** Whether the account has a factor, or can be asked for one that nobody sets up, such as a code by mail. */
async function isGuarded(parts: OwnFactorParts, visit: PortalRequest, session: Session): Promise<boolean> {
  if (parts.factors.all.length === 0) return false;
  return hasFactor(parts, accountOf(session), termsOf(parts, { vouched: session }, stepContext(parts, visit)));
}

/** Whether a proof is asked for first; that has been answered then. */
function hasAsked(parts: OwnFactorParts, visit: PortalRequest, session: Session, level: Level): Promise<boolean> {
  return hasAskedFor(parts, visit, session, { level, maxAge: freshEnough });
}

async function hasAskedFor(
  parts: OwnFactorParts,
  visit: PortalRequest,
  session: Session,
  demand: Demand,
): Promise<boolean> {
  if (!isLacking(parts, session, demand)) return false;
  const result = await parts.steps.beginStepUp({ session, demand, returnTo: here }, stepContext(parts, visit));
  await answerStep(parts, visit, result);
  return true;
}

function isLacking(parts: OwnFactorParts, session: Session, demand: Demand): boolean {
  return isLackingOf(parts, session.proofs, demand);
}

function isLackingOf({ worth, clock }: OwnFactorParts, proofs: readonly Proof[], demand: Demand): boolean {
  return shortfall(proofs, demand, worth, clock.now()) !== undefined;
}

function confirm({ request, response }: PortalRequest): void {
  redirect(request, response, `/_gate/login?${new URLSearchParams({ return: here, confirm: '1' })}`);
}

function back({ request, response }: PortalRequest): void {
  redirect(request, response, here);
}

function done(visit: PortalRequest): 'done' {
  back(visit);
  return 'done';
}
