/** Which revocation list is which authority's: by name and by key, as two authorities may have one name. */
import type { X509Certificate } from 'node:crypto';
import { certificateParts } from './certificate-parts.ts';
import { isSignedBy } from './list-signature.ts';
import type { RevocationList } from './revocation-list.ts';

/** A list of a file, and the authority that has signed it. */
export interface HeldList {
  readonly file: string;
  /** Without what was verified, which is most of the file. */
  readonly list: Omit<RevocationList, 'signed'>;
  /** Undefined where none that is known has signed it. */
  readonly authority: X509Certificate | undefined;
  /** Whether an authority of that name is known, whose key has not signed it. */
  readonly isForeign: boolean;
}

/** Holds a list that was read; the authorities that are known are asked whether one has signed it. */
export async function holdList(
  file: string,
  { signed, ...list }: RevocationList,
  authorities: readonly X509Certificate[],
): Promise<HeldList> {
  const named = authorities.filter((authority) => certificateParts(authority).subject.equals(list.issuer));
  for (const authority of named)
    if (certificateParts(authority).signsLists && (await isSignedBy(signed, authority.publicKey)))
      return { file, list, authority, isForeign: false };
  return { file, list, authority: undefined, isForeign: named.length > 0 };
}

/** Stands for an authority, whichever of its certificates is at hand. */
export function ownerOf(authority: X509Certificate): string {
  const { subject, key } = certificateParts(authority);
  return subject.toString('latin1') + key.toString('latin1');
}
