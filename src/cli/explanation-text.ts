/** An explanation in lines for a terminal: a word for the kind of each, then what there is to say. */

import { defaultTenant } from '../core/account.ts';
import { networkText } from '../core/address.ts';
import type { AnswerHeaders } from '../core/answer.ts';
import { provedAt } from '../core/proof.ts';
import type { Reason } from '../core/reason.ts';
import type { Route } from '../core/route.ts';
import { Secret } from '../core/secret.ts';
import type { Client } from '../core/verdict.ts';
import type { Decided } from '../gateway/decided.ts';
import type { Explanation, LoginExplanation } from '../gateway/explanation.ts';
import { audienceOf } from '../proxy/assertion-claims.ts';
import { fold } from '../proxy/header-names.ts';
import { assertionHeader } from '../proxy/templates.ts';
import { isInAny } from '../routing/networks.ts';

/**
 * The lines; `unknown` says why nothing is known of sessions and lock-outs, where that is so. Where nobody has said from which
 * address the request comes it is explained for this machine.
 */
export function explanationLines(
  explanation: Explanation,
  unknown: string | undefined,
  { isAddressKnown }: { readonly isAddressKnown: boolean },
): string[] {
  const { decided, login, sessions } = explanation;
  const lines = [...routeLines(decided, isAddressKnown), ...laneLines(explanation), ...loginLines(login)];
  if (unknown !== undefined) lines.push(`session    sessions and lock-outs are not known: ${unknown}`);
  else if (sessions.length === 0) lines.push('session    none is live');
  for (const { session, decided: own } of sessions) {
    const { id, provider, proofs, lastSeenAt, client } = session;
    const times = `proved ${timeOf(provedAt(proofs))}, seen ${timeOf(lastSeenAt)}`;
    lines.push(`session    ${id} of ${provider}, ${times}, from ${client.address}: ${decisionWords(own)}`);
  }
  lines.push(`decision   ${lastWord(explanation)}`);
  if (decided !== login.decided) lines.push(`           by the session seen last; after a login: ${afterLogin(login)}`);
  return [...lines, ...headerLines(decided)];
}

function routeLines({ verdict, match, target, client }: Decided, isAddressKnown: boolean): string[] {
  if (!match || !target) {
    if (verdict.kind === 'refuse') return [`route      refused with ${verdict.error.status}: ${verdict.error.message}`];
    if (verdict.kind === 'redirect') return [`route      none: sent on to ${verdict.location}, as nginx does`];
    return ["route      none: one of the gateway's own addresses"];
  }
  const path = verdict.kind === 'forward' ? verdict.forward.upstreamPath : '';
  return [
    `path       ${target.path}${target.query}  (host ${target.host})`,
    `route      ${match.route.name}: ${match.why}`,
    ...match.considered.map(({ route, matches, note }) => `             ${matches ? '+' : '-'} ${route.name}: ${note}`),
    behindWords(match.route, path),
    ...networkLines(match.route, client, isAddressKnown),
  ];
}

/** Which way the request goes to its upstream. */
function laneLines({ lane }: Explanation): string[] {
  switch (lane) {
    case 'taken':
      return ['lane       + from socket to socket, where the head is a simple HTTP/1.1 one'];
    case 'off':
      return ['lane       - server.lane is false'];
    case 'not-carried':
      return ['lane       - it carries only to http:// upstreams over TCP without a keepAlive of their own'];
    default:
      return [];
  }
}

/** What the address of the request means to the location. */
function networkLines({ networks: rule }: Route, client: Client | undefined, isAddressKnown: boolean): string[] {
  if (!rule || !client) return [];
  const list = rule.networks.map(networkText).join(', ');
  const isIn = isInAny(client, rule.networks);
  const where = `${client.address} is in ${isIn ? 'one' : 'none'} of ${list}`;
  const means =
    rule.satisfy === 'any'
      ? isIn
        ? 'nobody has to sign in'
        : 'a login is needed'
      : isIn
        ? 'the location is for it'
        : 'nobody passes';
  const guess = isAddressKnown ? '' : ' (this machine: --address says where the user is)';
  return [`network    ${isIn ? '+' : '-'} ${where}: ${means}${guess}`];
}

function behindWords({ upstream, fixed }: Route, path: string): string {
  if (fixed?.kind === 'redirect') return `redirect   ${fixed.status} to ${fixed.to}`;
  if (fixed?.kind === 'respond') return `respond    ${fixed.status} ${fixed.type}`;
  return `upstream   ${(upstream?.servers ?? []).map(({ origin }) => origin).join(', ')}${path}`;
}

function loginLines(login: LoginExplanation): string[] {
  const { steps, silent, off, outcome, principal, roles, locks } = login;
  const asked = [
    ...steps.map(
      ({ provider, outcome: said, reason, milliseconds }) =>
        `login      ${provider}: ${said}${reason ? ` (${reason})` : ''} in ${milliseconds} ms`,
    ),
    ...silent.map(
      ({ provider, type }) => `login      ${provider}: cannot be asked about a name (${type}): ${whySilent(type)}`,
    ),
  ];
  asked.push(...off.map((name) => `login      ${name}: not asked, external-off (login.external is false)`));
  const locked = locks.map(
    ({ of, retryAfter }) =>
      `lock       the ${of === 'user' ? 'name' : 'address'} is locked for ${seconds(retryAfter)}: each login is answered with 429`,
  );
  const why = 'reason' in outcome ? ` (${outcome.reason})` : '';
  const who = outcome.kind === 'authenticated' ? outcome.assertion.subject : `nobody: ${outcome.kind}${why}`;
  if (!principal) return [...asked, `user       ${who}`, ...tenantLines(login), ...locked];
  const attributes = Object.entries(principal.attributes).map(
    ([name, values]) => `             ${name}: ${values.join(', ')}`,
  );
  const given = roles.map(({ role, given: has, why: reason }) => `role       ${has ? '+' : '-'} ${role}: ${reason}`);
  return [
    ...asked,
    `user       ${principal.subject} of ${principal.provider}`,
    ...attributes,
    ...tenantLines(login),
    ...levelLines(login),
    ...given,
    ...privilegeLines(login),
    ...locked,
  ];
}

