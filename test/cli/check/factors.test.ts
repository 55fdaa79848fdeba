/** What `gatehouse check` says of second factors and of levels: each fault where it stands, and warnings of what is allowed and seldom meant. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { run } from '../../support/tools/command.ts';
import { temporaryFolder } from '../../support/tools/folder.ts';

const head = `server: { publicUrl: "https://cc.example.com" }
providers: { local: { type: local, users: users.yaml } }
login: { chain: [local] }
`;

interface Case {
  readonly config: string;
  readonly files?: Readonly<Record<string, string>>;
  /** The line of the file and its column, and what is wrong there. */
  readonly says: RegExp;
  readonly warns?: true;
}

const route = 'routes: [{ location: /, upstream: "http://127.0.0.1:1" }]\n';
const cases: Readonly<Record<string, Case>> = {
  'a level that nobody can reach, of the login': {
    config: `factors: { app: { type: totp } }\n${route}`,
    says: /^gatehouse\.yaml:3:33 {2}login\.level: is 3, which nobody can reach: the configured factors give 2/m,
  },
  'a level that nobody can reach, of a location': {
    config: 'routes: [{ location: /, upstream: "http://127.0.0.1:1", access: { level: 2 } }]\n',
    says: /^gatehouse\.yaml:4:74 {2}routes\[0\]\.access\.level: is 2, which nobody can reach.* add one such as app/m,
  },
  'keys at an address': {
    config: `factors: { key: { type: webauthn } }\n${route}`,
    says: /^gatehouse\.yaml:4:\d+ {2}factors\.key\S*: .*publicUrl/m,
  },
  'messages without countries': {
    config: `factors:
  text:
    type: sms
    from: ACME
    gateway: { url: "https://sms.example.com/v1", fields: { to: "\${to}", text: "\${text}" } }
${route}`,
    says: /^gatehouse\.yaml:\d+:\d+ {2}factors\.text\.countries: is missing/m,
  },
  'codes of three digits': {
    config: `messages: { mail: { url: "smtps://mail.example.com", from: a@example.com } }
factors: { email: { type: mail, digits: 3 } }
${route}`,
    says: /^gatehouse\.yaml:5:41 {2}factors\.email\.digits: .*4/m,
  },
  'a privilege that there is not': {
    config: `applications: { ia: { roles: ia.yaml } }
routes: [{ location: /, upstream: "http://127.0.0.1:1", application: ia, access: { privileges: [users.raed] } }]
`,
    files: { 'ia.yaml': 'format: gatehouse-roles/1\napplication: ia\nprivileges: { users.read: {} }\nroles: {}\n' },
    says: /^gatehouse\.yaml:5:\d+ {2}routes\[0\]\.access\.privileges\[0\]: .*users\.raed/m,
  },
  'a circle of roles': {
    config: `applications: { ia: { roles: ia.yaml } }\n${route}`,
    files: {
      'ia.yaml':
        'format: gatehouse-roles/1\napplication: ia\nprivileges: {}\nroles:\n  A: { includes: [B] }\n  B: { includes: [A] }\n',
    },
    says: /ia\.yaml:[56]:\d+ {2}roles\.[AB]\S*: .*leads back to where it begins: A → B → A/m,
  },
  'a choice of tenants where there are none': {
    config: `tenantRules: { several: choose }\n${route}`,
    says: /^gatehouse\.yaml:4:25 {2}tenantRules\.several: is about tenants, and there are none/m,
  },
  'classes that are asked for and not trusted': {
    config: route,
    says: /^gatehouse\.yaml:2:\d+ {2}providers\.sso\.acrValues\.3\S*: names gold, which is not trusted for level 3/m,
  },
  'whoever has no contact comes in': {
    config: `messages: { mail: { url: "smtps://mail.example.com", from: a@example.com } }
factors: { email: { type: mail, noContact: insecure-allow } }
${route}`,
    says: /^gatehouse\.yaml:5:44 {2}factors\.email\.noContact: is insecure-allow: whoever has no contact/m,
    warns: true,
  },
  'supervisors who make passes for one another': {
    config: `roles: { boss: { groups: [bosses] }, agent: { groups: [agents] } }
factors: { pass: { type: pass, issuers: [boss], for: [agent, boss] } }
${route}`,
    says: /^gatehouse\.yaml:5:41 {2}factors\.pass\.issuers: has boss, for whom passes are made too/m,
    warns: true,
  },
};

/** Other heads than the usual one. */
const heads: Readonly<Record<string, string>> = {
  'a level that nobody can reach, of the login': head.replace('[local]', '[local], level: 3'),
  'keys at an address': head.replace('https://cc.example.com', 'http://10.0.0.7:8080'),
  'classes that are asked for and not trusted': head.replace(
    '} }',
    '}, sso: { type: oidc, issuer: "https://idp.example.com", clientId: g, trust: { acr: { gold: 2 } }, acrValues: { 3: [gold] } } }',
  ),
};

for (const [name, { config, files = {}, says, warns }] of Object.entries(cases))
  test(`check: ${name}`, async (t: TestContext) => {
    const folder = await temporaryFolder(t);
    const file = path.join(folder, 'gatehouse.yaml');
    await writeFile(file, (heads[name] ?? head) + config);
    for (const [other, text] of Object.entries(files)) await writeFile(path.join(folder, other), text);
    const { stderr, code } = await run(['check', '--config', file]);
    assert.match(stderr.replaceAll(`${folder}/`, ''), says);
    assert.equal(code, warns ? 0 : 1, stderr);
  });
