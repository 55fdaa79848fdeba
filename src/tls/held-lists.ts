/** Which revocation list is which authority's: by name and by key, as two authorities may have one name. */
import type { X509Certificate } from 'node:crypto';
import { certificateParts } from './certificate-parts.ts';
import { isSignedBy, isSignedByNow, type Signed } from './list-signature.ts';
import type { RevocationList } from './revocation-list.ts';

/** A list of a file, and the authority that has signed it. */
export interface HeldList {
  readonly file: string;
  readonly list: Omit<RevocationList, 'signed'>;
  /** Undefined until one is met that has signed it. */
  authority: X509Certificate | undefined;
  /** What is to be verified; let go of once that is done, as it is most of the file. */
  signed: Signed | undefined;
  /** Whether an authority of that name is known, whose key has not signed it. */
  isForeign: boolean;
}

/** Holds a list that was read; the authorities that are known are asked whether one has signed it. */
export async function holdList(
  file: string,
  { signed, ...list }: RevocationList,
  authorities: readonly X509Certificate[],
): Promise<HeldList> {
  const named = authorities.filter((authority) => isNamed(list, authority));
  for (const authority of named)
    if (certificateParts(authority).signsLists && (await isSignedBy(signed, authority.publicKey)))
      return { file, list, authority, signed: undefined, isForeign: false };
  return { file, list, authority: undefined, signed, isForeign: named.length > 0 };
}

/** The lists of an authority. */
export class ListIndex {
  readonly #byOwner = new Map<string, HeldList[]>();
  readonly #waiting: HeldList[] = [];
  /** Authorities that have been tried on the lists that wait. */
  readonly #tried = new Set<string>();

  constructor(lists: readonly HeldList[]) {
    for (const held of lists) {
      if (held.authority) this.#give(held, ownerOf(held.authority));
      else this.#waiting.push(held);
    }
  }

  /** An authority below those that are known shows itself in a handshake: what waits for it is verified then, once. */
  of(authority: X509Certificate): readonly HeldList[] {
    const owner = ownerOf(authority);
    if (this.#waiting.length > 0 && !this.#tried.has(owner)) {
      this.#tried.add(owner);
      this.#claim(authority, owner);
    }
    return this.#byOwner.get(owner) ?? [];
  }

  #claim(authority: X509Certificate, owner: string): void {
    if (!certificateParts(authority).signsLists) return;
    for (const held of [...this.#waiting]) {
      if (!held.signed || !isNamed(held.list, authority) || !isSignedByNow(held.signed, authority.publicKey)) continue;
      held.authority = authority;
      held.signed = undefined;
      held.isForeign = false;
      this.#waiting.splice(this.#waiting.indexOf(held), 1);
      this.#give(held, owner);
    }
  }

  #give(held: HeldList, owner: string): void {
    this.#byOwner.set(owner, [...(this.#byOwner.get(owner) ?? []), held]);
  }
}

function isNamed({ issuer }: Pick<RevocationList, 'issuer'>, authority: X509Certificate): boolean {
  return certificateParts(authority).subject.equals(issuer);
}

/** Stands for an authority, whichever of its certificates is at hand. */
export function ownerOf(authority: X509Certificate): string {
  const { subject, key } = certificateParts(authority);
  return subject.toString('latin1') + key.toString('latin1');
}
