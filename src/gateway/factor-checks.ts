/** What second factors and the levels that ask for them contradict, each at the key that is wrong. */
import type { RefinementCtx } from 'zod';
import { quoted } from '../config/issue.ts';
import { type FactorDocument, type FactorRules, factorKind } from '../factors/options.ts';
import { askedChain } from '../login/external.ts';
import { providerKind } from '../login/options.ts';
import type { LoginLevel } from '../policy/login-level.ts';
import { type ApplicationOptions, roleNames } from '../policy/roles-file.ts';
import { mostTrusted } from '../policy/worth.ts';

interface CheckedFactors {
  readonly server: { readonly publicUrl: URL };
  readonly login: { readonly level: LoginLevel; readonly chain: readonly string[]; readonly external: boolean };
  readonly providers: Readonly<Record<string, { readonly type: string }>>;
  readonly roles: Readonly<Record<string, unknown>>;
  readonly messages: { readonly mail?: unknown };
  readonly applications: ApplicationOptions;
  readonly tenants: Readonly<Record<string, unknown>>;
  readonly factors: Readonly<Record<string, FactorDocument>>;
  readonly factorRules: FactorRules;
  readonly routes: readonly {
    readonly access: string | { readonly level?: number | undefined; readonly factors?: readonly string[] | undefined };
  }[];
}

type Path = (string | number)[];
type Report = (path: Path, message: string, hint?: string, other?: Path) => void;

/** Reports every contradiction. */
export function checkFactors(document: CheckedFactors, context: RefinementCtx): void {
  const report: Report = (path, message, hint, other) =>
    context.addIssue({ code: 'custom', path, message, input: document, params: { hint, other } });
  checkEach(document, report);
  checkFirst(document, report);
  checkFailures(document, report);
  checkLoginLevel(document, report);
  checkRoutes(document, report);
}

function checkEach({ server, messages, providers, factors }: CheckedFactors, report: Report): void {
  const site = { publicUrl: server.publicUrl, sendsMail: messages.mail !== undefined };
  for (const [name, options] of Object.entries(factors)) {
    if (Object.hasOwn(providers, name))
      report(
        ['factors', name],
        'has the name of a provider: proofs are told apart by it',
        'give the factor another name',
        ['providers', name],
      );
    for (const { key, message, hint } of factorKind(options.type)?.checkTogether?.(options, site) ?? [])
      report(['factors', name, ...key.split('.')], message, hint);
  }
}

/** Keys that a login may begin with: one factor at most, and somebody who can be asked about their owners. */
function checkFirst(document: CheckedFactors, report: Report): void {
  const firsts = Object.entries(document.factors).filter(([, options]) => 'first' in options && options.first === true);
  const [first, ...others] = firsts.map(([name]) => name);
  if (first === undefined) return;
  for (const name of others)
    report(
      ['factors', name, 'first'],
      `is true here and at ${first}: a login begins with keys of one factor`,
      'take it out at one of them; its keys go on as second factors',
      ['factors', first, 'first'],
    );
  const isDirectory = (name: string): boolean =>
    providerKind(document.providers[name]?.type ?? '')?.isDirectory === true;
  if (!askedChain(document).some(isDirectory))
    report(
      ['factors', first, 'first'],
      'is true, and no provider that is asked can look users up: nobody could sign in with a passkey',
      'add a provider of type ldap or local to login.chain, or take it out',
    );
}

function checkFailures({ factorRules: { failures } }: CheckedFactors, report: Report): void {
  const { count, hard, delay, max } = failures;
  if (hard < count)
    report(
      ['factorRules', 'failures', 'hard'],
      `is less than count, which is ${count}: nobody would be locked for a while`,
    );
  if (max < delay) report(['factorRules', 'failures', 'max'], 'is shorter than delay, the first lock');
}

function checkLoginLevel(document: CheckedFactors, report: Report): void {
  const { level } = document.login;
  if (typeof level === 'number') checkReach(document, level, ['login', 'level'], report);
  const known = { ...document, roles: Object.fromEntries(roleNames(document).map((name) => [name, true])) };
  for (const [index, rule] of typeof level === 'number' ? [] : level.entries()) {
    checkReach(document, rule.level, ['login', 'level', index, 'level'], report);
    for (const key of ['roles', 'providers', 'tenants'] as const)
      for (const [at, name] of (rule[key] ?? []).entries())
        if (!Object.hasOwn(known[key], name))
          report(
            ['login', 'level', index, key, at],
            `names no ${key.slice(0, -1)}: ${quoted(name)}`,
            `there are: ${Object.keys(known[key]).join(', ') || 'none'}`,
          );
  }
}

function checkRoutes(document: CheckedFactors, report: Report): void {
  for (const [index, { access }] of document.routes.entries()) {
    if (typeof access === 'string') continue;
    const path = ['routes', index, 'access'];
    checkReach(document, access.level ?? 1, [...path, 'level'], report);
    for (const [at, name] of (access.factors ?? []).entries())
      if (!Object.hasOwn(document.factors, name))
        report(
          [...path, 'factors', at],
          `names no factor: ${quoted(name)}`,
          `there are: ${Object.keys(document.factors).join(', ') || 'none'}`,
        );
  }
}

/** Reports a level that nobody can reach. */
function checkReach(document: CheckedFactors, level: number, path: Path, report: Report): void {
  const reached = highestLevel(document);
  if (level <= reached) return;
  const what = level === 3 ? 'one of type webauthn' : 'one such as app: { type: totp }';
  report(
    path,
    `is ${level}, which nobody can reach: the configured factors give ${reached}`,
    `add ${what} under factors`,
  );
}

/** The highest level that anybody can reach: by a factor, or by the word of a provider that is trusted for it. */
export function highestLevel({
  factors,
  providers,
}: {
  readonly factors: Readonly<Record<string, { readonly type: string }>>;
  readonly providers: Readonly<Record<string, unknown>>;
}): number {
  const given = Object.values(factors).map(({ type }) => factorKind(type)?.gives ?? 1);
  return Math.max(1, ...given, ...Object.values(providers).map(mostTrusted));
}
