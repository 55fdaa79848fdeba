/** XiVO's ways of signing in with a password: the LDAP directory of `xuc.conf`, and accounts of its own. */
import { type HoconFile, type HoconNode, hoconAt } from '../hocon/hocon.ts';
import { trustFor } from './java.ts';
import type { XivoContext } from './single-sign-on.ts';
import { isPlain } from './translation.ts';

const ldapKeys: Readonly<Record<string, string>> = {
  url: 'url',
  managerDN: 'managerDn',
  managerPassword: 'managerPassword',
  searchBase: 'searchBase',
  userSearchFilter: 'userSearchFilter',
};

/** Where a thing comes from that XiVO does without being told. */
export const ofXivo = 'the default of XiVO';

/** `authentication { ldap { … } }`. */
export function translateLdap({ translation, plan, java }: XivoContext, conf: HoconFile | undefined): void {
  const ldap = conf && hoconAt(conf.root, 'authentication', 'ldap');
  if (!ldap) return;
  if (!(ldap.value instanceof Map)) {
    translation.problem(
      hoconPlace(ldap),
      'authentication.ldap must hold settings in braces',
      'write ldap { url = "ldap://host:389" … }',
    );
    return;
  }
  const name = plan.want('ldap', hoconPlace(ldap));
  if (name === undefined) return;
  for (const [key, ours] of Object.entries(ldapKeys)) {
    const node = hoconAt(ldap.value, key);
    if (!node) continue;
    if (typeof node.value !== 'string')
      translation.problem(hoconPlace(node), `authentication.ldap.${key} must be text`, 'put it in quotes');
    else if (node.value !== '') plan.set(name, ours, node.value, hoconPlace(node));
  }
  const url = hoconAt(ldap.value, 'url');
  const trust = typeof url?.value === 'string' ? trustFor(translation, java, url.value) : undefined;
  if (trust) plan.set(name, 'ca', trust.ca, trust.origin);
}

/**
 * `authentication { xivo = "" }` switches the accounts of XiVO off. Where they are on, they are asked after any failure of
 * LDAP, a wrong password too: that is XiVO's way, and a caution says so.
 */
export function translateLocal(
  { translation, plan }: XivoContext,
  conf: HoconFile | undefined,
  usersFile: string,
): void {
  const xivo = conf && hoconAt(conf.root, 'authentication', 'xivo');
  if (xivo && (xivo.value === '' || xivo.value === null)) {
    plan.drop('local', hoconPlace(xivo));
    return;
  }
  if (translation.existing) return;
  const name = plan.want('local', ofXivo);
  if (name !== undefined) plan.set(name, 'users', usersFile, ofXivo);
  const ldap = plan.wanted('ldap');
  if (!ldap) return;
  plan.set(ldap.name, 'on', { rejected: 'next', unavailable: 'next' }, ofXivo);
  translation.caution({
    key: ['providers', ldap.name, 'on'],
    origin: ldap.origin,
    message:
      'after a password that LDAP refuses the local accounts are asked too, as XiVO does it: a guess at one is a guess at both',
    hint: 'authentication { xivo = "" } in xuc.conf switches the local accounts off',
  });
}

/** The settings of `xuc.conf` that nothing was made of. */
export function leaveOutOfConf({ translation }: XivoContext, conf: HoconFile): void {
  for (const { file, line, what, why } of conf.leftOut) translation.leaveOut(`${file}:${line}`, what, why);
  const walk = (map: ReadonlyMap<string, HoconNode>, path: readonly string[]): void => {
    for (const [key, node] of map) {
      const name = [...path, key].join('.');
      const isKnown =
        name === 'authentication.xivo' || (path.join('.') === 'authentication.ldap' && Object.hasOwn(ldapKeys, key));
      if (node.value instanceof Map) walk(node.value, [...path, key]);
      else if (!isKnown) translation.leaveOut(`${node.at.file}:${node.at.line}`, name, whyNot(name));
    }
  };
  walk(conf.root, []);
}

function whyNot(name: string): string {
  if (name.startsWith('authentication.ldap.')) return 'it is no setting of LDAP that XiVO documents';
  if (name.startsWith('authentication.')) return 'it is no type of signing in that XiVO documents';
  return 'ignored on purpose: it is not about signing in, and XUC goes on reading it itself';
}

/** Deadlines: what `LOGIN_TIMEOUT_MS` says, also of providers that have a figure of their own when nothing is said. */
export function translateTimeouts({ translation, plan, settings }: XivoContext): void {
  const timeout = settings.get('LOGIN_TIMEOUT_MS');
  if (timeout && !/^[1-9]\d{0,8}$/.test(timeout.value)) {
    translation.problem(
      timeout.origin,
      'LOGIN_TIMEOUT_MS must be a number of milliseconds',
      'set it to a value such as 7000, or leave it out',
    );
    return;
  }
  const value = timeout ? `${timeout.value}ms` : '5s';
  if (timeout) translation.set(['login', 'timeout'], value, timeout.origin);
  // XiVO's figure is for a whole login, which ours for one must not cut short.
  if (timeout && Number(timeout.value) > ownTotal && translation.at('login', 'total') === undefined)
    translation.set(['login', 'total'], value, timeout.origin);
  if (!timeout && translation.existing) return;
  const present = translation.at('providers');
  const names = new Set(Object.keys(isPlain(present) ? present : {}));
  for (const type of ['cas', 'ldap'] as const) {
    const isLacking = (name: string): boolean =>
      translation.at('providers', name, 'type') === type && translation.at('providers', name, 'timeout') === undefined;
    const added = plan.wanted(type)?.name;
    const lacking = [...[...names].filter(isLacking), ...(added !== undefined && !names.has(added) ? [added] : [])];
    for (const name of lacking) plan.set(name, 'timeout', value, timeout?.origin ?? ofXivo);
  }
}

/** `login.total` when a configuration does not say otherwise, in milliseconds. */
const ownTotal = 15_000;

/** Where a value stands. */
export function hoconPlace({ at }: HoconNode): string {
  return `${at.file}:${at.line}:${at.column}`;
}
