/** Kerberos through SPNEGO: a browser with a ticket of the domain is signed in without a form. */
import { existsSync } from 'node:fs';
import { networks } from '../../config/values.ts';
import type { Offer, Outcome } from '../../core/outcome.ts';
import type { Attempt, ProbeStep, Provider } from '../../core/provider.ts';
import { isInNetworks } from '../../routing/client-address.ts';
import { defineProvider, type ProviderContext } from '../define.ts';
import { Acceptor } from './acceptor.ts';
import { loadAddon } from './addon.ts';
import { type Lease, leaseEnvironment } from './environment.ts';
import { spnText } from './names.ts';
import { readNegotiate } from './negotiate.ts';
import { checkFiles, type KerberosOptions, kerberosOptions } from './options.ts';
import { type KerberosProbePlan, probeKerberos } from './probe.ts';
import { RealmMap, realmFates, sharedNames } from './realms.ts';

/** Tickets of a Kerberos realm or an Active Directory domain. Accepting one needs no network. */
export const kerberos = defineProvider({
  options: kerberosOptions,
  needsNetwork: false,
  checkFiles(name, options) {
    // A configuration is often checked where its keys have no business to be.
    if (!existsSync(options.keytab))
      return [`the keytab ${options.keytab} is not here; the gateway does not start without it`];
    const { realms, lacking } = checkFiles(name, options);
    realmFates(name, options.realms, realms);
    return lacking.map((spn) => `the keytab has no key of ${spnText(spn)}; tickets for it are refused`);
  },
  create(options, context): Provider {
    const { realms: own, lacking } = checkFiles(context.name, options);
    const fates = realmFates(context.name, options.realms, own);
    const addon = loadAddon();
    if (lacking.length > 0) {
      context.log.warn(
        { principals: lacking.map(spnText) },
        'the keytab has no key of some principals; tickets for them are refused',
      );
    }
    for (const realms of sharedNames(fates)) {
      context.log.warn({ realms }, 'users of the same name in these realms count as one user');
    }
    const lease = leaseEnvironment(context.name, options);
    const { principal: spns, keytab } = options;
    const acceptor = new Acceptor({ addon, lease, spns, keytab });
    return new KerberosProvider(options, { acceptor, lease, realms: new RealmMap(fates), context });
  },
});

interface Parts {
  readonly acceptor: Acceptor;
  readonly lease: Lease;
  readonly realms: RealmMap;
  readonly context: ProviderContext;
}

const negotiate: Offer = { via: 'header', value: 'Negotiate' };

class KerberosProvider implements Provider {
  readonly #parts: Parts;
  readonly #lookup: string | undefined;
  readonly #isNear: (client: Pick<Attempt, 'address' | 'isRelayed'>) => boolean;
  readonly #plan: KerberosProbePlan;
  /** A directory's word; without one a ticket is all that there is to know. */
  readonly standing?: NonNullable<Provider['standing']>;

  constructor(options: KerberosOptions, parts: Parts) {
    const { principal: spns, keytab, replayCache } = options;
    this.#parts = parts;
    const { lookup } = options;
    this.#lookup = lookup;
    if (lookup !== undefined)
      this.standing = (subject, state, signal) => parts.context.standing(lookup, subject, state, signal);
    const isListed = options.networks && networks(options.networks);
    this.#isNear = (client) => !isListed || isInNetworks(client, isListed);
    this.#plan = { spns, keytab, replayCache, realms: parts.realms.realms, clock: parts.context.clock };
  }

  async attempt(attempt: Attempt): Promise<Outcome> {
    const { stage, headers, url, signal } = attempt;
    const wantsForm = url.searchParams.getAll('method').includes('form');
    if (stage !== 'ambient' || wantsForm || !this.#isNear(attempt)) return { kind: 'challenge', offers: [] };
    const reading = readNegotiate(headers.single('authorization'));
    switch (reading.kind) {
      case 'none':
        return { kind: 'challenge', offers: [negotiate] };
      case 'no-ticket':
        // Asked again, a machine outside the domain would ask its user for a password, over and over.
        return { kind: 'challenge', offers: [] };
      case 'malformed':
        return this.#refuse('ticket-rejected', 'not a token');
      case 'token':
        return this.#accept(reading.token, signal);
      default:
        return reading satisfies never;
    }
  }

  probe(): AsyncIterable<ProbeStep> {
    return probeKerberos(this.#plan);
  }

  async close(): Promise<void> {
    this.#parts.lease.release();
  }

  async #accept(token: string, signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) return { kind: 'unavailable', reason: 'client-gone' };
    const { acceptor, realms, context } = this.#parts;
    const acceptance = await acceptor.accept(token);
    if (acceptance.kind === 'unavailable') return acceptance;
    if (acceptance.kind === 'rejected') return this.#refuse(acceptance.reason, acceptance.detail);
    const { client, reply } = acceptance;
    const found = realms.subjectOf(client);
    if (found.kind === 'rejected') return this.#refuse(found.reason, `the ticket is of ${client}`);
    const outcome = await this.#identify(found.subject, signal);
    if (outcome.kind === 'rejected') return this.#refuse(outcome.reason, `the ticket is of ${client}`);
    if (outcome.kind !== 'authenticated') return outcome;
    context.log.debug({ principal: client, subject: outcome.assertion.subject }, 'a ticket was accepted');
    return reply === undefined ? outcome : { ...outcome, headers: { 'www-authenticate': `Negotiate ${reply}` } };
  }

  /**
   * Who the user of a ticket is. With a directory it is the directory's word, realm included, so that a ticket and a
   * password make the same user; only how they proved it differs.
   */
  async #identify(subject: string, signal: AbortSignal): Promise<Outcome> {
    const { context } = this.#parts;
    if (this.#lookup === undefined) {
      return { kind: 'authenticated', assertion: { realm: context.name, subject, amr: ['kerberos'], attributes: {} } };
    }
    const found = await context.lookUp(this.#lookup, subject, signal);
    switch (found.kind) {
      case 'authenticated':
        return {
          kind: 'authenticated',
          assertion: { ...found.assertion, amr: ['kerberos'] },
          // By the name of the ticket the directory finds the account again, whatever it calls it.
          ...(subject !== found.assertion.subject && { grant: { state: { name: subject } } }),
        };
      case 'unknown-user':
        return { kind: 'rejected', reason: 'not-in-directory' };
      case 'rejected':
      case 'unavailable':
        return found;
      case 'challenge':
      case 'continue':
        return { kind: 'unavailable', reason: 'misconfigured' };
      default:
        return found satisfies never;
    }
  }

  #refuse(reason: Extract<Outcome, { kind: 'rejected' }>['reason'], detail: string): Outcome {
    this.#parts.context.log.info({ reason, detail }, 'a ticket was refused');
    return { kind: 'rejected', reason };
  }
}
