/**
 * Five ways in at one gateway, in one chain: a ticket, a directory, CAS, OpenID Connect and local accounts, each against its
 * real counterpart; and what the other four do while one of them is away.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gateway, type TestGateway, type Yaml } from '../support/scenes/gateway.ts';
import { type Answer, hiddenFields, Visitor } from '../support/scenes/visitor.ts';
import { type CasServer, needsCas, shareCas, startCas } from '../support/servers/cas-server.ts';
import { type Kdc, needsKdc, shareKdc } from '../support/servers/kdc.ts';
import { type Idp, startIdp } from '../support/servers/oidc-provider.ts';
import { type Directory, needsSlapd, shareSlapd, startSlapd } from '../support/servers/slapd.ts';
import { startUpstream, type TestUpstream } from '../support/servers/upstream.ts';
import { timed } from '../support/tools/stopwatch.ts';

const lacking = [needsKdc, needsSlapd, needsCas].find(({ skip }) => skip !== false) ?? { skip: false as const };
const story = (name: string, run: (t: TestContext) => Promise<void>) => test(`sso chain: ${name}`, lacking, run);

const chain = ['kerberos', 'directory', 'campus', 'sso', 'local'] as const;
type Way = (typeof chain)[number];

const deadline = 1000;
/** What a busy machine may add to a deadline. */
const slack = 700;
const failuresThatOpen = 2;
const passwords = { alice: 'right-3391-agent', dora: 'right-2210-desk' } as const;
const aliceAtCas = 'alices-4c81';
const atCas = { users: [{ name: 'alice', password: aliceAtCas }] };
const content = { people: [{ uid: 'alice', password: passwords.alice }], groups: { agents: ['alice'] } };

/** What a test says of its world. */
interface Setting {
  readonly slow?: Way;
  readonly wait?: number;
  readonly others?: number;
  readonly kerberos?: Yaml;
  /** In place of those that the run shares, for a test that freezes or ends one. */
  readonly directory?: Directory;
  readonly campus?: CasServer;
}

interface World {
  readonly kdc: Kdc;
  readonly keytab: string;
  readonly cas: CasServer;
  readonly idp: Idp;
  readonly gate: TestGateway;
  readonly upstream: TestUpstream;
}

/**
 * The five servers and a gateway; alice is known to all but the local accounts, dora to these alone. The one that is going
 * to be slow gets the deadline; the others get time enough for a busy machine.
 */
async function world(
  t: TestContext,
  { slow, wait = deadline, others = 30_000, kerberos = {}, directory, campus }: Setting = {},
): Promise<World> {
  const [kdc, slapd, cas, idp] = await Promise.all([
    shareKdc(t, { users: ['alice', 'nora'] }),
    directory ?? shareSlapd(t, content),
    campus ?? shareCas(t, atCas),
    startIdp(t, { people: { alice: { preferred_username: 'alice' } } }),
  ]);
  const keytab = await kdc.keytab(['HTTP/localhost']);
  const { url, managerDn, managerPassword, searchBase, groupBase } = slapd;
  const upstream = await startUpstream(t);
  const timeoutOf = (way: Way): Yaml => (way === slow ? { timeout: `${wait}ms` } : {});
  const gate = await gateway(t, {
    users: [{ name: 'dora', password: passwords.dora }],
    config: {
      login: {
        chain: [...chain],
        timeout: `${others}ms`,
        total: '60s',
        breaker: { failures: failuresThatOpen, cooldown: '60s' },
        lockout: { user: 100, address: 1000 },
      },
      providers: {
        kerberos: {
          type: 'kerberos',
          principal: 'HTTP/localhost@EXAMPLE.TEST',
          keytab,
          krb5Config: kdc.krb5Config,
          replayCache: join(kdc.folder, 'seen'),
          ...kerberos,
        },
        directory: {
          type: 'ldap',
          url,
          managerDn,
          managerPassword,
          searchBase,
          groups: { searchBase: groupBase },
          ...timeoutOf('directory'),
        },
        campus: { type: 'cas', url: cas.url, ...timeoutOf('campus') },
        sso: { type: 'oidc', ...idp.options, ...timeoutOf('sso') },
      },
      routes: [{ location: '/', upstream: upstream.origin }],
    },
  });
  idp.register(gate.url, 'sso');
  return { kdc, keytab, cas, idp, gate, upstream };
}

