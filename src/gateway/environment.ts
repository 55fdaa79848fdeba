/**
 * The environment variables that change a configuration, or stand in place of one: XiVO's own names, which `interop/` translates,
 * and a few of the gateway's.
 */
import type { Override } from '../config/load.ts';
import { OperatorError } from '../core/errors.ts';
import { defaultCompany, externalMode, readExternalMode } from '../interop/genesys/settings.ts';
import type { HoconFile } from '../interop/hocon/hocon.ts';
import { type Setting, settingsOf } from '../interop/xivo/settings.ts';
import { type Caution, isPlain } from '../interop/xivo/translation.ts';
import { translateXivo } from '../interop/xivo/xivo.ts';

/** An environment, and the files that it names, read. */
interface Environment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What `CONFIG_FILE` names: XiVO's `xuc.conf`. */
  readonly conf?: HoconFile | undefined;
  /** `default_realm` of the machine's krb5.conf. */
  readonly defaultRealm?: Setting | undefined;
}

/** What an environment says. */
export interface EnvironmentReading {
  readonly overrides: readonly Override[];
  readonly cautions: readonly Caution[];
}

/** Names of our own, for what neither a file nor XiVO's settings say. */
export const ownKeys: Readonly<Record<string, { readonly key: readonly string[]; readonly isList?: boolean }>> = {
  GATEHOUSE_LISTEN: { key: ['server', 'listen'], isList: true },
  GATEHOUSE_PUBLIC_URL: { key: ['server', 'publicUrl'] },
  GATEHOUSE_TRUSTED_PROXIES: { key: ['server', 'trustedProxies'], isList: true },
  GATEHOUSE_TLS_CERTIFICATE: { key: ['server', 'tls', 'certificate'] },
  GATEHOUSE_TLS_KEY: { key: ['server', 'tls', 'key'] },
  GATEHOUSE_TLS_CA: { key: ['server', 'tls', 'ca'] },
  GATEHOUSE_ADMIN_LISTEN: { key: ['admin', 'listen'] },
};

/**
 * What the environment says over a configuration file, whose plain data is `document`; or, with `isAlone`, what it says where
 * there is no file. A value that cannot be read is an OperatorError: never ignored.
 */
export function readEnvironment(
  { env, conf, defaultRealm }: Environment,
  document: unknown,
  isAlone: boolean,
): EnvironmentReading {
  // A document that is no mapping is reported as that; nothing can be put over it.
  if (!isAlone && document !== undefined && !isPlain(document)) return { overrides: [], cautions: [] };
  const folder = env.GATEHOUSE_DATA || 'data';
  const existing = isAlone ? undefined : (document ?? {});
  const sources = { settings: settingsOf(env), conf, defaultRealm, usersFile: `${folder}/users.yaml` };
  const { values, cautions } = translateXivo({ ...sources, existing: isPlain(existing) ? existing : undefined });
  const store: Override[] = isAlone
    ? [
        {
          key: ['session', 'store'],
          value: { type: 'embedded', path: folder },
          origin: env.GATEHOUSE_DATA ? 'environment GATEHOUSE_DATA' : 'the default without a file',
        },
      ]
    : [];
  return { overrides: [...values, ...store, ...genesysOverrides(env, existing), ...ownOverrides(env)], cautions };
}

/** What Genesys Intelligent Automation calls its settings about users, where a file has said the rest. */
function genesysOverrides(env: Environment['env'], document: unknown): Override[] {
  const overrides: Override[] = [];
  const mode = env[externalMode];
  if (mode) {
    const value = readExternalMode(mode);
    if (value === undefined)
      throw new OperatorError(
        `the environment variable ${externalMode} is neither None nor ConfigServer`,
        'set it to one of the two, or unset it',
      );
    overrides.push({ key: ['login', 'external'], value, origin: `environment ${externalMode}` });
  }
  const id = env[defaultCompany];
  if (id)
    overrides.push({
      key: ['tenantRules', 'default'],
      value: tenantOfId(document, id),
      origin: `environment ${defaultCompany}`,
    });
  return overrides;
}

function tenantOfId(document: unknown, id: string): string {
  const tenants = isPlain(document) && isPlain(document.tenants) ? document.tenants : {};
  const found = Object.entries(tenants).find(([, tenant]) => isPlain(tenant) && String(tenant.id) === id);
  if (found) return found[0];
  throw new OperatorError(
    `the environment variable ${defaultCompany} names no id of a tenant`,
    'write the id beside a tenant in the configuration, such as tenants: { acme: { id: "101" } }, or unset it',
  );
}

function ownOverrides(env: Environment['env']): Override[] {
  return Object.entries(ownKeys).flatMap(([name, { key, isList }]): Override[] => {
    const value = env[name];
    if (!value) return [];
    const items = value.split(',').flatMap((part) => part.trim() || []);
    if (isList && items.length === 0)
      throw new OperatorError(
        `the environment variable ${name} is an empty list`,
        'write one or more values with commas between, or unset it',
      );
    return [{ key, value: isList ? items : value, origin: `environment ${name}` }];
  });
}
