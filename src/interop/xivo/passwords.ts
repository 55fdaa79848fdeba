/** XiVO's ways of signing in with a password: the LDAP directory of `xuc.conf`, and accounts of its own. */
import { nearest, slipsBetween } from '../../config/nearest.ts';
import { type HoconFile, type HoconNode, hoconAt } from '../hocon/hocon.ts';
import { trustFor } from './java.ts';
import type { XivoContext } from './single-sign-on.ts';
import { isPlain, type Translated, type Translation } from './translation.ts';

const ldapKeys: Readonly<Record<string, string>> = {
  url: 'url',
  managerDN: 'managerDn',
  managerPassword: 'managerPassword',
  searchBase: 'searchBase',
  userSearchFilter: 'userSearchFilter',
};

/** Where a thing comes from that XiVO does without being told. */
const ofXivo = 'the default of XiVO';

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
    else if (node.value !== '') plan.set(name, ours, node.value, hoconPlace(node), node.variable);
    if (node.isCut) cautionOfCut(translation, ['providers', name, ours], node);
  }
  nameSlips(translation, name, ldap.value);
  const url = hoconAt(ldap.value, 'url');
  const trust = typeof url?.value === 'string' ? trustFor(translation, java, url.value) : undefined;
  if (trust) plan.set(name, 'ca', trust.ca, trust.origin, trust.variable);
}

/** HOCON ends a value without quotes at a comment, also where the sign was meant to be a part of it. */
function cautionOfCut(translation: Translation, key: Translated['key'], node: HoconNode): void {
  translation.caution({
    key,
    origin: hoconPlace(node),
    message:
      'a # or // stands in this value, which is not in quotes: HOCON takes what follows for a comment, and so does XiVO',
    hint: 'put the whole value in quotes',
  });
}

/** Names that differ from XiVO's by their letters' case or a slip: XiVO leaves such a setting out. */
function nameSlips(translation: Translation, provider: string, ldap: ReadonlyMap<string, HoconNode>): void {
  for (const [name, node] of ldap) {
    const meant = meantBy(name, ldap);
    if (meant === undefined) continue;
    const message = `authentication.ldap.${name} is no setting of XiVO, and is left out: ${meant} is the right spelling`;
    if (meant === 'url' || meant === 'searchBase') translation.problem(hoconPlace(node), message, `write ${meant}`);
    else
      translation.caution({ key: ['providers', provider], origin: hoconPlace(node), message, hint: `write ${meant}` });
  }
}

/** The setting that a name is a slip of; undefined for one of XiVO's own, and for what is none. */
function meantBy(name: string, given: ReadonlyMap<string, unknown>): string | undefined {
  if (Object.hasOwn(ldapKeys, name)) return undefined;
  const meant = nearest(
    name,
    Object.keys(ldapKeys).filter((one) => !given.has(one)),
  );
  return meant !== undefined && slipsBetween(name.toLowerCase(), meant.toLowerCase()) <= 2 ? meant : undefined;
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
      const isSaid = path.join('.') === 'authentication.ldap' && meantBy(key, map) !== undefined;
      if (node.value instanceof Map) walk(node.value, [...path, key]);
      else if (!isKnown && !isSaid) translation.leaveOut(`${node.at.file}:${node.at.line}`, name, whyNot(name));
    }
  };
  walk(conf.root, []);
}

function whyNot(name: string): string {
  const [first = '', second = ''] = name.split('.');
  const words = first === 'authentication' ? [second, 'ldap', 'xivo'] : [first, 'authentication'];
  const [word = '', ...known] = words;
  const meant = known.includes(word) ? undefined : known.find((one) => slipsBetween(word.toLowerCase(), one) <= 2);
  if (meant !== undefined) return `XiVO has no such setting: did you mean ${name.replace(word, meant)}?`;
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
function hoconPlace({ at }: HoconNode): string {
  return `${at.file}:${at.line}:${at.column}`;
}