const pathOf = (url: URL): string => url.pathname + url.search;

async function withTicket(
  { gate, kdc }: World,
  user: 'alice' | 'nora' = 'alice',
): Promise<{ visitor: Visitor; answer: Answer; took: number }> {
  const authorization = `Negotiate ${await kdc.token(user)}`;
  const visitor = new Visitor(gate.url);
  const { value, milliseconds } = await timed(() => visitor.open('/app', { headers: { authorization } }));
  return { visitor, answer: value, took: milliseconds };
}

/** A browser that is back from CAS with a ticket that the gateway has not seen yet. */
async function withCasTicket({ gate, cas }: World): Promise<{ visitor: Visitor; back: URL }> {
  const visitor = new Visitor(gate.url);
  const browser = cas.browser();
  await browser.signIn('alice', aliceAtCas);
  const leave = await visitor.open('/_gate/start/campus?return=/app');
  const back = await browser.visit(String(leave.headers.location));
  assert.ok(back, 'CAS issues a ticket');
  return { visitor, back };
}

async function bySso({ gate, idp }: World): Promise<{ visitor: Visitor; back: URL }> {
  const visitor = new Visitor(gate.url);
  const leave = await visitor.open('/_gate/start/sso?return=/app');
  return { visitor, back: await idp.person().signIn(String(leave.headers.location), 'alice') };
}

async function byForm({ gate }: World, name: keyof typeof passwords): Promise<Visitor> {
  const visitor = new Visitor(gate.url);
  await visitor.mustSignIn(name, passwords[name], '/app');
  return visitor;
}

/** Signs in by one way, and gives who that browser is. */
const ways: Readonly<Record<Way, (at: World) => Promise<Visitor>>> = {
  kerberos: async (at) => {
    const { visitor, answer } = await withTicket(at);
    assert.equal(answer.status, 200);
    return visitor;
  },
  directory: (at) => byForm(at, 'alice'),
  campus: async (at) => {
    const { visitor, back } = await withCasTicket(at);
    assert.equal((await visitor.open(pathOf(back))).headers.location, '/app');
    return visitor;
  },
  sso: async (at) => {
    const { visitor, back } = await bySso(at);
    assert.equal((await visitor.open(pathOf(back))).headers.location, '/app');
    return visitor;
  },
  local: (at) => byForm(at, 'dora'),
};

/** Each of these ways lets its user in, and the application hears by which it was. */
async function assertTheyWork(at: World, names: readonly Way[]): Promise<void> {
  for (const way of names) {
    const visitor = await ways[way](at);
    assert.equal((await visitor.fetch('/app')).status, 200, way);
    const seen = at.upstream.received.at(-1);
    assert.deepEqual(seen?.values('x-remote-provider'), [way]);
    assert.deepEqual(seen?.values('x-remote-user'), [way === 'local' ? 'dora' : 'alice']);
  }
}

/** What one provider said in the last login, and for how long it was waited for. */
function lastStep({ gate }: World, provider: Way): { outcome: string; reason?: string; milliseconds: number } {
  const steps = gate.audit('login').at(-1)?.steps as { provider: string; outcome: string; milliseconds: number }[];
  const step = steps.find((each) => each.provider === provider);
  assert.ok(step, `${provider} was asked: ${JSON.stringify(steps)}`);
  return step;
}

function assertBackAtTheForm(answer: Answer, notice: string): void {
  assert.equal(answer.status, 302);
  const url = new URL(String(answer.headers.location), 'http://gate.invalid');
  assert.deepEqual([url.pathname, url.searchParams.get('notice')], ['/_gate/login', notice]);
}

