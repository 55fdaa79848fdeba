/** Which providers a translation needs, what they are called, and the chain that they make. */
import { type Draft, isPlain, type Plain } from './translation.ts';

/** The order in which the ways in are asked: those that need no typing first, XiVO's own accounts last. */
export const chainOrder = ['kerberos', 'cas', 'oidc', 'ldap', 'local'] as const;

/** A way to sign in, by the `type:` of its provider. */
export type Way = (typeof chainOrder)[number];

/** The providers of a translation. */
export class Ways {
  readonly #draft: Draft;
  readonly #wanted = new Map<Way, { readonly name: string; readonly origin: string }>();
  readonly #unwanted = new Map<Way, string>();

  constructor(draft: Draft) {
    this.#draft = draft;
  }

  /**
   * The name of the provider that a setting is about: the only one of its type that is there, or a new one. Undefined when
   * there are several; that is a problem of the draft.
   */
  want(way: Way, origin: string): string | undefined {
    const [only, ...more] = this.#present(way);
    if (more.length > 0) {
      const names = [only, ...more].map((entry) => entry?.[0]).join(', ');
      const hint = 'leave this setting out and write it in the file, since it is not clear which of them is meant';
      this.#draft.problem(origin, `there are several providers of type ${way}: ${names}`, hint);
      return undefined;
    }
    const isTaken = this.#draft.at('providers', way) !== undefined;
    const name = this.#wanted.get(way)?.name ?? only?.[0] ?? (isTaken ? `xivo-${way}` : way);
    if (!only && !this.#wanted.has(way)) this.#draft.set(['providers', name, 'type'], way, origin);
    if (!this.#wanted.has(way)) this.#wanted.set(way, { name, origin });
    return name;
  }

  /** Keeps a way out of the chain. */
  drop(way: Way, origin: string): void {
    this.#unwanted.set(way, origin);
  }

  /** Whether the configuration that is already there has a provider of this type. */
  has(way: Way): boolean {
    return this.#present(way).length > 0;
  }

  /** The provider that this translation needs, where it does. */
  wanted(way: Way): { readonly name: string; readonly origin: string } | undefined {
    return this.#wanted.get(way);
  }

  /** A value for a provider. */
  set(provider: string, key: string, value: unknown, origin: string): void {
    this.#draft.set(['providers', provider, key], value, origin);
  }

  /** Adds the chain to the draft: what is there, without what is off, with what is new at its place in the order. */
  finish(): void {
    const present = this.#draft.at('login', 'chain');
    const before: readonly unknown[] = Array.isArray(present) ? present : [];
    const origins: string[] = this.#draft.existing ? [] : [...this.#unwanted.values()];
    const chain = before.filter((name) => {
      const off = this.#unwanted.get(this.#wayOf(name) ?? 'local');
      if (this.#wayOf(name) === undefined || off === undefined) return true;
      origins.push(off);
      return false;
    });
    for (const way of chainOrder) {
      const wanted = this.#wanted.get(way);
      if (!wanted || chain.includes(wanted.name)) continue;
      const at = chain.findIndex((name) => rankOf(this.#wayOf(name)) > rankOf(way));
      chain.splice(at === -1 ? chain.length : at, 0, wanted.name);
      origins.push(wanted.origin);
    }
    // A file that lacks its chain is told so by the schema, with its line.
    if (origins.length === 0 && (chain.length > 0 || this.#draft.existing)) return;
    const origin = [...new Set(origins)].join(', ') || 'environment';
    if (chain.length === 0)
      this.#draft.problem(
        origin,
        'no way to sign in is left',
        'set up LDAP, Kerberos, CAS or OpenID Connect, or leave the accounts of XiVO on',
      );
    this.#draft.set(['login', 'chain'], chain, origin);
    const first = this.#draft.at('login', 'default');
    if (first !== undefined && !chain.includes(first)) this.#draft.set(['login', 'default'], undefined, origin);
  }

  #present(way: Way): [string, Plain][] {
    const present = this.#draft.at('providers');
    return Object.entries(isPlain(present) ? present : {}).flatMap(([name, options]): [string, Plain][] =>
      isPlain(options) && options.type === way ? [[name, options]] : [],
    );
  }

  #wayOf(name: unknown): Way | undefined {
    const [added] = [...this.#wanted].find(([, wanted]) => wanted.name === name) ?? [];
    return added ?? chainOrder.find((way) => this.#present(way).some(([present]) => present === name));
  }
}

/** A provider of another kind stays before all that is added. */
function rankOf(way: Way | undefined): number {
  return way === undefined ? -1 : chainOrder.indexOf(way);
}