/** What somebody may do in each application; of the route's it is said, too, where that is nothing. */
function privilegeLines({ principal, decided: { route } }: LoginExplanation): string[] {
  const all = principal?.privileges ?? new Map<string, readonly string[]>();
  const lines = [...all].map(([application, own]) => `privilege  ${application}: ${own.join(', ')}`);
  const own = route?.application;
  return own === undefined || all.has(own) ? lines : [...lines, `privilege  - ${own}: none`];
}

/** Of which tenant somebody is; nothing where there are none. */
/** What the login takes beside the first proof; nothing where that is enough. */
function levelLines({ level }: LoginExplanation): string[] {
  if (!level || level.asked <= 1) return [];
  const { proved, asked } = level;
  const how = proved >= asked ? 'is enough' : 'and a second factor is asked for before the session begins';
  return [`level      the login asks for ${asked}: the first proof gives ${proved} ${how}`];
}

function tenantLines({ tenant }: LoginExplanation): string[] {
  if (!tenant || (tenant.kind === 'settled' && tenant.tenant === defaultTenant)) return [];
  return tenant.kind === 'settled'
    ? [`tenant     ${tenant.tenant}: ${tenant.why}`]
    : [`tenant     - ${tenant.kind === 'open' ? 'chosen at the login' : tenant.reason}: ${tenant.why}`];
}

function whySilent(type: string): string {
  if (type === 'kerberos') return 'it knows whoever brings a ticket';
  if (type === 'oidc' || type === 'cas') return 'it tells who somebody is when their browser has signed in there';
  return 'it looks no users up';
}

function lastWord({ decided, login }: Explanation): string {
  return decided === login.decided ? afterLogin(login) : decisionWords(decided);
}

/** What becomes of a request after a login; where nobody is known that may be for want of somebody to ask. */
function afterLogin({ decided, silent, outcome, locks }: LoginExplanation): string {
  const [lock] = locks;
  const { verdict } = decided;
  if (verdict.kind !== 'authenticate') return decisionWords(decided);
  if (lock) return `429: too-many-failures, for ${seconds(lock.retryAfter)}`;
  if (outcome.kind === 'unknown-user' && silent.length > 0)
    return `not known: ${silent.map(({ provider }) => provider).join(', ')} may know the user, and cannot be asked`;
  return decisionWords(decided);
}

const saidOutright: ReadonlySet<Reason> = new Set<Reason>([
  ...(['location-closed', 'network-not-admitted'] as const),
  ...(['tenant-missing', 'tenant-ambiguous'] as const),
]);

function decisionWords({ verdict, decision, identity, principal }: Decided): string {
  switch (verdict.kind) {
    case 'forward':
      return principal || !identity ? 'permit' : 'permit, without an identity';
    case 'answer':
      return `permit: ${verdict.answer.status}${to(verdict.answer.headers)}`;
    case 'portal':
    case 'redirect':
      return 'answered by the gateway';
    case 'authenticate':
      return '401: nobody is signed in';
    case 'login-step':
      return `the login goes on: ${verdict.reason}`;
    case 'step-up':
      return stepUpWords(verdict);
    case 'refuse':
      if (identity?.kind === 'unavailable') return '503: nobody could be asked';
      if (decision || saidOutright.has(verdict.reason)) return `${verdict.error.status}: ${verdict.reason}`;
      return `refused with ${verdict.error.status}`;
    default:
      return verdict satisfies never;
  }
}

function stepUpWords({ reason, route: { access } }: Extract<Decided['verdict'], { kind: 'step-up' }>): string {
  const { level, factors } = typeof access === 'object' ? access : {};
  if (level === undefined && !factors) return `a fresh login is asked for: ${reason}`;
  const which = factors ? `, by ${factors.join(' or ')}` : '';
  return `a second factor is asked for: ${reason} (the location asks for level ${level ?? 1}${which})`;
}

function headerLines({ verdict }: Decided): string[] {
  if (verdict.kind !== 'forward') return [];
  const { headers, route, principal } = verdict.forward;
  const secrets = new Map(
    route.headers.flatMap(({ name, template }) => (template instanceof Secret ? [[fold(name), template]] : [])),
  );
  const token = [headers.get(assertionHeader) ?? []].flat()[0];
  const tokenWords = `a token for ${audienceOf(route)}, signed as a request goes`;
  const shown = (value: string | readonly string[]): string => {
    const text = [value].flat().join(', ');
    return token === undefined ? text : text.replaceAll(token, tokenWords);
  };
  const lines = [...headers]
    .filter(([name]) => name !== assertionHeader)
    .map(([name, value]) => `header     ${name}: ${secrets.get(fold(name)) ?? shown(value)}`);
  const assertion = `header     ${assertionHeader}: ${tokenWords}`;
  return principal ? [...lines, assertion] : lines;
}

function to({ location }: AnswerHeaders): string {
  return location === undefined ? '' : ` to ${location}`;
}

function seconds(milliseconds: number): string {
  return `${Math.ceil(milliseconds / 1000)} s`;
}

function timeOf(moment: number): string {
  return new Date(moment).toISOString();
}
