/**
 * Which tenant a user belongs to, by the configuration, and why. Only what a provider says counts: nothing that a client sends
 * gives a tenant. What is compared is `conditions.ts`'s; what a role gives in a tenant is `roles.ts`'s.
 */
import { defaultTenant } from '../core/account.ts';
import { isAtOrBelow, readDn } from '../core/dn.ts';
import type { Assertion, Principal } from '../core/principal.ts';
import type { CanonicalTarget } from '../core/verdict.ts';
import { readRouteHost } from '../routing/host.ts';
import {
  attributeCondition,
  type Condition,
  candidateOf,
  firstReason,
  groupCondition,
  valuesOf,
} from './conditions.ts';
import type { TenantOptions, TenantRules } from './tenant-options.ts';

/** What the configuration says of a user. */
type TenantReading =
  | { readonly kind: 'one'; readonly tenant: string; readonly why: string }
  | { readonly kind: 'several'; readonly tenants: readonly string[]; readonly why: string }
  | { readonly kind: 'none'; readonly why: string };

/** Where a user belongs, or why that cannot be told. */
export type TenantDecision =
  | { readonly kind: 'settled'; readonly tenant: string; readonly why: string }
  /** The user picks one of these at a login. */
  | { readonly kind: 'open'; readonly tenants: readonly string[]; readonly why: string }
  | { readonly kind: 'refused'; readonly reason: 'tenant-missing' | 'tenant-ambiguous'; readonly why: string };

interface CompiledTenant {
  readonly name: string;
  readonly conditions: readonly Condition[];
  /** Those that hold of an account whose groups are not known. */
  readonly withoutGroups: readonly Condition[];
}

/** The tenants of a configuration. Without any, everybody is of the one that stands for none. */
export class Tenants {
  readonly #options: TenantOptions;
  readonly #rules: TenantRules;
  readonly #compiled: readonly CompiledTenant[];
  readonly #byId: ReadonlyMap<string, string>;
  /** Per assertion: the provider by which it came, and what was read. */
  readonly #read = new WeakMap<Assertion, { readonly provider: string; readonly reading: TenantReading }>();

