/** Whose each key is: one account's, and no other's (WebAuthn Level 3, §7.1, step 26). */
import { hash } from 'node:crypto';
import * as z from 'zod';
import { type Account, accountKey, accountNamed } from '../../core/account.ts';
import type { FirstOwner } from '../../core/factor.ts';
import type { Store } from '../../core/store.ts';

/** Records of earlier versions are the account's key alone, from which nobody can tell the account. */
const ownerSchema = z.looseObject({
  account: z.string(),
  tenant: z.string(),
  subject: z.string(),
  provider: z.string().optional(),
});

/** Keeps it, under a digest of the credential's id. Every method throws when the store is out of reach. */
export class KeyOwners {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Makes a key an account's, which `provider` has vouched for; false where it is another's. */
  async claim(id: string, account: Account, provider: string | undefined): Promise<boolean> {
    const own = accountKey(account);
    const { tenant, subject } = account;
    const value = JSON.stringify({ account: own, tenant, subject, ...(provider !== undefined && { provider }) });
    if (await this.#store.replace(keyOf(id), undefined, value)) return true;
    const stored = await this.#store.get(keyOf(id));
    if (!stored || accountIn(stored.value) !== own) return false;
    return this.#store.replace(keyOf(id), stored.version, value);
  }

  /** Undefined where the key is nobody's, or nobody has noted who vouched for its owner. */
  async find(id: string): Promise<FirstOwner | undefined> {
    const stored = await this.#store.get(keyOf(id));
    const owner = stored && ownerIn(stored.value);
    if (owner?.provider === undefined) return undefined;
    return { account: accountNamed(owner.subject, owner.tenant), provider: owner.provider };
  }

  /** A key goes along with its owner, who is another account from here on. */
  async carry(id: string, from: Account, { tenant, subject }: Account): Promise<void> {
    const stored = await this.#store.get(keyOf(id));
    if (!stored || accountIn(stored.value) !== accountKey(from)) return;
    const account = accountKey({ tenant, subject });
    await this.#store.put(keyOf(id), JSON.stringify({ ...ownerIn(stored.value), account, tenant, subject }));
  }

  /** From here on another account may set the key up. */
  async forget(id: string): Promise<void> {
    await this.#store.delete(keyOf(id));
  }
}

function keyOf(id: string): string {
  return `credential:${hash('sha256', id, 'base64url')}`;
}

function accountIn(value: string): string {
  return ownerIn(value)?.account ?? value;
}

function ownerIn(value: string): z.output<typeof ownerSchema> | undefined {
  if (!value.startsWith('{')) return undefined;
  const { data } = ownerSchema.safeParse(JSON.parse(value));
  return data;
}
