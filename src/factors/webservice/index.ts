/** A check outside: another system has the user's devices, makes or reads the codes, and says whether one is right. */
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { duration, httpUrl, secret, wordsForVisitors } from '../../config/values.ts';
import type { Account } from '../../core/account.ts';
import type { AskOutcome, AskTerms, Factor, FactorOutcome, FactorResponse } from '../../core/factor.ts';
import type { ProbeStep } from '../../core/provider.ts';
import { caBundle } from '../../remote/trust-options.ts';
import { defineFactor, type FactorContext, secondProof } from '../define.ts';
import { VerificationService } from './client.ts';

const addresses = z.strictObject({
  test: httpUrl().optional().describe('where environment is test'),
  production: httpUrl().optional().describe('where environment is production'),
});

const options = z.strictObject({
  environment: z.enum(['test', 'production']).default('production').describe('which of the addresses are asked'),
  contacts: addresses.describe('the service that says by which methods a user can be checked'),
  verify: addresses.describe('the service that says whether a code is right'),
  secret: secret().describe('signs the requests; the service has the same'),
  email: z.strictObject({ attribute: z.string().min(1) }).prefault({ attribute: 'email' }),
  phone: z.strictObject({ attribute: z.string().min(1) }).prefault({ attribute: 'mobile' }),
  ca: caBundle().optional().describe("the CAs that its certificate is checked by; the machine's when absent"),
  timeout: z
    .union([z.int().min(1).max(600_000), duration()])
    .default(5000)
    .describe('for one request; a bare number is milliseconds'),
  prompt: wordsForVisitors(300).optional().describe('above the field of the code; one text, or one a language'),
  noContact: z
    .enum(['other', 'help', 'refuse'])
    .default('other')
    .describe(
      'what follows where the service names no method: the other factors, or a page that says whom to ask or what is missing',
    ),
  tries: z.int().min(1).max(20).default(3).describe('wrong entries in one login'),
  afterTries: z.enum(['restart', 'other', 'lock', 'help']).default('restart').describe('what follows after them'),
});

type WebserviceOptions = z.output<typeof options>;

const stateSchema = z.strictObject({
  transaction: z.string(),
  methods: z.array(z.string()),
  tries: z.int().min(0),
});

/** How long the mark of an answered transaction stays: longer than any pending login. */
const markTime = 60 * 60_000;

class WebserviceFactor implements Factor {
  readonly canBeGuessed = true;
  readonly isNetworked = true;
  readonly #options: WebserviceOptions;
  readonly #context: FactorContext;
  readonly #service: VerificationService;

  constructor(given: WebserviceOptions, context: FactorContext) {
    this.#options = given;
    this.#context = context;
    const { environment, contacts, verify, secret: key, ca } = given;
    const [asked, judged] = [contacts[environment], verify[environment]];
    if (!asked || !judged) throw new TypeError('the addresses of the environment were checked before');
    // The answer must be here before whoever asks gives up, so that it can say what was wrong.
    const timeout = given.timeout - Math.min(100, given.timeout / 20);
    this.#service = new VerificationService({ contacts: asked, verify: judged, secret: key, timeout, ca }, context);
  }

  async isUsable(): Promise<boolean> {
    // Only the service knows, and it is asked when it is its turn.
    return true;
  }

  async ask(
    account: Account,
    _enrolments: readonly unknown[],
    { assertion, signal, previous }: AskTerms,
  ): Promise<AskOutcome> {
    const { email, phone, prompt, noContact } = this.#options;
    const transaction = randomUUID();
    const first = (attribute: string) => assertion.attributes[attribute]?.[0];
    const attributes = { email: first(email.attribute), phone: first(phone.attribute) };
    const methods = await this.#service.methods({ transaction, account }, attributes, signal);
    if (methods.length === 0)
      return { kind: 'refused', reason: 'contact-missing', next: noContact === 'refuse' ? 'restart' : noContact };
    const { tries = 0 } = stateSchema.safeParse(previous).data ?? {};
    const state = { transaction, methods: methods.map(({ id }) => id), tries };
    const choice = methods.length > 1 && { methods };
    return {
      kind: 'asked',
      challenge: { state, page: { kind: 'code', ...choice, ...(prompt !== undefined && { prompt }) } },
    };
  }

  async verify(account: Account, { fields, state: given, signal }: FactorResponse): Promise<FactorOutcome> {
    const state = stateSchema.parse(given);
    const code = fields.get('code')?.normalize('NFKC').trim() ?? '';
    const [only, ...more] = state.methods;
    const method = more.length === 0 ? only : fields.get('method');
    if (code === '' || code.length > 64 || /\p{Cc}/u.test(code)) return { kind: 'rejected', reason: 'code-wrong' };
    if (method === undefined || !state.methods.includes(method)) return { kind: 'rejected', reason: 'code-wrong' };
    const subject = { transaction: state.transaction, account };
    const result = await this.#service.verify(subject, { method, code }, signal);
    switch (result) {
      case 'valid':
        return this.#valid(account, state.transaction);
      case 'invalid':
        return this.#wrong(state);
      case 'expired':
        return { kind: 'rejected', reason: 'code-expired' };
      case 'locked':
        return { kind: 'rejected', reason: 'factor-locked', next: 'other' };
      default:
        throw result satisfies never;
    }
  }

  probe(signal: AbortSignal): AsyncIterable<ProbeStep> {
    return this.#service.probe(signal);
  }

  async close(): Promise<void> {
    await this.#service.close();
  }

  /** One answer a transaction, whatever the service makes of a second one. */
  async #valid(account: Account, transaction: string): Promise<FactorOutcome> {
    const { store, clock } = this.#context;
    const until = clock.now() + markTime;
    const isFirst = await store.replace(`transaction-used:${transaction}`, undefined, '1', until);
    if (!isFirst) return { kind: 'rejected', reason: 'code-replayed' };
    return { kind: 'verified', proof: secondProof(this.#context, account, ['otp']) };
  }

  #wrong(state: z.output<typeof stateSchema>): FactorOutcome {
    const tries = state.tries + 1;
    const isLast = tries >= this.#options.tries;
    return {
      kind: 'rejected',
      reason: 'code-wrong',
      state: { ...state, tries },
      ...(isLast && { next: this.#options.afterTries }),
    };
  }
}

/** The `webservice` kind of factor. */
export const webservice = defineFactor({
  options,
  gives: 2,
  checkTogether: (given) =>
    (['contacts', 'verify'] as const)
      .filter((key) => given[key][given.environment] === undefined)
      .map((key) => ({
        key,
        message: `has no address for environment ${given.environment}`,
        hint: `give ${key}.${given.environment}`,
      })),
  create: (given, context) => new WebserviceFactor(given, context),
});
