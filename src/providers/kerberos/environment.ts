/**
 * What libkrb5 reads from the environment of the process: keytab, krb5.conf, replay cache. There is one of each for all
 * providers, so a provider leases them, and two that want different ones are an error.
 */
import { OperatorError } from '../../core/errors.ts';

/** What one provider needs; absent means libkrb5's own default. */
interface KerberosSettings {
  readonly keytab: string;
  readonly krb5Config?: string | undefined;
  readonly replayCache?: string | undefined;
}

/** A provider's hold on the environment. */
export interface Lease {
  /** Makes sure that the environment is this provider's; call it right before libkrb5 is. */
  apply(): void;
  /** With the last lease the environment is again what it was. */
  release(): void;
}

interface Holder {
  readonly provider: string;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

const holders = new Set<Holder>();
let before: Readonly<Record<string, string | undefined>> = {};

const variableNames = ['KRB5_KTNAME', 'KRB5_CONFIG', 'KRB5RCACHENAME'] as const;

const optionNames: Readonly<Record<string, string>> = {
  KRB5_KTNAME: 'keytab',
  KRB5_CONFIG: 'krb5Config',
  KRB5RCACHENAME: 'replayCache',
};

/**
 * Takes the environment for a provider. Throws an OperatorError when another provider needs it otherwise.
 *
 * A provider of the same name is this one before a reload: the newer settings hold, and the older one serves what it still
 * has under way.
 */
export function leaseEnvironment(provider: string, settings: KerberosSettings): Lease {
  const { keytab, krb5Config, replayCache } = settings;
  const variables = {
    KRB5_KTNAME: `FILE:${keytab}`,
    KRB5_CONFIG: krb5Config,
    KRB5RCACHENAME: replayCache === undefined ? undefined : `file2:${replayCache}`,
  };
  const holder: Holder = { provider, variables };
  for (const other of holders) if (other.provider !== provider) refuseConflict(other, holder);
  if (holders.size === 0) before = Object.fromEntries(variableNames.map((name) => [name, process.env[name]]));
  holders.add(holder);
  const apply = (): void => write({ ...before, ...present(variables) });
  apply();
  return {
    apply,
    release: () => {
      if (holders.delete(holder) && holders.size === 0) write(before);
    },
  };
}

function refuseConflict(first: Holder, second: Holder): void {
  const name = variableNames.find((variable) => first.variables[variable] !== second.variables[variable]);
  if (name === undefined) return;
  const option = optionNames[name];
  const hint =
    option === 'keytab'
      ? 'merge the keytabs (ktutil: read_kt one, read_kt other, write_kt both) and name the merged file in both, or make one provider with a list of principals'
      : `give both the same ${option}`;
  throw new OperatorError(
    `providers.${first.provider} and providers.${second.provider}: ${option} differs, but a process can have only one`,
    hint,
  );
}

function present(variables: Holder['variables']): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== undefined));
}

/** Writes only what differs: libkrb5's threads read the environment at any time. */
function write(variables: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(variables)) {
    if (process.env[name] === value) continue;
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}
