/**
 * The recipes of `docs/upstreams.md` for applications that read a JWT: the gateway as the page configures it gives a token that
 * passes what the page has the application ask for.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { parse } from 'yaml';
import { gateway, type Yaml } from '../support/scenes/gateway.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { startUpstream } from '../support/servers/upstream.ts';

const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/upstreams.md'), 'utf8');

/** The blocks of one kind below a heading of the page. */
function block(heading: string, kind: string): string {
  const [, section = ''] = page.split(`#### ${heading}\n`);
  const found = new RegExp(`\`\`\`${kind}\n(.*?)\`\`\``, 's').exec(section.split(/^#{2,4} /m)[0] ?? '')?.[1];
  assert.ok(found, `${heading} has a block of ${kind}`);
  return found;
}

/** `name = value` and `name: value` as a map. */
function settings(text: string): ReadonlyMap<string, string> {
  const lines = text.split('\n').map((line) => /^([\w.]+)(?: =|:) (.*)$/.exec(line) ?? []);
  return new Map(lines.flatMap(([, name, value]) => (name && value !== undefined ? [[name, value] as const] : [])));
}

/** Opens the location of a recipe as somebody signed in; what its application gets. */
async function opened(t: TestContext, heading: string, env: Record<string, string> = {}) {
  const upstream = await startUpstream(t);
  const recipe = parse(block(heading, 'yaml')) as Yaml & { routes: Yaml[] };
  const routes = recipe.routes.map((route) => ({ ...route, upstream: upstream.origin }));
  const user = {
    name: 'sue',
    password: 'right-horse-81',
    fullName: 'Sue',
    email: 'sue@example.com',
    groups: ['supervisors'],
  };
  const at = await gateway(t, { users: [user], env, config: { ...recipe, routes } });
  const visitor = new Visitor(at.url);
  await visitor.mustSignIn('sue', 'right-horse-81', '/');
  await visitor.fetch(`${recipe.routes[0]?.location}`, { headers: { authorization: 'Bearer of-the-client' } });
  const request = upstream.received.at(-1);
  const keys = JSON.parse((await visitor.fetch('/_gate/jwks.json')).text) as JSONWebKeySet;
  const header = (name: string): string => [request?.values(name) ?? []].flat().join(', ');
  // The gateway of the page is called otherwise than the one of this test.
  const issuerOf = (text: string): string => text.replaceAll('https://cc.example.com', at.url.origin);
  return { header, issuerOf, keys: createLocalJWKSet(keys), jwks: keys };
}

test('jwt recipes: Grafana finds its user, her address and her role', async (t) => {
  const at = await opened(t, 'Grafana');
  const ini = settings(block('Grafana', 'ini'));
  const token = at.header(ini.get('header_name') ?? '').replace(/^Bearer /, '');
  const expected = JSON.parse(at.issuerOf(ini.get('expect_claims') ?? '')) as { iss: string; aud: string };
  const { payload } = await jwtVerify(token, at.keys, {
    issuer: expected.iss,
    audience: expected.aud,
    algorithms: ['ES256'],
  });
  assert.equal(payload[ini.get('username_claim') ?? ''], 'sue');
  assert.equal(payload[ini.get('email_claim') ?? ''], 'sue@example.com');
  assert.match(ini.get('role_attribute_path') ?? '', /contains\(roles\[\*\], 'supervisor'\)/);
  assert.deepEqual(payload.roles, ['supervisor']);
  assert.equal(
    at.jwks.keys.some(({ kid }) => kid === decodeProtectedHeader(token).kid),
    true,
  );
  assert.match(ini.get('jwk_set_url') ?? '', /^https:.*\/_gate\/jwks\.json$/);
});

test('jwt recipes: a realm of Elasticsearch takes what Kibana passes on', async (t) => {
  const secret = 'SharedSecret shared-with-es-81';
  const at = await opened(t, 'Elasticsearch behind Kibana', { ES_CLIENT_AUTHENTICATION: secret });
  const realm = new Map(
    [...settings(block('Elasticsearch behind Kibana', 'properties'))].map(([name, value]) => [
      name.replace('xpack.security.authc.realms.jwt.gatehouse.', ''),
      value,
    ]),
  );
  const [, token = ''] = /^Bearer (.*)$/.exec(at.header('authorization')) ?? [];
  const { payload, protectedHeader } = await jwtVerify(token, at.keys, {
    issuer: at.issuerOf(realm.get('allowed_issuer') ?? ''),
    audience: realm.get('allowed_audiences') ?? '',
    algorithms: [realm.get('allowed_signature_algorithms') ?? ''],
    // What the realm asks of an ID token.
    requiredClaims: ['iss', 'sub', 'aud', 'exp', 'iat'],
  });
  assert.ok(['ES256', 'ES384', 'ES512', 'RS256', 'PS256'].includes(protectedHeader.alg), 'realms know no EdDSA');
  assert.equal(payload[realm.get('claims.principal') ?? ''], 'sue');
  assert.deepEqual(payload[realm.get('claims.groups') ?? ''], ['supervisor']);
  assert.equal(at.header('es-client-authentication'), secret);
  const passedOn = parse(realm.get('elasticsearch.requestHeadersWhitelist') ?? '') as string[];
  assert.deepEqual(passedOn, ['authorization', 'es-client-authentication']);
});