story('each of five ways signs in, and the page has one form and the buttons in the order of the chain', async (t) => {
  const at = await world(t, { kerberos: { lookup: 'directory' } });
  const page = await new Visitor(at.gate.url).open('/app');
  assert.equal(page.status, 401);
  assert.equal(page.headers['www-authenticate'], 'Negotiate');
  const order = [...page.text.matchAll(/<form |\/_gate\/start\/(\w+)/g)].map(([, name]) => name ?? 'form');
  assert.deepEqual(order, ['form', 'campus', 'sso']);
  await assertTheyWork(at, chain);
  const failed = at.gate.audit('login').filter(({ outcome }) => outcome === 'failed');
  assert.deepEqual(failed, []);
});

story('a directory that hangs costs each login one deadline until the breaker opens, then nothing', async (t) => {
  const directory = await startSlapd(t, content);
  const at = await world(t, { slow: 'directory', directory });
  directory.pause();
  for (let failure = 1; failure <= failuresThatOpen; failure++) {
    const { milliseconds: took } = await timed(() => byForm(at, 'dora'));
    assert.partialDeepStrictEqual(lastStep(at, 'directory'), { outcome: 'unavailable', reason: 'timed-out' });
    assert.ok(took < deadline + slack, `${took} ms for one login`);
  }
  const { milliseconds: took } = await timed(() => byForm(at, 'dora'));
  assert.partialDeepStrictEqual(lastStep(at, 'directory'), { reason: 'breaker-open', milliseconds: 0 });
  assert.ok(took < deadline, `${took} ms with an open breaker`);

  const alice = await new Visitor(at.gate.url).signIn('alice', passwords.alice, '/app');
  assert.equal(alice.status, 503, 'whose directory is away does not hear of a wrong password');
  assert.match(String(alice.headers['retry-after']), /^\d+$/);
  await assertTheyWork(at, ['kerberos', 'campus', 'sso', 'local']);
});

story('a ticket whose directory hangs leads to the form within a deadline, and at once when it is known', async (t) => {
  const directory = await startSlapd(t, content);
  const at = await world(t, { slow: 'directory', directory, kerberos: { lookup: 'directory' } });
  directory.pause();
  for (let failure = 1; failure <= failuresThatOpen + 1; failure++) {
    const { answer, visitor, took } = await withTicket(at);
    assert.equal(answer.status, 302, 'the form, not an error: somebody local may sign in');
    const wait = failure > failuresThatOpen ? deadline / 2 : deadline + slack;
    assert.ok(took < wait, `${took} ms for ticket ${failure}`);
    const form = await visitor.open(String(answer.headers.location));
    const fields = { ...hiddenFields(form.text), username: 'dora', password: passwords.dora };
    const { value: local, milliseconds: typed } = await timed(() => visitor.post('/_gate/login', fields));
    assert.equal(local.status, 303);
    assert.ok(typed < deadline + slack, `${typed} ms for the form`);
  }
  await assertTheyWork(at, ['campus', 'sso', 'local']);
  directory.resume();
});

story(
  'a directory that is given longer than the others is left alone by tickets too, once it has failed',
  async (t) => {
    const longer = 1500;
    const directory = await startSlapd(t, content);
    const at = await world(t, {
      slow: 'directory',
      directory,
      wait: longer,
      others: deadline,
      kerberos: { lookup: 'directory' },
    });
    directory.pause();
    const waits: number[] = [];
    for (let ticket = 0; ticket <= failuresThatOpen; ticket++) {
      const { answer, took } = await withTicket(at);
      assert.equal(answer.status, 302);
      waits.push(took);
    }
    const failures = at.gate.lines
      .map((line) => JSON.parse(line))
      .filter(({ message, provider }) => message === 'a provider is unavailable' && provider === 'directory');
    assert.deepEqual(
      failures.map(({ reason }) => reason),
      Array(failuresThatOpen).fill('timed-out'),
      'it is its own deadline that ends the look-up, and counts',
    );
    const last = waits.pop() ?? Number.POSITIVE_INFINITY;
    assert.ok(Math.max(...waits) < longer + slack, `${waits} ms`);
    assert.ok(last < deadline / 2, `${last} ms with an open breaker`);
  },
);

