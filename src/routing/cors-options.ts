/** What can be set about scripts of other origins at a location. */
import * as z from 'zod';
import { duration } from '../config/values.ts';
import type { CorsRule } from '../core/route.ts';

const originWords = 'an origin such as https://crm.example.com, or *';

const origin = z
  .string()
  .meta({ title: 'origin', kind: originWords, examples: ['https://crm.example.com', '*'] })
  .superRefine((text, context) => {
    const fault = originFault(text);
    if (fault) context.addIssue({ code: 'custom', message: fault.message, params: { hint: fault.hint } });
  });

function originFault(text: string): { readonly message: string; readonly hint?: string } | undefined {
  if (text === '*') return undefined;
  if (text === 'null')
    return {
      message: 'is the origin of every sandboxed frame and local file, so that any page can have it',
      hint: 'serve the page from an address of its own, and name that',
    };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname.includes('*'))
    return { message: `must be ${originWords}` };
  // Browsers write it so, and compare letter by letter.
  return url.origin === text
    ? undefined
    : { message: 'is not spelt as browsers write it', hint: `write ${url.origin}` };
}

const method = z
  .string()
  .meta({ title: 'method', kind: 'a method such as GET', examples: ['GET', 'PATCH'] })
  .regex(/^[A-Z][A-Z-]*$/, 'must be a method in capitals, such as GET')
  .refine((text) => !/^(?:CONNECT|TRACE)$/.test(text), 'is sent by no script and reaches no application');
const headerName = z
  .string()
  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'must be the name of a header, such as Content-Type');

const corsFields = z.strictObject({
  origins: z
    .array(origin)
    .min(1, `must name ${originWords}`)
    .describe('whose scripts may read answers; [*] is any, without cookies'),
  methods: z.array(method).default(['GET', 'HEAD', 'POST']).describe('what they may send'),
  headers: z.array(headerName).default([]).describe('headers they may send, such as Content-Type for JSON'),
  exposeHeaders: z.array(headerName).default([]).describe('headers of answers that they may read'),
  credentials: z.boolean().default(false).describe('true: with the cookies of the user'),
  maxAge: duration().optional().describe('how long browsers need not ask again'),
});

/** What stands in each of `routes:` about scripts of other origins. */
export const corsOptions = z.strictObject({
  cors: corsFields
    .superRefine((cors, context) => {
      for (const { key, message, hint } of corsFaults(cors))
        context.addIssue({ code: 'custom', path: [key], message, params: { hint } });
    })
    .optional()
    .describe('scripts of other origins: preflights are answered here, and each answer says who may read it'),
  preflight: z
    .literal('pass')
    .optional()
    .describe('pass: a preflight goes to the application without a login, which answers it by itself'),
});

type CorsOptions = z.output<typeof corsOptions>;

interface CorsFault {
  readonly key: string;
  readonly message: string;
  readonly hint: string;
}

/** What contradicts itself, and what no browser takes. */
function corsFaults({ origins, headers, exposeHeaders, credentials }: z.output<typeof corsFields>): CorsFault[] {
  const found: CorsFault[] = [];
  const isAny = origins.includes('*');
  if (isAny && origins.length > 1)
    found.push({
      key: 'origins',
      message: 'has * beside origins that it holds already',
      hint: 'keep * alone, or take it out',
    });
  if (isAny && credentials)
    found.push({
      key: 'credentials',
      message: 'is true beside the origin *: any page on the internet would act as the user, and browsers refuse it',
      hint: 'name the origins',
    });
  for (const [key, names] of Object.entries({ headers, exposeHeaders }))
    if (credentials && names.includes('*'))
      found.push({
        key,
        message: 'is * beside credentials, where it is a name like any other',
        hint: 'name the headers',
      });
  return found;
}

/** What contradicts between the two keys. */
export function preflightFaults({ cors, preflight }: CorsOptions): CorsFault[] {
  if (!cors || !preflight) return [];
  const message = 'stands beside cors:, which answers preflights here';
  return [{ key: 'preflight', message, hint: 'keep one of the two' }];
}

/** The two as a route has them. */
export function corsOf({ cors, preflight }: CorsOptions): {
  readonly cors?: CorsRule;
  readonly passesPreflights?: true;
} {
  if (!cors) return preflight ? { passesPreflights: true } : {};
  const { origins, maxAge, ...rest } = cors;
  const rule: CorsRule = { ...rest, origins: origins.includes('*') ? '*' : origins };
  return { cors: { ...rule, ...(maxAge !== undefined && { maxAge }) } };
}
