/** `gatehouse check --connect` for Kerberos. It asks no KDC: accepting tickets needs the keytab and a right clock, no network. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { OperatorError } from '../../core/errors.ts';
import type { ProbeStep } from '../../core/provider.ts';
import { loadAddon } from './addon.ts';
import { enctypeName, isWeak, type KeytabEntry, readKeytab } from './keytab.ts';
import { isSpn, type Spn, spnText } from './names.ts';
import { withoutKey } from './options.ts';

/** What is looked at. */
export interface KerberosProbePlan {
  readonly spns: readonly Spn[];
  readonly keytab: string;
  readonly replayCache: string | undefined;
  readonly realms: readonly string[];
  readonly clock: Clock;
}

type KerberosStepResult = Pick<ProbeStep, 'result' | 'detail' | 'hint'>;

/** Looks at each part in turn; ends after the first that failed. */
export async function* probeKerberos(plan: KerberosProbePlan): AsyncGenerator<ProbeStep, void, undefined> {
  let entries: readonly KeytabEntry[] = [];
  const steps: readonly (readonly [string, () => KerberosStepResult])[] = [
    ['addon', probeAddon],
    ['keytab', () => probeKeytab(plan, (found) => (entries = found))],
    ['principal', () => probePrincipals(plan, entries)],
    ['enctypes', () => probeEnctypes(plan, entries)],
    ['replay', () => probeReplayCache(plan)],
    ['clock', () => probeClock(plan, entries)],
  ];
  for (const [step, look] of steps) {
    const start = performance.now();
    const finding = safely(look);
    yield { step, ...finding, milliseconds: Math.round(performance.now() - start) };
    if (finding.result === 'failed') return;
  }
}

function safely(look: () => KerberosStepResult): KerberosStepResult {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { result: 'failed', detail: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
  }
}

function probeAddon(): KerberosStepResult {
  loadAddon();
  return { result: 'ok', detail: 'the kerberos package and libgssapi_krb5 are loaded' };
}

function probeKeytab(
  { keytab }: KerberosProbePlan,
  keep: (entries: readonly KeytabEntry[]) => void,
): KerberosStepResult {
  const entries = readKeytab(keytab);
  keep(entries);
  const principals = Map.groupBy(entries, ({ principal }) => principal);
  const kvnos = (of: readonly KeytabEntry[]) =>
    [...new Set(of.map(({ kvno }) => kvno))].sort((a, b) => a - b).join(', ');
  const listed = [...principals].map(([principal, of]) => `${principal} (kvno ${kvnos(of)})`).join(', ');
  const detail = `${keytab}: ${entries.length} keys: ${listed || 'none'}`;
  const mode = statSync(keytab).mode & 0o777;
  if ((mode & 0o027) === 0) return { result: 'ok', detail };
  const hint = `chmod 600 ${keytab}: who reads it can pass for the gateway and for any user`;
  return { result: 'warning', detail: `${detail}; its mode is ${mode.toString(8)}`, hint };
}

function probePrincipals({ spns, realms }: KerberosProbePlan, entries: readonly KeytabEntry[]): KerberosStepResult {
  const lacking = withoutKey(entries, spns).map(spnText);
  if (lacking.length > 0) {
    const hint = 'export the keytab again with all principals; hosts and realm must be those of the SPN';
    return { result: 'failed', detail: `the keytab has no key of ${lacking.join(', ')}`, hint };
  }
  return { result: 'ok', detail: `${spns.map(spnText).join(', ')}; users of ${realms.join(', ')}` };
}

function probeEnctypes({ spns }: KerberosProbePlan, entries: readonly KeytabEntry[]): KerberosStepResult {
  const ours = entries.filter(({ principal }) => spns.some((spn) => isSpn(principal, spn)));
  const names = (of: readonly KeytabEntry[]) => [...new Set(of.map(({ enctype }) => enctypeName(enctype)))].join(', ');
  const weak = ours.filter(({ enctype }) => isWeak(enctype));
  if (weak.length === 0) return { result: 'ok', detail: names(ours) };
  const hint =
    'export AES keys: ktpass /crypto AES256-SHA1 with "This account supports Kerberos AES 256 bit encryption", or ktadd -e aes256-cts:normal';
  const only = weak.length === ours.length ? ', and nothing stronger' : '';
  return { result: 'warning', detail: `${names(ours)}; ${names(weak)} can be broken${only}`, hint };
}

function probeReplayCache({ replayCache }: KerberosProbePlan): KerberosStepResult {
  const folder = replayCache === undefined ? (process.env.KRB5RCACHEDIR ?? '/var/tmp') : dirname(replayCache);
  try {
    accessSync(folder, constants.W_OK);
    return { result: 'ok', detail: `${replayCache ?? folder} takes the tickets that were seen` };
  } catch {
    const hint = 'set replayCache to a file in a folder that this user may write, shared by all workers of the host';
    return { result: 'failed', detail: `${folder} cannot be written: every ticket would be refused`, hint };
  }
}

const tolerated = 5 * 60_000;

function probeClock({ clock }: KerberosProbePlan, entries: readonly KeytabEntry[]): KerberosStepResult {
  const now = clock.now();
  const newest = Math.max(0, ...entries.map(({ writtenAt }) => writtenAt));
  const here = `this machine's time is ${new Date(now).toISOString()}`;
  if (newest <= now + tolerated) {
    return {
      result: 'ok',
      detail: `${here}; tickets are refused when it is 5 minutes off. No KDC is asked, accepting tickets needs none`,
    };
  }
  const hint = 'set the clock by NTP, from the domain controllers where there are some';
  return { result: 'warning', detail: `${here}, but the keytab was written ${new Date(newest).toISOString()}`, hint };
}
