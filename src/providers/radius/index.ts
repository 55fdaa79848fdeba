/** RADIUS: a name and a password, judged by a server over UDP. The client is our own; `docs/decisions/radius-client.md` says why. */
import type { Outcome } from '../../core/outcome.ts';
import { type Amr, type Assertion, federatedUsername } from '../../core/principal.ts';
import type { Attempt, Credentials, ProbeStep, Provider } from '../../core/provider.ts';
import { type Deadline, withDeadline } from '../../remote/deadline.ts';
import { defineProvider, type ProviderContext, timeForWork, usualTimeout } from '../define.ts';
import { textsOf } from './attributes.ts';
import { challengeOutcome, readChallenge, stateOf } from './challenge.ts';
import { RadiusClient, radiusFailure, type ServerAnswer } from './client.ts';
import { type RadiusOptions, radiusOptions, radiusWarnings } from './options.ts';
import { codes, maxPassword } from './packet.ts';
import { probeRadius } from './probe.ts';
import { accessRequest, isThere } from './requests.ts';

/** A server that speaks RADIUS. */
export const radius = defineProvider({
  options: radiusOptions,
  checkFiles: radiusWarnings,
  create: (options, context) => new RadiusProvider(options, context),
});

const maxName = 253;

/** A login that the server has taken. */
interface JudgedLogin {
  /** The name that was typed, in its canonical form. */
  readonly typed: string;
  /** More than a password was asked for, and was right. */
  readonly isChallenged: boolean;
}

class RadiusProvider implements Provider {
  readonly #options: RadiusOptions;
  readonly #context: ProviderContext;
  readonly #client: RadiusClient;
  readonly #timeout: number;
  /** A directory's word; RADIUS knows nobody who does not come with a password. */
  readonly standing?: NonNullable<Provider['standing']>;

  constructor(options: RadiusOptions, context: ProviderContext) {
    const { lookup } = options;
    this.#options = options;
    this.#context = context;
    this.#client = new RadiusClient({ ...options, log: context.log });
    this.#timeout = timeForWork(options.timeout ?? usualTimeout);
    if (lookup !== undefined)
      this.standing = (subject, state, signal) => context.standing(lookup, subject, state, signal);
    for (const warning of radiusWarnings(context.name, options)) context.log.warn({}, warning);
  }

  async attempt({ stage, credentials, state, address, signal }: Attempt): Promise<Outcome> {
    if (stage !== 'credentials' || !credentials)
      return { kind: 'challenge', offers: [{ via: 'form', form: 'password' }] };
    const named = nameOf(credentials);
    if (!named) return { kind: 'unknown-user' };
    const { name } = named;
    const before = state === undefined ? undefined : readChallenge(state, name);
    if (state !== undefined && !before) return { kind: 'rejected', reason: 'flow-foreign' };
    const { password } = credentials;
    const wrong = before ? 'code-wrong' : 'bad-password';
    if (Buffer.byteLength(password.reveal()) > maxPassword || password.reveal().includes('\0'))
      return { kind: 'rejected', reason: wrong };
    return this.#within(signal, async (deadline) => {
      const more = before ? stateOf(before) : [];
      const request = accessRequest({ ...this.#options, name, password, address, more });
      const answer = await this.#client.ask(request, deadline, before?.server);
      switch (answer.code) {
        case codes.accessReject:
          return { kind: 'rejected', reason: wrong };
        case codes.accessAccept:
          return this.#accept(answer, { typed: named.subject, isChallenged: before !== undefined }, deadline);
        case codes.accessChallenge:
          return challengeOutcome(answer, name, before);
        default:
          return answer.code satisfies never;
      }
    });
  }

  async ping(signal: AbortSignal): Promise<void> {
    await withDeadline(signal, this.#timeout, (deadline) => isThere(this.#client, this.#options, deadline));
  }

  probe(signal: AbortSignal): AsyncIterable<ProbeStep> {
    return probeRadius({ ...this.#options, client: this.#client, timeout: this.#timeout }, signal);
  }

  async #within(signal: AbortSignal, work: (deadline: Deadline) => Promise<Outcome>): Promise<Outcome> {
    try {
      return await withDeadline(signal, this.#timeout, async (deadline) => {
        deadline.signal.throwIfAborted();
        return work(deadline);
      });
    } catch (error) {
      return radiusFailure(error, this.#context.name).toOutcome();
    }
  }

  /** Who it is. With a directory it is the directory's word, realm included, as for a ticket of Kerberos. */
  async #accept(answer: ServerAnswer, login: JudgedLogin, { signal }: Deadline): Promise<Outcome> {
    const assertion = this.#assertionOf(answer, login);
    if (!assertion) return { kind: 'rejected', reason: 'claim-missing' };
    const { lookup } = this.#options;
    if (lookup === undefined) return { kind: 'authenticated', assertion };
    const { subject } = assertion;
    const found = await this.#context.lookUp(lookup, subject, signal);
    switch (found.kind) {
      case 'authenticated':
        return {
          kind: 'authenticated',
          assertion: {
            ...found.assertion,
            amr: assertion.amr,
            attributes: { ...assertion.attributes, ...found.assertion.attributes },
          },
          // By the name that was judged the directory finds the account again, whatever it calls it.
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

  /** Undefined where the attribute that names the user has not exactly one usable value. */
  #assertionOf(answer: ServerAnswer, { typed, isChallenged }: JudgedLogin): Assertion<Amr> | undefined {
    const { subject: source, ...wanted } = this.#options.attributes;
    const [named, ...others] = source ? textsOf(answer, source) : [typed];
    const subject = federatedUsername(named ?? '');
    if (subject === undefined || others.length > 0) {
      this.#context.log.warn(
        { server: answer.server.label },
        'RADIUS gives no single usable value of the attribute that names the user',
      );
      return undefined;
    }
    const values = Object.entries(wanted).map(([name, place]) => [name, textsOf(answer, place)] as const);
    const attributes = Object.fromEntries(values.filter(([, list]) => list.length > 0));
    const amr: Amr[] = isChallenged ? ['radius', 'otp'] : ['radius'];
    return { realm: this.#context.name, subject, amr, attributes };
  }
}

/** The name as the server gets it, and the one it stands for here: the two differ by case at most, so that nobody becomes another. */
function nameOf({ username }: Credentials): { readonly name: string; readonly subject: string } | undefined {
  const name = username.normalize('NFKC').trim();
  const subject = federatedUsername(name);
  return subject === undefined || Buffer.byteLength(name) > maxName ? undefined : { name, subject };
}
