/** The gateway's own addresses and the methods of each; who comes with another is told them. */

import { assetPath } from '../pages/assets.ts';
import { languagePath } from '../pages/layout.ts';

const read = 'GET, HEAD';

/** Where a session goes on to another host of the site, and where it arrives there. */
export const handoverPath = '/_gate/handover';

/** Where one signs in with a passkey. */
export const passkeyPath = '/_gate/passkey';

/** The same, for a login that leads somewhere; `isSwitch` where somebody else than whoever is signed in is to sign in. */
export function passkeyAddress({
  returnTo,
  isSwitch = false,
}: {
  readonly returnTo: string;
  readonly isSwitch?: boolean;
}): string {
  return `${passkeyPath}?${new URLSearchParams({ return: returnTo, ...(isSwitch && { switch: '1' }) })}`;
}

/** The methods of every address, as `Allow` names them. */
export const addresses: Readonly<Record<string, string>> = {
  '/_gate': `${read}, OPTIONS`,
  '/_gate/': `${read}, OPTIONS`,
  '/_gate/home': `${read}, OPTIONS`,
  [languagePath]: `${read}, OPTIONS`,
  '/_gate/login': `${read}, POST, OPTIONS`,
  '/_gate/factor': `${read}, POST, OPTIONS`,
  '/_gate/enrol': `${read}, POST, OPTIONS`,
  [passkeyPath]: `${read}, POST, OPTIONS`,
  '/_gate/logout': `${read}, POST, OPTIONS`,
  [handoverPath]: 'GET, OPTIONS',
  '/_gate/account': `${read}, POST, OPTIONS`,
  '/_gate/pass': `${read}, POST, OPTIONS`,
  '/_gate/session': `${read}, POST, OPTIONS`,
  '/_gate/replay': `${read}, OPTIONS`,
  '/_gate/start/:provider': `${read}, OPTIONS`,
  '/_gate/callback/:provider': `${read}, POST, OPTIONS`,
  '/_gate/backchannel/:provider': 'POST, OPTIONS',
  '/_gate/frontchannel/:provider': `${read}, OPTIONS`,
  '/_gate/jwks.json': `${read}, OPTIONS`,
  [`${assetPath}:name`]: `${read}, OPTIONS`,
};

/** The methods of one of the gateway's own addresses; undefined for any other path. */
export function methodsAt(path: string): string | undefined {
  const parts = path.split('/');
  const isAt = (address: string): boolean => {
    const pattern = address.split('/');
    const fits = (part: string, index: number) =>
      part === parts[index] || (part.startsWith(':') && parts[index] !== '');
    return pattern.length === parts.length && pattern.every(fits);
  };
  return Object.entries(addresses).find(([address]) => isAt(address))?.[1];
}
