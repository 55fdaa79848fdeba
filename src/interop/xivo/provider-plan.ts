/** Which providers a translation needs, what they are called, and the chain that they make. */
import { isPlain, type Plain, type Translation } from './translation.ts';

/** The order in which the ways in are asked: those that need no typing first, XiVO's own accounts last. */
const chainOrder = ['kerberos', 'cas', 'oidc', 'ldap', 'local'] as const;

/** The `type:` of a provider that XiVO's settings can speak of. */
type ProviderType = (typeof chainOrder)[number];

/** Which providers a translation needs, and the chain that they make. */
export class ProviderPlan {
  readonly #translation: Translation;
  readonly #wanted = new Map<ProviderType, { readonly name: string; readonly origin: string }>();
  readonly #unwanted = new Map<ProviderType, string>();

  constructor(translation: Translation) {
    this.#translation = translation;
  }

  /**
   * The name of the provider that a setting is about: the only one of its type that is there, or a new one. Undefined when
   * there are several; that is a problem of the translation.
   */
  want(type: ProviderType, origin: string): string | undefined {
    const [only, ...more] = this.#present(type);
    if (more.length > 0) {
      const names = [only, ...more].map((entry) => entry?.[0]).join(', ');
      const hint = 'leave this setting out and write it in the file, since it is not clear which of them is meant';
      this.#translation.problem(origin, `there are several providers of type ${type}: ${names}`, hint);
      return undefined;
    }
    const isTaken = this.#translation.at('providers', type) !== undefined;
    const name = this.#wanted.get(type)?.name ?? only?.[0] ?? (isTaken ? `xivo-${type}` : type);
    if (!only && !this.#wanted.has(type)) this.#translation.set(['providers', name, 'type'], type, origin);
    if (!this.#wanted.has(type)) this.#wanted.set(type, { name, origin });
    return name;
  }

  /** Keeps a way out of the chain. */
  drop(type: ProviderType, origin: string): void {
    this.#unwanted.set(type, origin);
  }

  /** Whether the configuration that is already there has a provider of this type. */
  has(type: ProviderType): boolean {
    return this.#present(type).length > 0;
  }

  /** The provider that this translation needs, where it does. */
  wanted(type: ProviderType): { readonly name: string; readonly origin: string } | undefined {
    return this.#wanted.get(type);
  }

  /** A value for a provider. */
  set(provider: string, key: string, value: unknown, origin: string, variable?: string): void {
    this.#translation.set(['providers', provider, key], value, origin, variable);
  }

  /** Adds the chain to the translation: what is there, without what is off, with what is new at its place in the order. */
  finish(): void {
    const present = this.#translation.at('login', 'chain');
    const before: readonly unknown[] = Array.isArray(present) ? present : [];
    const origins: string[] = this.#translation.existing ? [] : [...this.#unwanted.values()];
    const chain = before.filter((name) => {
      const off = this.#unwanted.get(this.#typeOf(name) ?? 'local');
      if (this.#typeOf(name) === undefined || off === undefined) return true;
      origins.push(off);
      return false;
    });
    for (const type of chainOrder) {
      const wanted = this.#wanted.get(type);
      if (!wanted || chain.includes(wanted.name)) continue;
      const at = chain.findIndex((name) => rankOf(this.#typeOf(name)) > rankOf(type));
      chain.splice(at === -1 ? chain.length : at, 0, wanted.name);
      origins.push(wanted.origin);
    }
    // A file that lacks its chain is told so by the schema, with its line.
    if (origins.length === 0 && (chain.length > 0 || this.#translation.existing)) return;
    const origin = [...new Set(origins)].join(', ') || 'environment';
    if (chain.length === 0)
      this.#translation.problem(
        origin,
        'no way to sign in is left',
        'set up LDAP, Kerberos, CAS or OpenID Connect, or leave the accounts of XiVO on',
      );
    this.#translation.set(['login', 'chain'], chain, origin);
    const first = this.#translation.at('login', 'default');
    if (first !== undefined && !chain.includes(first)) this.#translation.set(['login', 'default'], undefined, origin);
  }

  #present(type: ProviderType): [string, Plain][] {
    const present = this.#translation.at('providers');
    return Object.entries(isPlain(present) ? present : {}).flatMap(([name, options]): [string, Plain][] =>
      isPlain(options) && options.type === type ? [[name, options]] : [],
    );
  }

  #typeOf(name: unknown): ProviderType | undefined {
    const [added] = [...this.#wanted].find(([, wanted]) => wanted.name === name) ?? [];
    return added ?? chainOrder.find((type) => this.#present(type).some(([present]) => present === name));
  }
}

/** A provider of another kind stays before all that is added. */
function rankOf(type: ProviderType | undefined): number {
  return type === undefined ? -1 : chainOrder.indexOf(type);
}
