/** What `gatehouse check` says of tenants that some users will not be found to have, and of what the default opens. */
import type { ConfigIssue, KeyPath } from '../../config/load.ts';
import { routesOf } from '../../gateway/routes.ts';
import { defaultPort, readAuthority } from '../../routing/host.ts';
import { knownHosts } from '../../routing/known-hosts.ts';
import type { Reading } from '../../runtime/reading.ts';
import { readUsers } from '../../users/users-file.ts';
import { optionsOf } from './provider-options.ts';

type Read = Extract<Reading, { kind: 'ok' }>;

interface TenantWarning {
  readonly path: KeyPath;
  readonly message: string;
  readonly hint: string;
}

/** Attributes that every provider may have, whatever is configured. */
const usual: ReadonlySet<string> = new Set(['name', 'email', 'groups']);

/** Warnings about tenants; none where none are configured. */
export function tenantWarnings(reading: Read): ConfigIssue[] {
  if (Object.keys(reading.document.tenants).length === 0) return [];
  return [
    ...defaultWarnings(reading),
    ...attributeWarnings(reading),
    ...hostWarnings(reading),
    ...usersWarnings(reading),
  ].map(({ path, message, hint }) => ({ ...reading.locate(path), message, hint }));
}

/** Whoever falls through to the default gets what was meant for its own users. */
function defaultWarnings({ document: { roles, tenantRules } }: Read): TenantWarning[] {
  const { default: usualTenant } = tenantRules;
  if (usualTenant === undefined) return [];
  const own = Object.entries(roles).flatMap(([name, { tenants }]) =>
    tenants.length > 0 && tenants.every((tenant) => tenant === usualTenant) ? [name] : [],
  );
  if (own.length === 0) return [];
  return [
    {
      path: ['tenantRules', 'default'],
      message: `is ${usualTenant}, which alone has ${own.join(', ')}: whoever is found in no tenant may get what its own users have`,
      hint: 'make a tenant without roles of its own for those, or leave default out so that they are refused',
    },
  ];
}

/** A directory gives those attributes that it is asked for. */
function attributeWarnings({ document: { login, providers, tenants, tenantRules } }: Read): TenantWarning[] {
  const read = login.chain.flatMap((name) => {
    const options = providers[name] && optionsOf('ldap', providers[name]);
    return options ? [{ name, attributes: options.attributes }] : [];
  });
  const rules: { path: KeyPath; attribute: string }[] = [
    ...(tenantRules.attribute === undefined
      ? []
      : [{ path: ['tenantRules', 'attribute'], attribute: tenantRules.attribute }]),
    ...Object.entries(tenants).flatMap(([name, { match }]) =>
      Object.keys(match.attributes).map((attribute) => ({
        path: ['tenants', name, 'match', 'attributes', attribute],
        attribute,
      })),
    ),
  ];
  return rules.flatMap(({ path, attribute }) => {
    const without = read.filter(({ attributes }) => !usual.has(attribute) && !Object.hasOwn(attributes, attribute));
    if (without.length === 0) return [];
    const [{ name } = { name: '' }] = without;
    return [
      {
        path,
        message: `is not read by ${without.map((one) => one.name).join(', ')}: users there have no value`,
        hint: `add it under providers.${name}.attributes, such as ${attribute}: departmentNumber`,
      },
    ];
  });
}

function hostWarnings({ document }: Read): TenantWarning[] {
  const isKnown = knownHosts(document.server, routesOf(document));
  const scheme = document.server.publicUrl.protocol;
  return Object.entries(document.tenants).flatMap(([name, { hosts }]) =>
    hosts.flatMap((written, index) => {
      const { host = '', port = defaultPort(scheme) } = readAuthority(written) ?? {};
      if (isKnown({ host, port })) return [];
      return [
        {
          path: ['tenants', name, 'hosts', index],
          message: 'is no host of the site: requests for it get 421',
          hint: 'write it at a route as host:, so that people are signed in there too, or into server.hosts',
        },
      ];
    }),
  );
}

/** A tenant that no configuration knows is none. */
function usersWarnings({ document: { providers, tenants } }: Read): TenantWarning[] {
  return Object.entries(providers).flatMap(([name, options]) => {
    const path = optionsOf('local', options)?.users;
    const users = path === undefined ? [] : usersIn(path);
    const lost = users.filter(({ tenant }) => tenant !== undefined && !Object.hasOwn(tenants, tenant));
    if (lost.length === 0) return [];
    return [
      {
        path: ['providers', name, 'users'],
        message: `names tenants that there are not: ${lost.map((user) => `${user.tenant} at ${user.username}`).join(', ')}`,
        hint: `there are: ${Object.keys(tenants).join(', ')}`,
      },
    ];
  });
}

function usersIn(path: string) {
  try {
    return [...(readUsers(path)?.values() ?? [])];
  } catch {
    // That it cannot be read is said elsewhere.
    return [];
  }
}
