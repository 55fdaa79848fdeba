/** The options of an OpenID Connect provider, and what they mean put together. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import * as z from 'zod';
import { duration, fileText, httpUrl, secret } from '../../config/values.ts';
import { outboundProxy } from '../../remote/proxy-options.ts';
import { caBundle, pins } from '../../remote/trust-options.ts';
import type { OptionProblem } from '../define.ts';
import { trustOptions, untrustedClasses } from './trust-options.ts';

const words = () => z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'must be a word of printable ASCII without spaces');

const oneOrMore = <Item extends z.ZodType<string>>(item: Item) =>
  z.union([item, z.array(item).min(1)]).transform((value): readonly string[] => [value].flat());

const claim = () =>
  z
    .string()
    .regex(
      /^[^\s.][^\s]{0,255}$/,
      'must be the name of a claim, or a path of names with dots such as realm_access.roles',
    );

/** Parameters of the request that only the gateway may set: they bind the answer to the browser that asked. */
const ownParameters =
  /^(?:response_type|response_mode|client_id|redirect_uri|scope|state|nonce|code_challenge|code_challenge_method|request|request_uri|max_age|client_secret|client_assertion|client_assertion_type)$/;

const parameters = z.record(
  z
    .string()
    .regex(/^[\w-]{1,64}$/, 'must be the name of a request parameter')
    .refine((name) => !ownParameters.test(name), 'is set by the gateway itself'),
  z.string(),
);

const bearerOptions = z.strictObject({
  audience: oneOrMore(z.string().min(1))
    .optional()
    .describe('the token must be meant for one of these; audience of the provider when absent, else its clientId'),
  types: z
    .array(z.enum(['at+jwt', 'JWT']))
    .min(1)
    .default(['at+jwt'])
    .describe('the typ that a token must have; Keycloak and Entra ID say JWT'),
  clients: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      'the applications (azp or client_id) that may call; clientId when absent and typ is JWT or the token opaque',
    ),
  usernameClaim: claim()
    .optional()
    .describe('the claim of a token that names its user; that of the provider when absent'),
  introspection: z.boolean().default(false).describe('asks the issuer about tokens that are not its JWTs (RFC 7662)'),
  cache: duration().prefault('10s').describe('how long an answer of the introspection holds'),
});

