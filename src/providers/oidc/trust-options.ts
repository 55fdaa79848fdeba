/** The options of what an issuer is trusted for besides naming a user, and of what it is asked for. */
import * as z from 'zod';
import type { OptionProblem } from '../define.ts';

const level = z.union([z.literal(2), z.literal(3)]);
const classes = z
  .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be a class as the issuer names it, without spaces'))
  .min(1)
  .optional();

/** They stand among the options of the provider. */
export const trustOptions = {
  trust: z
    .strictObject({
      acr: z.record(z.string().min(1), level).default({}).describe('by the class that the ID token names'),
      amr: z
        .record(z.string().regex(/^(?!(?:offline|rba)$)\S{1,64}$/, 'must be a method such as mfa or hwk'), level)
        .default({})
        .describe('by the methods that the ID token lists'),
    })
    .optional()
    .describe('what counts as more than level 1; from the verified ID token alone, or a bearer token itself'),
  acrValues: z
    .strictObject({
      2: classes.describe('where level 2 is wanted'),
      3: classes.describe('where level 3 is wanted, and level 2 if nothing is said of that'),
    })
    .optional()
    .describe('the classes that the issuer is asked for (acr_values), each of which has to be trusted for the level'),
};

/** The options, read. */
interface TrustOptions {
  readonly trust?: { readonly acr: Readonly<Record<string, 2 | 3>> } | undefined;
  readonly acrValues?: Readonly<Partial<Record<2 | 3, readonly string[] | undefined>>> | undefined;
}

/** Classes that the issuer would be asked for in vain: what it says of them is not trusted for the level. */
export function untrustedClasses({ trust, acrValues }: TrustOptions): readonly OptionProblem[] {
  return ([2, 3] as const).flatMap((wanted) =>
    (acrValues?.[wanted] ?? [])
      .filter((name) => !((trust?.acr[name] ?? 1) >= wanted))
      .map((name) => ({
        key: `acrValues.${wanted}`,
        message: `names ${name}, which is not trusted for level ${wanted}`,
        hint: `add ${name}: ${wanted} under trust.acr, or no user gets further by it`,
      })),
  );
}
