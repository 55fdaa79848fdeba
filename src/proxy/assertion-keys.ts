/**
 * The keys that sign the identity: kept in the store, shared by all workers, replaced in time. A key is published before
 * it signs, and stays published until nothing that it signed is valid any more.
 */
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK } from 'jose';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { Store } from '../core/store.ts';

/** How the identity may be signed. */
export type AssertionAlgorithm = 'EdDSA' | 'ES256';

/** A key that may sign now. */
interface SigningKey {
  readonly kid: string;
  readonly key: CryptoKey;
}

interface KeyRingOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly algorithm: AssertionAlgorithm;
  /** How long a key signs; 0 is for ever. */
  readonly rotate: number;
  /** How long a token is valid. */
  readonly lifetime: number;
}

interface KeptKey {
  readonly kid: string;
  readonly algorithm: AssertionAlgorithm;
  readonly private: JWK;
  readonly public: JWK;
  /** From when it may sign. */
  readonly from: number;
}

const storeKey = 'assertion-key:ring';
/** How long a key is published before it signs: longer than verifiers and other workers keep their copies. */
const lead = 10 * 60_000;
/** How often the store is asked what other workers have done. */
const refreshEvery = 60_000;
/** How soon again when that failed. */
const retryAfter = 5000;

/** The published and the signing keys. */
export class KeyRing {
  readonly #options: KeyRingOptions;
  readonly #imported = new Map<string, Promise<CryptoKey>>();
  #keys: readonly KeptKey[] = [];
  #readAt = Number.NEGATIVE_INFINITY;
  #refresh: Promise<void> | undefined;

  constructor(options: KeyRingOptions) {
    this.#options = options;
  }

  /** The key that signs now. The first call waits for the store; later ones go on with what is known if it fails. */
  async signing(): Promise<SigningKey> {
    await this.#fresh();
    const kept = current(this.#keys, this.#options);
    if (!kept) throw new Error('the store holds no key that may sign the identity');
    const known = this.#imported.get(kept.kid);
    const key = known ?? (importJWK(kept.private, kept.algorithm) as Promise<CryptoKey>);
    if (!known) this.#imported.set(kept.kid, key);
    return { kid: kept.kid, key: await key };
  }

  /** The public keys, as a JSON Web Key Set. */
  async published(): Promise<{ keys: JWK[] }> {
    await this.#fresh();
    return { keys: this.#keys.map((key) => ({ ...key.public, kid: key.kid, alg: key.algorithm, use: 'sig' })) };
  }

  async #fresh(): Promise<void> {
    const { clock, log } = this.#options;
    if (clock.now() - this.#readAt < refreshEvery) return;
    this.#refresh ??= this.#read().finally(() => {
      this.#refresh = undefined;
    });
    if (!current(this.#keys, this.#options)) return this.#refresh;
    // A store that is out of reach must not stop requests while a known key still signs.
    this.#refresh.catch((error: unknown) => {
      this.#readAt = clock.now() - refreshEvery + retryAfter;
      log.warn({ error }, 'the signing keys could not be read again');
    });
  }

  /** Reads the ring and mends it where it is due. Compare-and-set: of workers that do so at once, one wins. */
  async #read(): Promise<void> {
    const { store, clock } = this.#options;
    for (let attempt = 0; attempt < 10; attempt += 1) {
      const stored = await store.get(storeKey);
      const keys = stored ? (JSON.parse(stored.value) as KeptKey[]) : [];
      const due = await this.#renew(keys);
      if (due === keys || (await store.replace(storeKey, stored?.version, JSON.stringify(due)))) {
        this.#keys = due;
        this.#readAt = clock.now();
        return;
      }
    }
    throw new Error('the signing keys changed at every attempt to write them');
  }

  /** The same list when nothing is due. */
  async #renew(keys: readonly KeptKey[]): Promise<readonly KeptKey[]> {
    const { clock, rotate, lifetime, algorithm } = this.#options;
    const now = clock.now();
    const signing = current(keys, this.#options);
    // The first one signs at once, also where another worker's clock is behind.
    if (!signing) return [...keys, await makeKey(algorithm, now - lead)];
    const next = keys.find((key) => key.algorithm === algorithm && key.from > now);
    if (!next && rotate > 0 && now - signing.from >= rotate - lead)
      return [...keys, await makeKey(algorithm, now + lead)];
    // Workers may go on with the former key until they have read the ring again.
    const over = signing.from + refreshEvery + lead + lifetime;
    const kept = now < over ? keys : keys.filter((key) => key.from >= signing.from);
    return kept.length === keys.length ? keys : kept;
  }
}

/** The youngest key of the configured algorithm whose time has come. */
function current(keys: readonly KeptKey[], { algorithm, clock }: KeyRingOptions): KeptKey | undefined {
  const now = clock.now();
  const usable = keys.filter((key) => key.algorithm === algorithm && key.from <= now);
  return usable.reduce<KeptKey | undefined>(
    (youngest, key) => (youngest && youngest.from >= key.from ? youngest : key),
    undefined,
  );
}

async function makeKey(algorithm: AssertionAlgorithm, from: number): Promise<KeptKey> {
  const pair = await generateKeyPair(algorithm, {
    extractable: true,
    ...(algorithm === 'EdDSA' && { crv: 'Ed25519' }),
  });
  const [secret, shared] = await Promise.all([exportJWK(pair.privateKey), exportJWK(pair.publicKey)]);
  return { kid: await calculateJwkThumbprint(shared), algorithm, private: secret, public: shared, from };
}