  constructor(options: TenantOptions, rules: TenantRules) {
    this.#options = options;
    this.#rules = rules;
    this.#compiled = Object.entries(options).map(([name, { match }]) => compile(name, match));
    this.#byId = new Map(
      Object.entries(options).flatMap(([name, { id }]) => (id === undefined ? [] : [[id, name] as const])),
    );
  }

  /** What the configuration says of somebody whom a provider has authenticated or found. */
  read(assertion: Assertion, provider: string): TenantReading {
    const known = this.#read.get(assertion);
    if (known?.provider === provider) return known.reading;
    const reading = this.#readAnew(assertion, provider, ({ conditions }) => conditions);
    this.#read.set(assertion, { provider, reading });
    return reading;
  }

  /** Where somebody belongs. `held` is the tenant that they have or have chosen: it counts where they have several and may choose. */
  decide(assertion: Assertion, provider: string, held?: string): TenantDecision {
    const reading = this.read(assertion, provider);
    switch (reading.kind) {
      case 'one':
        return { kind: 'settled', tenant: reading.tenant, why: reading.why };
      case 'several':
        if (this.#rules.several === 'refuse') return { kind: 'refused', reason: 'tenant-ambiguous', why: reading.why };
        return held !== undefined && reading.tenants.includes(held)
          ? { kind: 'settled', tenant: held, why: `chosen at the login, of ${reading.tenants.join(', ')}` }
          : { kind: 'open', tenants: reading.tenants, why: reading.why };
      case 'none':
        return { kind: 'refused', reason: 'tenant-missing', why: reading.why };
      default:
        return reading satisfies never;
    }
  }

  /** Under which tenant failures of an account count, of whose groups nothing is known: the same before and after its login. */
  counted(assertion: Assertion, provider: string): string {
    const reading = this.#readAnew(assertion, provider, ({ withoutGroups }) => withoutGroups);
    return reading.kind === 'one' ? reading.tenant : defaultTenant;
  }

  /** What users call a tenant. */
  companyOf(name: string): string {
    return this.#tenant(name)?.company ?? name;
  }

  /** What applications are told of a tenant beside its name. */
  facts(name: string): Pick<Principal, 'tenantId' | 'company'> {
    const { id, company } = this.#tenant(name) ?? {};
    return { ...(id !== undefined && { tenantId: id }), ...(company !== undefined && { company }) };
  }

  /** Whether a tenant lists a host as one of its own. */
  isHome(name: string, { host, port }: Pick<CanonicalTarget, 'host' | 'port'>): boolean {
    return this.#tenant(name)?.hosts.some((written) => isAt(written, host, port)) === true;
  }

  /** Whether users of a tenant may pass at a host: one that tenants list is for theirs alone. */
  admits(name: string, { host, port }: Pick<CanonicalTarget, 'host' | 'port'>): boolean {
    if (this.isHome(name, { host, port })) return true;
    return !Object.keys(this.#options).some((other) => this.isHome(other, { host, port }));
  }

  #tenant(name: string): TenantOptions[string] | undefined {
    return Object.hasOwn(this.#options, name) ? this.#options[name] : undefined;
  }

  #readAnew(
    assertion: Assertion,
    provider: string,
    conditionsOf: (tenant: CompiledTenant) => readonly Condition[],
  ): TenantReading {
    if (this.#compiled.length === 0) return { kind: 'one', tenant: defaultTenant, why: 'no tenants are configured' };
    const found = this.#named(assertion);
    const candidate = candidateOf(assertion, provider);
    for (const tenant of this.#compiled) {
      const reason = firstReason(conditionsOf(tenant), candidate);
      if (reason !== undefined && !found.has(tenant.name)) found.set(tenant.name, reason);
    }
    const [one, ...others] = found;
    if (one && others.length === 0) return { kind: 'one', tenant: one[0], why: one[1] };
    if (one)
      return {
        kind: 'several',
        tenants: [...found.keys()],
        why: [...found].map(([name, reason]) => `${name} by ${reason}`).join(', '),
      };
    const { default: usual, attribute } = this.#rules;
    const why = attribute === undefined ? 'no tenant takes the user' : this.#unknownId(assertion, attribute);
    return usual === undefined ? { kind: 'none', why } : { kind: 'one', tenant: usual, why: `the default: ${why}` };
  }

  /** The tenants that the user's record names outright: by the id in an attribute, or by name in the users file. */
  #named(assertion: Assertion): Map<string, string> {
    const found = new Map<string, string>();
    const { attribute } = this.#rules;
    for (const id of attribute === undefined ? [] : valuesOf(assertion, attribute)) {
      const name = this.#byId.get(id);
      if (name !== undefined) found.set(name, `${attribute} ${id}`);
    }
    const own = assertion.record?.tenant;
    if (own !== undefined && this.#tenant(own) && !found.has(own)) found.set(own, 'the users file');
    return found;
  }

  #unknownId(assertion: Assertion, attribute: string): string {
    const ids = valuesOf(assertion, attribute);
    return ids.length === 0
      ? `${attribute} is absent and no tenant takes the user`
      : `${attribute} ${ids.map((id) => JSON.stringify(id)).join(', ')} is no id of a tenant, and none takes the user`;
  }
}

function compile(name: string, { dn, groups, attributes, domains, providers }: TenantOptions[string]['match']) {
  const withoutGroups: Condition[] = [
    dnCondition(dn),
    attributeCondition(attributes),
    domainCondition(domains),
    // A ticket whose user is looked up in a directory makes the directory's user.
    ({ provider, assertion: { realm } }) => {
      const found = providers.find((one) => one === provider || one === realm);
      return found === undefined ? undefined : `provider ${found}`;
    },
  ];
  return { name, withoutGroups, conditions: [...withoutGroups, groupCondition(groups)] };
}

function dnCondition(dns: readonly string[]): Condition {
  const bases = dns.map((written) => ({ written, canonical: readDn(written)?.canonical }));
  return ({ assertion: { record } }) => {
    const entry = record?.dn === undefined || bases.length === 0 ? undefined : readDn(record.dn)?.canonical;
    if (entry === undefined) return undefined;
    const found = bases.find(({ canonical }) => canonical !== undefined && isAtOrBelow(entry, canonical));
    return found && `dn below ${found.written}`;
  };
}

function domainCondition(domains: readonly string[]): Condition {
  const wanted = new Set(domains.map((domain) => domain.toLowerCase()));
  return ({ assertion }) => {
    // Whoever may write any address into their profile would choose their company.
    if (assertion.record?.unverifiedEmail) return undefined;
    for (const address of valuesOf(assertion, 'email')) {
      const [name, domain = '', ...rest] = address.trim().toLowerCase().split('@');
      if (name !== '' && rest.length === 0 && wanted.has(domain)) return `mail domain ${domain}`;
    }
    return undefined;
  };
}

function isAt(written: string, host: string, port: string): boolean {
  const read = readRouteHost(written);
  return read !== undefined && read.name === host && (read.port === undefined || read.port === port);
}
