/** Names as people type them, against two real directories: who is asked about a name with a domain, and how its failures count. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Site, site } from '../support/scenes/site.ts';
import { type Directory, needsSlapd, shareSlapd, startSlapd } from '../support/servers/slapd.ts';
import { run } from '../support/tools/command.ts';

const right = 'right-4417-horse';
const partnerRight = 'right-8830-clock';

/** A provider of a configuration for one of the directories. */
function optionsOf(slapd: Directory, domains: Readonly<Record<string, string>>, more: object = {}): object {
  const { url, managerDn, managerPassword, searchBase } = slapd;
  return { type: 'ldap', url, managerDn, managerPassword, searchBase, domains, ...more };
}

const content = {
  people: [
    { uid: 'alice', password: right, email: 'alice@corp.example.com' },
    { uid: 'xuc', password: right },
  ],
};

/** Two directories that both have an alice, and local accounts beside them. */
async function twoDirectories(t: TestContext, own?: Directory): Promise<Site> {
  const directory = own ?? (await shareSlapd(t, content));
  const partner = await shareSlapd(t, {
    people: [{ uid: 'alice', password: partnerRight, email: 'alice@partner.example' }],
  });
  return site(t, {
    config: {
      login: { chain: ['directory', 'partner', 'local'], lockout: { user: 3, address: 100 } },
      providers: {
        directory: optionsOf(directory, { CORP: 'strip', 'corp.example.com': 'strip', GATEWAY: 'local' }),
        partner: optionsOf(partner, { 'Partner.Example': 'keep' }, { userSearchFilter: 'mail=%s' }),
        local: { type: 'local', users: 'users.yaml' },
      },
    },
  });
}

test('a name with a domain goes to the provider that lists it, in whatever form it is typed', needsSlapd, async (t) => {
  const { visitor, audit, running } = await twoDirectories(t);
  const ways: readonly (readonly [typed: string, password: string, provider: string | undefined])[] = [
    ['alice', right, 'directory'],
    ['CORP\\alice', right, 'directory'],
    ['corp\\ALICE', right, 'directory'],
    [' alice@corp.example.com ', right, 'directory'],
    ['alice＠CORP.example.com', right, 'directory'],
    ['ＣＯＲＰ＼alice', right, 'directory'],
    ['alice@partner.example', partnerRight, 'partner'],
    ['GATEWAY\\agent1', 'right-4417-horse', 'local'],
    ['agent1', 'right-4417-horse', 'local'],
    // The right password, and the domain of another provider, of nobody, or more than one.
    ['GATEWAY\\alice', right, undefined],
    ['CORP\\agent1', 'right-4417-horse', undefined],
    ['PARTNER\\alice', partnerRight, undefined],
    ['alice@example.com', right, undefined],
    ['CORP\\alice@corp.example.com', right, undefined],
    ['alice@corp.example.com@corp.example.com', right, undefined],
    ['CORP\\CORP\\alice', right, undefined],
    ['\\alice', right, undefined],
    ['alice@', right, undefined],
    ['alice@corp.example.com.', right, undefined],
  ];
  for (const [typed, password, provider] of ways) {
    const answer = await visitor().signIn(typed, password);
    assert.equal(answer.status, provider === undefined ? 401 : 303, `${typed}: ${answer.status}`);
    const last = audit('login').at(-1);
    if (provider === undefined) assert.equal(last?.reason, 'unknown-user', typed);
    else assert.equal(last?.provider, provider, typed);
  }
  const users = [];
  for await (const { assertion } of running.gateway.sessions.list()) users.push(assertion.subject);
  assert.deepEqual([...new Set(users)].toSorted(), ['agent1', 'alice'], 'each form is one and the same user');
});

