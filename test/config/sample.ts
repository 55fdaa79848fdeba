/** A schema like the gateway's own, small enough to know by heart, for the tests of the configuration room. */
import * as z from 'zod';
import { byteSize, cidr, duration, filePath, httpUrl, secret } from '../../src/config/values.ts';

const oneOrMore = <Item extends z.ZodType>(item: Item) =>
  z.union([item, z.array(item).min(1)]).transform((value) => (Array.isArray(value) ? value : [value]));

const common = z.strictObject({
  timeout: duration().optional().describe("this provider's deadline"),
  label: z.string().min(1).optional().describe('its name on the login page'),
});

const ldap = z
  .strictObject({
    type: z.literal('ldap'),
    ...common.shape,
    url: z.string().describe('ldaps://host:636'),
    startTls: z.boolean().default(false).describe('whether ldap:// is secured by StartTLS'),
    ca: filePath().optional().describe('the certificates of a private CA'),
    managerDn: z.string().optional().describe('who searches'),
    managerPassword: secret().optional().describe('its password'),
    searchBase: z.string().describe('where users are searched'),
    groups: z
      .strictObject({ searchBase: z.string(), filter: z.string().default('member=%d') })
      .optional()
      .describe('how groups are found'),
  })
  .describe('any LDAP directory');

const oidc = z.strictObject({
  type: z.literal('oidc'),
  ...common.shape,
  issuer: httpUrl().describe('the identity provider'),
  clientSecret: secret().describe('of the client'),
});

const local = z.strictObject({
  type: z.literal('local'),
  ...common.shape,
  users: filePath().prefault('users.yaml').describe('the file of the accounts'),
});

const requirement = z.strictObject({
  roles: z.array(z.string()).default([]).describe('any of these'),
  maxAge: duration().optional().describe('since credentials were last proved'),
});

const route = z.strictObject({
  location: z.string().min(1).describe('nginx\'s words: "/p" | "= /p"'),
  upstream: z.union([
    oneOrMore(httpUrl()),
    z.strictObject({ servers: oneOrMore(httpUrl()), ca: filePath().optional() }),
  ]),
  access: z
    .union([z.literal('public'), z.literal('deny'), requirement])
    .prefault({})
    .describe('who may pass'),
  websocket: z.boolean().default(false),
  maxBody: byteSize().prefault('1gb').describe('of a request'),
});

const providerName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'must be a short name of lower-case letters');

/** The sample. */
export const sampleSchema = z
  .strictObject({
    server: z
      .strictObject({
        listen: oneOrMore(httpUrl()).prefault('http://127.0.0.1:8080').describe('where browsers connect'),
        publicUrl: httpUrl()
          .refine((url) => url.pathname === '/', 'must be an origin')
          .prefault('http://localhost:8080')
          .describe('what browsers see'),
        trustedProxies: z.array(cidr()).default([]).describe('peers that are believed'),
        maxConnections: z.int().min(1).default(10_000).describe('held at once'),
      })
      .prefault({})
      .describe('the public listener'),
    login: z
      .strictObject({
        chain: z.array(z.string()).min(1).describe('the providers, in order'),
        timeout: duration().prefault('5s').describe("each provider's deadline"),
        lockout: z
          .strictObject({ user: z.int().min(1).default(5), delay: duration().prefault('30s') })
          .prefault({})
          .describe('failures before a delay'),
        reservedUsers: z.array(z.string()).default(['xuc']).describe('may not sign in'),
      })
      .describe('how users sign in'),
    providers: z
      .record(providerName, z.discriminatedUnion('type', [ldap, oidc, local]))
      .describe('what proves who they are'),
    headers: z.record(z.string(), z.union([z.string(), z.literal(false)])).default({}),
    routes: z.array(route).min(1).describe('the applications'),
    log: z
      .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('from this one on') })
      .prefault({})
      .describe('what is written down'),
  })
  .superRefine((document, context) => {
    for (const [index, name] of document.login.chain.entries())
      if (!Object.hasOwn(document.providers, name))
        context.addIssue({
          code: 'custom',
          path: ['login', 'chain', index],
          message: 'must be the name of a provider',
        });
  });

/** A configuration that the sample schema takes. */
export const goodText = `# the sample
server:
  publicUrl: https://cc.example.com
  trustedProxies: [10.0.0.0/8]
login:
  chain: [directory, local]
  timeout: 5s
providers:
  directory:
    type: ldap
    url: ldaps://ldap.example.com:636
    ca: certs/ca.pem
    managerPassword: { env: LDAP_PASSWORD }
    searchBase: ou=people,dc=example
  local: { type: local }
routes:
  - location: /ccagent
    upstream: http://xuc:8070
    access: { roles: [agent] }
  - location: /reports
    upstream: [http://a:1, http://b:1]
    access: public
`;
