/**
 * XiVO's settings, translated: `custom.env` or the environment, `xuc.conf`, and what krb5.conf says of the realm become values
 * for keys of our own configuration, each with its origin. Reading files and printing is left to who asks.
 */
import type { HoconFile } from '../hocon/hocon.ts';
import { readJavaOptions } from './java.ts';
import { leaveOutOfConf, translateLdap, translateLocal, translateTimeouts } from './passwords.ts';
import { ProviderPlan } from './provider-plan.ts';
import { hostVariables, translateRoutes } from './routes.ts';
import type { Setting, Settings, Untranslated } from './settings.ts';
import {
  translateCas,
  translateExistence,
  translateKerberos,
  translateOidc,
  type XivoContext,
} from './single-sign-on.ts';
import { type Caution, type Plain, type Translated, Translation } from './translation.ts';

/** What is translated. */
export interface XivoSources {
  readonly settings: Settings;
  /** `xuc.conf`. */
  readonly conf?: HoconFile | undefined;
  /** `default_realm` of krb5.conf. */
  readonly defaultRealm?: Setting | undefined;
  /** The configuration that is already there, as plain data: the settings are then put over it. */
  readonly existing?: Plain | undefined;
  /** The file of the local accounts that a translation on its own names. */
  readonly usersFile?: string;
  /** Where a file is that the settings name by its path in a container. */
  readonly hostPath?: (path: string) => string;
}

/** A translation. */
export interface XivoTranslation {
  readonly values: readonly Translated[];
  readonly untranslated: readonly Untranslated[];
  readonly cautions: readonly Caution[];
}

/** The variables that are translated, or left out for a reason that the translation gives. */
export const xivoVariables: readonly string[] = [
  ...[
    'LOGIN_TIMEOUT_MS',
    'AUTH_PREVENT_XUC_LOGIN',
    'CONFIG_FILE',
    'JAVA_OPTS',
    'USE_SSO',
    'CAS_SERVER_URL',
    'CAS_LOGOUT_ENABLE',
  ],
  ...['ENABLE_OIDC', 'OIDC_SERVER_URL', 'OIDC_CLIENT_ID', 'OIDC_AUDIENCE', 'OIDC_USERNAME_FIELD', 'OIDC_LOGOUT_ENABLE'],
  ...hostVariables,
];

/** Variables that no other program has: with one of them set, and no configuration, the environment is XiVO's. */
const ownVariables = [
  'XUC_HOST',
  'XIVO_HOST',
  'CAS_SERVER_URL',
  'OIDC_SERVER_URL',
  'ENABLE_OIDC',
  'USE_SSO',
  'AUTH_PREVENT_XUC_LOGIN',
];

/** Where Kerberos finds its settings unless it is told otherwise. */
export const machineKrb5 = '/etc/krb5.conf';

/** Whether an environment is one of XiVO's. */
export function isXivoEnvironment(env: Readonly<Record<string, string | undefined>>): boolean {
  return ownVariables.some((name) => env[name] !== undefined && env[name] !== '');
}

/** Translates; throws an OperatorError with everything that is wrong. */
export function translateXivo({
  settings,
  conf,
  defaultRealm,
  existing,
  usersFile = 'users.yaml',
  hostPath = (path) => path,
}: XivoSources): XivoTranslation {
  const translation = new Translation(existing);
  const plan = new ProviderPlan(translation);
  const context: XivoContext = {
    translation,
    plan,
    settings,
    java: readJavaOptions(translation, settings.get('JAVA_OPTS'), hostPath),
    defaultRealm,
    krb5Config: hostPath(machineKrb5) === machineKrb5 ? undefined : hostPath(machineKrb5),
  };
  translateRoutes(translation, settings);
  translateKerberos(context);
  translateCas(context);
  translateOidc(context);
  translateLdap(context, conf);
  translateLocal(context, conf, usersFile);
  translateExistence(context);
  plan.finish();
  translateTimeouts(context);
  translateReserved(translation, settings.get('AUTH_PREVENT_XUC_LOGIN'));
  if (conf) leaveOutOfConf(context, conf);
  translation.finish();
  return { values: translation.values, untranslated: translation.untranslated, cautions: translation.cautions };
}

/** XiVO's own user `xuc` is for its programs; `AUTH_PREVENT_XUC_LOGIN=false` lets it sign in. */
function translateReserved(translation: Translation, prevent: Setting | undefined): void {
  const isPrevented = translation.truth('AUTH_PREVENT_XUC_LOGIN', prevent);
  if (!prevent || isPrevented === undefined) return;
  const present = translation.at('login', 'reservedUsers');
  const others = (Array.isArray(present) ? present : []).filter((name) => name !== 'xuc');
  translation.set(['login', 'reservedUsers'], isPrevented ? ['xuc', ...others] : others, prevent.origin);
}

/** The `default_realm` of a krb5.conf; undefined when it names none. */
export function defaultRealmOf(text: string, file: string): Setting | undefined {
  let section = '';
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    section = /^\s*\[(\w+)\]/.exec(line)?.[1] ?? section;
    const [, value] = /^\s*default_realm\s*=\s*([^\s#;]+)/.exec(line) ?? [];
    if (section === 'libdefaults' && value !== undefined) return { value, origin: `${file}:${index + 1}` };
  }
  return undefined;
}
