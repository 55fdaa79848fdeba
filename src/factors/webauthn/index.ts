/** Security keys and passkeys. A touch is enough for a second factor; where a login begins with the key, its user must be verified. */
import { hash, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import * as z from 'zod';
import { duration } from '../../config/values.ts';
import { type Account, accountKey } from '../../core/account.ts';
import type {
  AskOutcome,
  AskTerms,
  Enrolling,
  Enrolment,
  EnrolmentOffer,
  EnrolOutcome,
  Factor,
  FactorOutcome,
  FactorResponse,
  FirstProving,
} from '../../core/factor.ts';
import { type Amr, firstValue } from '../../core/principal.ts';
import type { Proof } from '../../core/proof.ts';
import { defineFactor, type FactorContext, secondProof } from '../define.ts';
import { authenticationOptions, credentialIdIn, judgeAuthentication } from './authentication.ts';
import { type Credential, credentialSchema, type RelyingParty } from './credential.ts';
import { KeyOwners } from './owners.ts';
import { judgeRegistration, registrationOptions } from './registration.ts';

const options = z.strictObject({
  attachment: z
    .enum(['any', 'cross-platform', 'platform'])
    .default('cross-platform')
    .describe('cross-platform: keys that go with their person; platform: what is built into a desk'),
  userVerification: z
    .enum(['discouraged', 'preferred', 'required'])
    .default('discouraged')
    .describe('as a second factor: a touch is enough, or the PIN or finger as well'),
  first: z
    .boolean()
    .default(false)
    .describe(
      'the login page offers to sign in with a passkey alone; keys have to know their user, and keep who it is',
    ),
  synced: z.enum(['allow', 'refuse']).default('allow').describe('refuse: no passkeys that are copied to a cloud'),
  rpId: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/, 'must be a host name in lower case')
    .optional()
    .describe('for which name keys are made: the host of publicUrl, or a domain above it; keys of another name end'),
  timeout: duration().prefault('60s').describe('how long the browser waits for a touch'),
});

type WebauthnOptions = z.output<typeof options>;

const stateSchema = z.strictObject({
  challenge: z.string(),
  /** Of a setup: who has vouched for whoever sets it up. */
  provider: z.string().optional(),
  /** The login begins with it. */
  isFirst: z.literal(true).optional(),
});
const challengeBytes = 32;
const maxKeys = 10;
/** How long the mark of a used challenge stays: longer than any pending login. */
const markTime = 60 * 60_000;

class WebauthnFactor implements Factor {
  readonly canBeGuessed = false;
  readonly isNetworked = false;
  readonly enrol: Enrolling = {
    begin: (account, enrolments, terms) => this.#begin(account, enrolments, terms),
    finish: (account, response) => this.#finish(account, response),
  };
  readonly first: FirstProving | undefined;
  readonly #party: RelyingParty;
  readonly #owners: KeyOwners;
  readonly #context: FactorContext;
  /** Answers whose challenge has been used up by them: they are judged again when their enrolment was written meanwhile. */
  readonly #accepted = new WeakSet<FactorResponse['fields']>();

  constructor(given: WebauthnOptions, context: FactorContext) {
    const { publicUrl, siteName } = context;
    this.#context = context;
    this.#party = {
      rpId: given.rpId ?? publicUrl.hostname,
      origin: publicUrl.origin,
      siteName,
      timeout: given.timeout,
      attachment: given.attachment,
      userVerification: given.userVerification,
      takesSynced: given.synced === 'allow',
      wantsDiscoverable: given.first,
    };
    this.#owners = new KeyOwners(context.store);
    if (given.first) this.first = { ask: () => this.#askFirst(), ownerOf: (fields) => this.#ownerOf(fields) };
  }

  async isUsable(_account: Account, enrolments: readonly Enrolment[]): Promise<boolean> {
    return this.#keys(enrolments).length > 0;
  }

