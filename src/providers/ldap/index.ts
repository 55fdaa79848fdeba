/** LDAP and Active Directory: search for the user, bind as the user. */
import * as z from 'zod';
import type { Clock } from '../../core/clock.ts';
import type { Outcome } from '../../core/outcome.ts';
import type { Attempt, ProbeStep, Provider } from '../../core/provider.ts';
import { type Deadline, withDeadline } from '../../remote/deadline.ts';
import { defineProvider, type ProviderContext, timeForWork, usualTimeout } from '../define.ts';
import { Directory } from './directory.ts';
import { directoryFailure } from './failure.ts';
import { DirectoryLogin } from './login.ts';
import {
  attributeMapOf,
  checkLdapOptions,
  groupSourceOf,
  type LdapOptions,
  ldapOptions,
  managerOf,
  securityOf,
  userFilterOf,
} from './options.ts';
import { type DirectoryProbePlan, probeDirectory } from './probe.ts';

/** A directory that speaks LDAP. */
export const ldap = defineProvider({
  options: ldapOptions,
  isDirectory: true,
  checkTogether: checkLdapOptions,
  create: (options, context) => new LdapProvider(options, context),
});

/** What a session keeps where the directory calls somebody otherwise than they do. */
const keptState = z.object({ name: z.string() });

class LdapProvider implements Provider {
  readonly changesPasswords = true;
  readonly #name: string;
  readonly #timeout: number;
  readonly #clock: Clock;
  readonly #directory: Directory;
  readonly #login: DirectoryLogin;
  readonly #plan: DirectoryProbePlan;

  constructor(options: LdapOptions, { name, log, clock, onCertificate, passwords }: ProviderContext) {
    const { url: servers, searchBase, poolSize, flavor } = options;
    const timeout = options.timeout ?? usualTimeout;
    const manager = managerOf(options);
    const security = securityOf(options, onCertificate);
    const attributes = attributeMapOf(options);
    const groups = groupSourceOf(options);
    const wanted = [attributes.subject, ...attributes.others.map(([, attribute]) => attribute)];
    const listed = groups?.kind === 'listed' ? [groups.listedIn] : [];
    const search = { base: searchBase, filter: userFilterOf(options), attributes: [...wanted, ...listed] };
    this.#name = name;
    this.#clock = clock;
    this.#timeout = timeForWork(timeout);
    this.#directory = new Directory({ servers, security, manager, flavor, poolSize, clock, log });
    this.#login = new DirectoryLogin({
      realm: name,
      directory: this.#directory,
      search,
      attributes,
      groups,
      log,
      passwords,
    });
    this.#plan = { servers, security, manager, directory: this.#directory, search, attributes, groups, timeout, clock };
    warnOfPlainText(options, log);
  }

  async attempt({ credentials, state, signal }: Attempt): Promise<Outcome> {
    if (!credentials) return { kind: 'challenge', offers: [{ via: 'form', form: 'password' }] };
    // Who is signed in is found as at the login.
    const name = credentials.isWish && keptState.safeParse(state).data?.name;
    const asked = name ? { ...credentials, username: name } : credentials;
    return this.#within(signal, (deadline) => this.#login.check(asked, deadline));
  }

  /** The `amr` of the assertion is for the caller to replace: a directory cannot say how the user was authenticated. */
  async lookUp(username: string, signal: AbortSignal): Promise<Outcome> {
    return this.#within(signal, (deadline) => this.#login.lookUp(username, deadline));
  }

  async standing(subject: string, state: unknown, signal: AbortSignal): Promise<Outcome> {
    const { data } = keptState.safeParse(state);
    const asked = { subject, name: data?.name, now: this.#clock.now() };
    return this.#within(signal, (deadline) => this.#login.standing(asked, deadline));
  }

  async admit(subject: string, signal: AbortSignal): Promise<Outcome> {
    const asked = { subject, name: undefined, now: this.#clock.now(), isLogin: true };
    return this.#within(signal, (deadline) => this.#login.standing(asked, deadline));
  }

  async ping(signal: AbortSignal): Promise<void> {
    await withDeadline(signal, this.#timeout, (deadline) => this.#directory.ping(deadline));
  }

  probe(signal: AbortSignal): AsyncIterable<ProbeStep> {
    return probeDirectory(this.#plan, signal);
  }

  async close(): Promise<void> {
    this.#directory.close();
  }

  async #within(signal: AbortSignal, work: (deadline: Deadline) => Promise<Outcome>): Promise<Outcome> {
    try {
      return await withDeadline(signal, this.#timeout, async (deadline) => {
        deadline.signal.throwIfAborted();
        return work(deadline);
      });
    } catch (error) {
      return directoryFailure(error, this.#name).toOutcome();
    }
  }
}

function warnOfPlainText({ url, startTls }: LdapOptions, log: ProviderContext['log']): void {
  if (startTls) return;
  for (const { label, host, secure } of url) {
    if (!secure && !/^(localhost|127\.|::1$)/.test(host)) {
      log.warn({ url: label }, 'ldap passwords go over the network unencrypted; use ldaps:// or startTls: true');
    }
  }
}