/** The options as they stand in the configuration. */
export const oidcOptions = z.strictObject({
  issuer: httpUrl()
    .refine(
      (url) => !/\/\.well-known\//.test(url.pathname),
      'must be the issuer itself, without /.well-known/openid-configuration',
    )
    .refine(
      (url) =>
        !(url.hostname === 'login.microsoftonline.com' && /^\/(common|organizations|consumers)\//.test(url.pathname)),
      'lets everybody with a Microsoft account in; name your own tenant: https://login.microsoftonline.com/TENANT-ID/v2.0',
    )
    .describe('the identity provider, as it calls itself; its metadata is found below it'),
  discoveryUrl: httpUrl()
    .optional()
    .describe(
      'where the metadata is read, if not below issuer; /.well-known/openid-configuration is added where it is missing',
    ),
  internalUrl: httpUrl()
    .refine((url) => url.pathname === '/', 'must be an origin without a path, such as http://keycloak:8080')
    .optional()
    .describe(
      'where the gateway reaches the issuer, if not by the name that browsers use: metadata, keys, tokens, userinfo and introspection are asked there',
    ),
  insecureIssuer: z
    .boolean()
    .default(false)
    .describe('takes an http:// issuer: tokens and codes then cross the network in the clear'),
  clientId: oneOrMore(words()).describe(
    'the name of the gateway at the issuer; of a list, the first logs in and all are accepted as audience',
  ),
  clientSecret: secret().optional().describe('its secret; a public client has none'),
  clientAuth: z
    .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'])
    .optional()
    .describe('how the gateway proves itself; by what it has and what the issuer offers when absent'),
  privateKey: privateKey()
    .optional()
    .describe('PEM file (PKCS#8) of the key for private_key_jwt: RSA, P-256 or Ed25519'),
  keyId: z.string().min(1).optional().describe('the kid of that key at the issuer'),
  scopes: z
    .array(words())
    .default(['openid', 'profile', 'email'])
    .describe('what is asked for; offline_access where refresh tokens need it'),
  parameters: parameters.default({}).describe('further parameters of the login request, such as kc_idp_hint or hd'),
  par: z
    .boolean()
    .default(true)
    .describe('pushes the login request to the issuer first (RFC 9126), where that is offered'),
  usernameClaim: claim().default('preferred_username').describe('the claim that names the user'),
  usernameFrom: z
    .enum(['id-token', 'access-token'])
    .default('id-token')
    .describe(
      'where that claim is read: in the ID token first, then userinfo, then the access token; or in the access token alone, which must be a JWT of the issuer',
    ),
  stripDomains: z
    .array(z.string().regex(/^[^\s@]+$/, 'must be a domain such as example.com'))
    .default([])
    .describe('domains cut off user names such as alice@example.com; when given, users of any other are refused'),
  nameClaim: claim().default('name').describe('the claim with the full name'),
  emailClaim: claim().default('email').describe('the claim with the e-mail address'),
  requireEmailVerified: z
    .boolean()
    .optional()
    .describe('refuses users whose e-mail the issuer has not verified; true when absent and usernameClaim is email'),
  groupsClaim: claim().optional().describe('the claim with the groups, or a path such as realm_access.roles'),
  attributes: z
    .record(z.string().regex(/^[A-Za-z][\w-]{0,63}$/, 'must be a name of letters, digits, _ and -'), claim())
    .default({})
    .describe('other claims, by names of your own'),
  ...trustOptions,
  requireClaims: z
    .record(claim(), oneOrMore(z.string()))
    .default({})
    .describe('claims that a user must have, each with the values of which one must be among its own'),
  userinfo: z
    .boolean()
    .default(false)
    .describe('asks the userinfo endpoint too: for issuers whose ID tokens are short'),
  audience: oneOrMore(z.string().min(1)).optional().describe('the access token must be a JWT meant for one of these'),
  ca: caBundle()
    .optional()
    .describe(
      "PEM file of the certificate authorities (CAs) that signed the certificate of the issuer; the machine's when absent",
    ),
  pins: pins()
    .optional()
    .describe(
      "pins of public keys or thumbprints of certificates, one of which must be the server's, besides a good chain",
    ),
  outboundProxy: outboundProxy()
    .optional()
    .describe('the forward proxy to this provider; server.outboundProxy when absent, and false goes directly'),
  logout: z
    .union([z.boolean(), z.literal('redirect_uri')])
    .default(false)
    .describe('whether signing out here signs out there too; redirect_uri is the form of Keycloak before 18'),
  bearer: bearerOptions.optional().describe('takes access tokens of API clients on the routes that allow them'),
  timeout: duration()
    .optional()
    .describe('for everything that one login asks of the issuer; login.timeout when absent'),
});

/** The options after they have been read. */
export type OidcOptions = z.output<typeof oidcOptions>;

/** The options for bearer tokens after they have been read. */
export type BearerOptions = z.output<typeof bearerOptions>;

/** What takes more than one option. */
export function checkOidcOptions(options: OidcOptions): readonly OptionProblem[] {
  const problems: OptionProblem[] = [];
  const problem = (key: string, message: string, hint: string) => problems.push({ key, message, hint });
  const { issuer, insecureIssuer, clientAuth, clientSecret, privateKey, keyId } = options;
  if (issuer.protocol === 'http:' && !insecureIssuer)
    problem(
      'issuer',
      'is not https://: whoever is in between could sign in as anybody',
      'use https://, with ca for a private CA',
    );
  if (clientAuth?.startsWith('client_secret') && !clientSecret)
    problem('clientSecret', `is missing, and ${clientAuth} needs it`, 'set it, as { env: NAME } or { file: path }');
  if (clientAuth === 'private_key_jwt' && !privateKey)
    problem('privateKey', 'is missing, and private_key_jwt needs it', 'name a PEM file');
  if (clientAuth === 'none' && (clientSecret || privateKey))
    problem(
      'clientAuth',
      'is none, but there is a secret or a key',
      'drop it, or let clientAuth be chosen by leaving it out',
    );
  if (clientSecret && privateKey && clientAuth === undefined)
    problem('privateKey', 'there is a clientSecret too', 'drop one, or say which one by clientAuth');
  if (keyId !== undefined && !privateKey) problem('keyId', 'there is no privateKey it could name', 'drop it');
  problems.push(...untrustedClasses(options));
  if (options.groupsClaim !== undefined && options.attributes.groups !== undefined)
    problem('attributes.groups', 'groups come from groupsClaim', 'drop one of the two');
  return problems;
}

/** A private key in PEM, read; one that cannot sign is an error at the key that names it. */
function privateKey() {
  return fileText()
    .meta({ secretFile: true })
    .transform((text, context): KeyObject => {
      const fail = (message: string): never => {
        context.addIssue({ code: 'custom', message });
        return z.NEVER;
      };
      let key: KeyObject;
      try {
        key = createPrivateKey(text);
      } catch {
        return fail('is no private key that can be read; it must be PEM (PKCS#8) without a passphrase');
      }
      const isShort = key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048;
      const isOther = !algorithmOf(key);
      return isShort || isOther ? fail('must be an RSA key of 2048 bits or more, a P-256 key or an Ed25519 key') : key;
    });
}

/** How WebCrypto names the signatures of a key; undefined for a kind that is not used here. */
export function algorithmOf(key: KeyObject): { name: string; hash?: string; namedCurve?: string } | undefined {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    case 'ec':
      return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? { name: 'ECDSA', namedCurve: 'P-256' } : undefined;
    case 'ed25519':
      return { name: 'Ed25519' };
    default:
      return undefined;
  }
}