test('an unlisted domain is told nothing that an unknown user is not, outages included', needsSlapd, async (t) => {
  const own = await startSlapd(t, content);
  const { visitor, audit } = await twoDirectories(t, own);
  const words = (text: string) => text.replace(/value="[^"]*"/g, '').replace(/[\w-]{20,}|<code>[\w-]+/g, '');
  const [unlisted, unknown] = [await visitor().signIn('bob@nowhere.example', 'x'), await visitor().signIn('bob', 'x')];
  assert.equal(unlisted.status, unknown.status);
  assert.equal(words(unlisted.text), words(unknown.text));
  await own.stop();
  const down = [await visitor().signIn('bob@nowhere.example', 'x'), await visitor().signIn('nobody', 'x')];
  assert.deepEqual(
    down.map(({ status }) => status),
    [503, 503],
  );
  const asked = audit('login').at(-2)?.steps as { provider: string }[];
  assert.deepEqual(
    asked.map(({ provider }) => provider),
    ['directory'],
  );
  // Whose domain leads elsewhere does not hear of it.
  assert.equal((await visitor().signIn('alice@partner.example', 'x')).status, 401);
  await visitor().mustSignIn('alice@partner.example', partnerRight);
});

test(
  'the forms of a name count as one for the lock-out, and a reserved name is reserved in all',
  needsSlapd,
  async (t) => {
    const { visitor, audit, admin } = await twoDirectories(t);
    for (const typed of ['CORP\\bob', 'bob@corp.example.com', 'bob']) await visitor().signIn(typed, 'wrong');
    const locked = await visitor().signIn('corp\\bob', 'wrong');
    assert.equal(locked.status, 429);
    const { lockouts } = (await (await fetch(new URL('/lockouts', admin))).json()) as {
      lockouts: { kind: string; user?: string; failures: number }[];
    };
    assert.deepEqual(
      lockouts.filter(({ kind }) => kind === 'user').map(({ user, failures }) => [user, failures]),
      [['bob', 3]],
    );
    const released = await fetch(new URL('/lockouts?user=CORP%5CBob', admin), { method: 'DELETE' });
    assert.partialDeepStrictEqual(await released.json(), { user: 'locked' });
    assert.equal((await visitor().signIn('corp\\bob', 'wrong')).status, 401);
    assert.equal((await visitor().signIn('CORP\\xuc', right)).status, 401);
    assert.equal(audit('login').at(-1)?.reason, 'user-reserved');
  },
);

test('explain asks as the form does: the one provider, about the name without its domain', needsSlapd, async (t) => {
  const { file } = await twoDirectories(t);
  const explain = (user: string, more: readonly string[] = [], stdin = '') =>
    run(['explain', '--user', user, '--url', '/x', '--config', file, ...more], { stdin });
  for (const user of ['CORP\\alice', 'alice@corp.example.com']) {
    const { code, stdout } = await explain(user);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /directory/, user);
  }
  const unlisted = await explain('alice@nowhere.example', ['--password'], `${right}\n`);
  assert.equal(unlisted.code, 1);
  assert.match(unlisted.stdout, /unknown-user/);
  const listed = await explain('CORP\\alice', ['--password'], `${right}\n`);
  assert.equal(listed.code, 0, listed.stdout + listed.stderr);
});

test('who confirms a login is asked by the name of the session, whatever domains are listed', needsSlapd, async (t) => {
  const slapd = await shareSlapd(t, { people: [{ uid: 'alice', password: right, email: 'alice@elsewhere.example' }] });
  const { visitor, audit } = await site(t, {
    config: {
      login: { chain: ['directory'] },
      providers: {
        directory: optionsOf(
          slapd,
          { CORP: 'strip' },
          { attributes: { subject: 'mail' }, userSearchFilter: '(|(uid=%s)(mail=%s))' },
        ),
      },
    },
  });
  const alice = visitor();
  await alice.mustSignIn('CORP\\alice', right);
  const page = await alice.open('/_gate/login?confirm=1&return=/');
  const hidden = Object.fromEntries(
    [...page.text.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [name, value]),
  );
  const answer = await alice.post('/_gate/login', { ...hidden, confirm: '1', password: right, username: 'ignored' });
  assert.equal(answer.status, 303);
  assert.equal(audit('step-up').at(-1)?.outcome, 'succeeded');
});
