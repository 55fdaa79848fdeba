/**
 * What the configuration makes proofs worth, for `levels.ts`: which factors there are, and what the word of an identity provider is
 * trusted for. What is not listed is worth 1.
 */
import * as z from 'zod';
import { classOfAttribute, type Proof } from '../core/proof.ts';
import type { Reached, Worth } from './levels.ts';

const level = z.union([z.literal(2), z.literal(3)]);
const words = z.record(z.string(), level);

/** What of a provider's options gives its word a worth; each kind of provider has its own way to say so. */
const trusting = z.object({
  trust: z
    .object({ acr: words.optional(), amr: words.optional(), attributes: z.record(z.string(), words).optional() })
    .optional(),
  challengeLevel: level.optional(),
});

/** What of a configuration proofs are judged by. */
interface WorthDocument {
  readonly providers: Readonly<Record<string, unknown>>;
  readonly factors: Readonly<Record<string, unknown>>;
  readonly factorRules?: { readonly remember: { readonly for: number } };
}

/** By whom a browser that is remembered proves; no factor and no provider can have the name. */
export const rememberedName = 'remembered browser';

/** Compiles it. */
export function worthOf({ providers, factors, factorRules }: WorthDocument): Worth {
  const remembered = (factorRules?.remember.for ?? 0) > 0 ? [rememberedName] : [];
  const judges = new Map(Object.entries(providers).map(([name, options]) => [name, judgeOf(options)]));
  return {
    factors: new Set([...Object.keys(factors), ...remembered]),
    trusts: (proof) => judges.get(proof.by)?.(proof) ?? 0,
  };
}

/** Whether anything is configured that could give more than level 1. */
export function givesLevels({ providers, factors }: WorthDocument): boolean {
  return Object.keys(factors).length > 0 || Object.values(providers).some((options) => mostTrusted(options) > 1);
}

/** The highest level that the word of a provider may be trusted for. */
export function mostTrusted(options: unknown): number {
  const { trust = {}, challengeLevel = 1 } = trusting.safeParse(options).data ?? {};
  const lists = [trust.acr ?? {}, trust.amr ?? {}, ...Object.values(trust.attributes ?? {})];
  return Math.max(1, challengeLevel, ...lists.flatMap((list) => Object.values(list)));
}

function judgeOf(options: unknown): (proof: Proof) => Reached {
  const { trust = {}, challengeLevel = 1 } = trusting.safeParse(options).data ?? {};
  const classes = new Map(Object.entries(trust.acr ?? {}));
  for (const [name, values] of Object.entries(trust.attributes ?? {}))
    for (const [value, worth] of Object.entries(values)) classes.set(classOfAttribute(name, value), worth);
  const methods = new Map(Object.entries(trust.amr ?? {}));
  return ({ step, acr, amr }) => {
    const byClass = acr === undefined ? 1 : (classes.get(acr) ?? 1);
    const byMethod = amr.map((word) => methods.get(word) ?? 1);
    return Math.max(1, step === 'both' ? challengeLevel : 1, byClass, ...byMethod) as Reached;
  };
}
