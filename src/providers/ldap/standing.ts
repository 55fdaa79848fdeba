/** What an entry says of its account besides who it is: whether it may still be used, and since when its password holds. */
import type { Reason } from '../../core/reason.ts';
import type { DirectoryEntry } from './entry.ts';

/** What is read of an entry to judge it. Servers leave out what they do not know, and what the manager may not read. */
export const standingAttributes: readonly string[] = [
  // Active Directory.
  'userAccountControl',
  'accountExpires',
  'lockoutTime',
  'msDS-User-Account-Control-Computed',
  'pwdLastSet',
  // OpenLDAP with the overlay ppolicy (draft-behera-ldap-password-policy).
  'pwdAccountLockedTime',
  'pwdStartTime',
  'pwdEndTime',
  'pwdChangedTime',
  'pwdReset',
  // 389 Directory Server, FreeIPA.
  'nsAccountLock',
  'accountUnlockTime',
  'krbPrincipalExpiration',
  'krbLastPwdChange',
  // eDirectory.
  'loginDisabled',
  'loginExpirationTime',
  'lockedByIntruder',
];

const disabledInActiveDirectory = 0x2;
const lockedInActiveDirectory = 0x10;
/** What a draft of the password policy has for "until somebody unlocks it"; any other time is that of too many failures. */
const lockedForGood = '000001010000Z';
/** 100 ns since 1601, which Active Directory counts in; the largest number is "never", like 0. */
const ticksPerMillisecond = 10_000n;
const epochInTicks = 116_444_736_000_000_000n;
const never = 0x7fff_ffff_ffff_ffffn;

/** Why an account may not be used any more; undefined where it may, and where only wrong passwords have locked it. */
export function refusalIn(entry: DirectoryEntry, now: number): Reason | undefined {
  const [one, isTrue] = [first(entry), (name: string) => /^true$/i.test(first(entry)(name))];
  if (Number(one('userAccountControl')) & disabledInActiveDirectory) return 'account-disabled';
  if (isTrue('nsAccountLock') || isTrue('loginDisabled')) return 'account-disabled';
  if (one('pwdAccountLockedTime') === lockedForGood) return 'account-locked';
  const ends = [
    fileTime(one('accountExpires')),
    ...['pwdEndTime', 'krbPrincipalExpiration', 'loginExpirationTime'].map((name) => generalizedTime(one(name))),
  ];
  if (ends.some((end) => end !== undefined && end <= now)) return 'account-expired';
  const begins = generalizedTime(one('pwdStartTime'));
  return begins !== undefined && begins > now ? 'account-disabled' : undefined;
}

/**
 * Why nobody may sign in without a bind, besides: what the directory would say to one. A lock after wrong passwords that has run out
 * is taken off by a bind alone, and where the directory does not tell that it has, it stands until then.
 */
export function lockIn(entry: DirectoryEntry, now: number): Reason | undefined {
  const one = first(entry);
  const computed = one('msDS-User-Account-Control-Computed');
  const isLockedThere =
    computed === '' ? /[1-9]/.test(one('lockoutTime')) : (Number(computed) & lockedInActiveDirectory) !== 0;
  const unlocksAt = generalizedTime(one('accountUnlockTime'));
  const isLocked =
    isLockedThere ||
    one('pwdAccountLockedTime') !== '' ||
    // The epoch is "until somebody unlocks it".
    (unlocksAt !== undefined && (unlocksAt === 0 || unlocksAt > now)) ||
    /^true$/i.test(one('lockedByIntruder'));
  if (isLocked) return 'account-locked';
  return passwordSetAt(entry) === Number.POSITIVE_INFINITY ? 'password-must-change' : undefined;
}

/** When the password was set, in milliseconds since the epoch; infinite where it must be set anew, undefined where it is not told. */
export function passwordSetAt(entry: DirectoryEntry): number | undefined {
  const one = first(entry);
  if (one('pwdLastSet') === '0' || /^true$/i.test(one('pwdReset'))) return Number.POSITIVE_INFINITY;
  return (
    fileTime(one('pwdLastSet')) ?? generalizedTime(one('pwdChangedTime')) ?? generalizedTime(one('krbLastPwdChange'))
  );
}

function first(entry: DirectoryEntry): (attribute: string) => string {
  return (attribute) => entry.values(attribute)[0]?.trim() ?? '';
}

function fileTime(text: string): number | undefined {
  if (!/^\d{1,19}$/.test(text)) return undefined;
  const ticks = BigInt(text);
  return ticks === 0n || ticks >= never ? undefined : Number((ticks - epochInTicks) / ticksPerMillisecond);
}

/** RFC 4517 §3.3.13: minutes, seconds and a fraction may be left out; the zone may be an offset. */
function generalizedTime(text: string): number | undefined {
  const match =
    /^(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:(\d\d))?)?(?:[.,]\d+)?(?:Z|([+-])(\d\d)(\d\d)?)$/.exec(text) ?? undefined;
  if (!match) return undefined;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0));
  const offset = (Number(match[8] ?? 0) * 60 + Number(match[9] ?? 0)) * 60_000 * (match[7] === '-' ? -1 : 1);
  return Date.UTC(year, month - 1, day, hour, minute, second) - offset;
}