  async ask(_account: Account, enrolments: readonly Enrolment[]): Promise<AskOutcome> {
    const keys = this.#keys(enrolments);
    if (keys.length === 0) return { kind: 'refused', reason: 'factor-missing' };
    const challenge = randomBytes(challengeBytes);
    const asked = await authenticationOptions(this.#party, challenge, keys);
    return {
      kind: 'asked',
      challenge: { state: stateOf(challenge), page: { kind: 'key', ceremony: 'get', options: asked } },
    };
  }

  async verify(account: Account, { fields, enrolments, state }: FactorResponse): Promise<FactorOutcome> {
    const { challenge, isFirst = false } = stateIn(state);
    const judged = await judgeAuthentication(this.#party, fields.get('answer') ?? '', {
      challenge,
      keys: this.#keys(enrolments),
      handle: handleOf(account),
      requireUserVerification: isFirst || this.#party.userVerification === 'required',
      requireHandle: isFirst,
    });
    if (judged.kind === 'rejected') return judged;
    const { credential, isVerified } = judged;
    const enrolment = enrolments.find(({ data }) => credentialSchema.parse(data).id === credential.id);
    if (!enrolment) return { kind: 'rejected', reason: 'key-foreign' };
    if (!this.#accepted.has(fields) && !(await this.#useUp(challenge)))
      return { kind: 'rejected', reason: 'code-replayed' };
    this.#accepted.add(fields);
    const used = { ...enrolment, data: credential, lastUsedAt: this.#context.clock.now() };
    const proof = this.#proof(account, credential, isVerified);
    return { kind: 'verified', proof: isFirst ? { ...proof, step: 'both' } : proof, enrolment: used };
  }

  async forget(_account: Account, { data }: Enrolment): Promise<void> {
    await this.#owners.forget(credentialSchema.parse(data).id);
  }

  /** The key keeps the handle of the account for which it was made. */
  async carry(from: Account, to: Account, { data }: Enrolment): Promise<unknown> {
    const credential = credentialSchema.parse(data);
    await this.#owners.carry(credential.id, from, to);
    return { handle: handleOf(from).toString('base64url'), ...credential };
  }

  async #askFirst(): ReturnType<FirstProving['ask']> {
    const challenge = randomBytes(challengeBytes);
    const asked = await authenticationOptions(this.#party, challenge, undefined);
    return { state: stateOf(challenge, { isFirst: true }), page: { kind: 'key', ceremony: 'get', options: asked } };
  }

  async #ownerOf(fields: FactorResponse['fields']): ReturnType<FirstProving['ownerOf']> {
    const id = credentialIdIn(fields.get('answer') ?? '');
    return id === undefined ? undefined : this.#owners.find(id);
  }

  async #begin(account: Account, enrolments: readonly Enrolment[], terms: AskTerms): Promise<EnrolmentOffer> {
    const { assertion, provider } = terms;
    const challenge = randomBytes(challengeBytes);
    const owner = {
      handle: handleOf(account),
      name: account.subject,
      displayName: firstValue(assertion, 'name') ?? account.subject,
    };
    const asked = await registrationOptions(this.#party, owner, challenge, this.#keys(enrolments));
    return { state: stateOf(challenge, { provider }), page: { kind: 'key', ceremony: 'create', options: asked } };
  }

  async #finish(account: Account, { fields, state, enrolments }: FactorResponse): Promise<EnrolOutcome> {
    if (enrolments.length >= maxKeys) return { kind: 'rejected', reason: 'enrolment-closed' };
    const { challenge, provider } = stateIn(state);
    const judged = await judgeRegistration(this.#party, challenge, fields.get('answer') ?? '');
    if (judged.kind === 'rejected') return judged;
    const { credential, isVerified } = judged;
    if (!(await this.#owners.claim(credential.id, account, provider)))
      return { kind: 'rejected', reason: 'key-foreign' };
    return { kind: 'enrolled', data: credential, proof: this.#proof(account, credential, isVerified) };
  }

  /** Those of this relying party: a key that was made for another name answers here to nobody. */
  #keys(enrolments: readonly Enrolment[]): readonly Credential[] {
    return enrolments.map(({ data }) => credentialSchema.parse(data)).filter(({ rpId }) => rpId === this.#party.rpId);
  }

  #useUp(challenge: Buffer): Promise<boolean> {
    const { store, clock } = this.#context;
    const key = `challenge-used:${hash('sha256', challenge, 'base64url')}`;
    return store.replace(key, undefined, '1', clock.now() + markTime);
  }

  /** RFC 8176: a key of one device, or one in a software that copies it; its user was there, and maybe known to it. */
  #proof(account: Account, { isSynced }: Credential, isVerified: boolean): Proof {
    const amr: Amr[] = [isSynced ? 'swk' : 'hwk', 'user', ...(isVerified ? (['pin'] as const) : [])];
    return secondProof(this.#context, account, amr);
  }
}

/** The same bytes for each key of an account, which tell nobody whose they are. */
function handleOf(account: Account): Buffer {
  return Buffer.from(accountKey(account), 'base64url');
}

type State = z.output<typeof stateSchema>;

function stateOf(challenge: Buffer, more: Omit<State, 'challenge'> = {}): State {
  return { challenge: challenge.toString('base64url'), ...more };
}

function stateIn(state: unknown): Omit<State, 'challenge'> & { readonly challenge: Buffer } {
  const { challenge, ...more } = stateSchema.parse(state);
  return { ...more, challenge: Buffer.from(challenge, 'base64url') };
}

/** The `webauthn` kind of factor. */
export const webauthn = defineFactor({
  options,
  gives: 3,
  checkTogether: ({ rpId }, { publicUrl }) => {
    const { hostname, protocol } = publicUrl;
    if (isIP(hostname.replace(/^\[|\]$/g, '')))
      return [
        {
          key: 'type',
          message: `cannot be used at ${publicUrl.origin}: keys are made for names, and this is an address`,
          hint: 'give server.publicUrl a host name',
        },
      ];
    if (protocol !== 'https:' && hostname !== 'localhost' && !hostname.endsWith('.localhost'))
      return [
        {
          key: 'type',
          message: `cannot be used at ${publicUrl.origin}: browsers offer keys over https only`,
          hint: 'give server.publicUrl an https address',
        },
      ];
    if (rpId === undefined || hostname === rpId || (hostname.endsWith(`.${rpId}`) && rpId.includes('.'))) return [];
    return [
      {
        key: 'rpId',
        message: `is neither the host of publicUrl, ${hostname}, nor a domain above it`,
        hint: `leave it out, and it is ${hostname}`,
      },
    ];
  },
  create: (given, context) => new WebauthnFactor(given, context),
});