story('a CAS that hangs costs its own users one deadline, and nobody else anything', async (t) => {
  const campus = await startCas(t, atCas);
  const at = await world(t, { slow: 'campus', campus, kerberos: { lookup: 'directory' } });
  const waiting = [];
  for (let user = 0; user <= failuresThatOpen; user++) waiting.push(await withCasTicket(at));
  campus.pause();
  for (const [index, { visitor, back }] of waiting.entries()) {
    const { value, milliseconds: took } = await timed(() => visitor.open(pathOf(back)));
    assertBackAtTheForm(value, 'unavailable');
    const isOpen = index === failuresThatOpen;
    assert.equal(lastStep(at, 'campus').reason, isOpen ? 'breaker-open' : 'timed-out');
    assert.ok(took < (isOpen ? deadline / 2 : deadline + slack), `${took} ms for ticket ${index}`);
  }
  const { milliseconds: took } = await timed(() => byForm(at, 'dora'));
  assert.ok(took < deadline, `${took} ms for a local user`);
  await assertTheyWork(at, ['kerberos', 'directory', 'sso', 'local']);
  campus.resume();
});

story('an issuer that is gone or hangs keeps nobody else waiting', async (t) => {
  const at = await world(t, { slow: 'sso', kerberos: { lookup: 'directory' } });
  const waiting = await bySso(at);
  at.idp.silent = () => true;
  const { value: hung, milliseconds: hanging } = await timed(() => waiting.visitor.open(pathOf(waiting.back)));
  assertBackAtTheForm(hung, 'unavailable');
  assert.ok(hanging < deadline + slack, `${hanging} ms while it hangs`);
  await at.idp.down();
  const visitor = new Visitor(at.gate.url);
  for (const want of ['unreachable', 'breaker-open']) {
    const { value, milliseconds: took } = await timed(() => visitor.open('/_gate/start/sso?return=/app'));
    assertBackAtTheForm(value, 'unavailable');
    assert.ok(took < deadline, `${took} ms while it is gone`);
    assert.equal(lastStep(at, 'sso').reason, want);
  }
  const { milliseconds: took } = await timed(() => byForm(at, 'dora'));
  assert.ok(took < deadline, `${took} ms for a local user`);
  await assertTheyWork(at, ['kerberos', 'directory', 'campus', 'local']);
});

story(
  'who has a ticket and stands in no directory is told so on the page, where another account may be used',
  async (t) => {
    const at = await world(t, { kerberos: { lookup: 'directory' } });
    const { answer, visitor } = await withTicket(at, 'nora');
    assertBackAtTheForm(answer, 'not-admitted');
    const page = await visitor.open(String(answer.headers.location));
    assert.match(page.text, /it may not be used here/);
    assert.match(page.text, /name="password"/);
    assert.equal(page.headers['www-authenticate'], undefined);
    assert.equal(at.gate.audit('login').at(-1)?.reason, 'not-in-directory');
  },
);

story('a ticket whose user must stand in a directory that is away leads to the form, not to an error', async (t) => {
  const directory = await startSlapd(t, content);
  const at = await world(t, { directory, kerberos: { mustExistIn: 'directory' } });
  await directory.stop();
  const { answer, visitor } = await withTicket(at);
  assertBackAtTheForm(answer, 'unavailable');
  assert.equal(visitor.cookies.has('gatehouse'), false);
  const form = await visitor.open(String(answer.headers.location));
  const fields = { ...hiddenFields(form.text), username: 'dora', password: passwords.dora };
  assert.equal((await visitor.post('/_gate/login', fields)).status, 303);
});

story('a keytab that has gone closes the way of tickets alone, and the form is there at once', async (t) => {
  const at = await world(t, { kerberos: { lookup: 'directory' } });
  await rm(at.keytab);
  const { answer, visitor, took } = await withTicket(at);
  assert.equal(answer.status, 302);
  assert.ok(took < deadline / 2, `${took} ms for a ticket`);
  assert.match((await visitor.open(String(answer.headers.location))).text, /name="password"/);
  await assertTheyWork(at, ['directory', 'campus', 'sso', 'local']);
});
