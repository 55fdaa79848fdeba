/** Levels that an identity provider is asked for: a whole gateway against a real provider that has classes of its own. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { followed, scan, takeStep } from '../support/scenes/authenticator.ts';
import { gateway, type TestGateway, type Yaml } from '../support/scenes/gateway.ts';
import { Visitor } from '../support/scenes/visitor.ts';
import { type Idp, type Person, startIdp } from '../support/servers/oidc-provider.ts';
import { startUpstream, type TestUpstream } from '../support/servers/upstream.ts';
import { manualClock } from '../support/tools/manual-clock.ts';

const people = {
  alice: { preferred_username: 'alice', groups: ['agents'] },
  bob: { preferred_username: 'bob', groups: ['supervisors'] },
};

interface World {
  readonly idp: Idp;
  readonly gate: TestGateway;
  readonly upstream: TestUpstream;
  readonly clock: ReturnType<typeof manualClock>;
  /** What the identity provider gives who asks for classes; each test changes it. */
  gives: (login: string, asked: readonly string[]) => string | undefined;
}

const app = { app: { type: 'totp' } };

async function world(
  t: TestContext,
  { login = {}, factors = {}, par = false }: { login?: Yaml; factors?: Yaml; par?: boolean } = {},
) {
  const clock = manualClock(Date.now());
  const here = { clock, gives: (_: string, [first]: readonly string[]) => first } as World;
  const idp = await startIdp(t, { people, classOf: (name, asked) => here.gives(name, asked) });
  const upstream = await startUpstream(t);
  const gate = await gateway(t, {
    clock,
    config: {
      login: { chain: ['sso'], timeout: '30s', ...login },
      providers: {
        sso: {
          ...{ type: 'oidc', ...idp.options, groupsClaim: 'groups', par },
          ...{ trust: { acr: { gold: 2, phrh: 3 } }, acrValues: { 2: ['gold'], 3: ['phrh'] } },
        },
      },
      roles: { supervisor: { groups: ['supervisors'] } },
      factors,
      routes: [
        { location: '/', upstream: upstream.origin },
        { location: '/vault/', upstream: upstream.origin, access: { level: 2 } },
        { location: '/fresh/', upstream: upstream.origin, access: { level: 2, maxAge: '10m' } },
        { location: '/safe/', upstream: upstream.origin, access: { level: 3 } },
      ],
    },
  });
  idp.register(gate.url, 'sso');
  return Object.assign(here, { idp, gate, upstream });
}

const pathOf = (url: URL): string => url.pathname + url.search;
const addressIn = (answer: { readonly headers: Record<string, unknown> }): URL =>
  new URL(String(answer.headers.location), 'http://gate.invalid');

/** A browser with both its sides, at the gateway and at the issuer. */
interface Desk {
  readonly browser: Visitor;
  readonly person: Person;
}

/** Follows an answer to the issuer and back, as somebody; the answer to the callback, and where they left for. */
async function there({ browser, person }: Desk, from: string, login = 'alice') {
  const left = await browser.open(from);
  assert.equal(left.status, 302, left.text);
  const address = addressIn(left);
  const answer = await browser.open(pathOf(await person.signIn(address, login)));
  return { address, answer };
}

async function signedIn({ gate, idp }: World, login = 'alice'): Promise<Desk> {
  const desk = { browser: new Visitor(gate.url), person: idp.person() };
  const { answer } = await there(desk, '/_gate/start/sso?return=%2F', login);
  assert.equal(answer.headers.location, '/', answer.text);
  return desk;
}

/** Asks for a page, and gives the address of the step-up that it leads to. */
async function refusedAt({ browser }: Desk, path: string): Promise<string> {
  const asked = await browser.open(path);
  assert.equal(asked.headers.location, `/_gate/factor?return=${encodeURIComponent(path)}`);
  return String(asked.headers.location);
}

/** What the issuer is asked for, by the address that the browser is sent to. */
const askedOf = ({ searchParams }: URL) => ['acr_values', 'max_age', 'prompt'].map((name) => searchParams.get(name));

/** The issuer says by itself that it cannot do it. */
async function unmet({ browser }: Desk, { idp }: World, left: URL) {
  const state = left.searchParams.get('state') ?? '';
  const said = { error: 'unmet_authentication_requirements', state, iss: idp.issuer };
  return browser.open(`/_gate/callback/sso?${new URLSearchParams(said)}`);
}

const audited = ({ gate }: World, event: 'login' | 'step-up') =>
  gate.audit(event).map(({ outcome, reason }) => reason ?? outcome);

test('issuer: a page of a higher level asks the issuer for it, and what it confirms raises the session', async (t) => {
  const here = await world(t);
  const desk = await signedIn(here);
  const before = desk.browser.cookies.get('gatehouse');
  const { address, answer } = await there(desk, await refusedAt(desk, '/vault/'));
  assert.equal(address.origin, here.idp.issuer);
  assert.deepEqual(askedOf(address), ['gold', null, null]);
  assert.equal(answer.headers.location, '/vault/', answer.text);
  assert.notEqual(desk.browser.cookies.get('gatehouse'), before, 'the session goes on under another token');
  assert.equal((await desk.browser.open('/vault/')).status, 200);
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-level'), ['2']);
  const more = await there(desk, await refusedAt(desk, '/safe/'));
  assert.equal(more.answer.headers.location, '/safe/');
  assert.deepEqual(askedOf(more.address), ['phrh', null, null]);
  assert.equal((await desk.browser.open('/safe/')).status, 200);
  assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-level'), ['3']);
  assert.deepEqual(audited(here, 'step-up'), ['succeeded', 'succeeded']);
});

test('issuer: one that comes back with less leads to the factors here, and to no circle', async (t) => {
  const here = await world(t, { factors: app });
  const desk = await signedIn(here);
  here.gives = () => 'silver';
  const { answer } = await there(desk, await refusedAt(desk, '/vault/'));
  assert.match(String(answer.headers.location), /^\/_gate\/enrol\?login=/, answer.text);
  assert.equal((await desk.browser.open('/vault/')).status, 302, 'silver opens nothing');
  const page = await followed(desk.browser, answer);
  const choosing = /<svg/.test(page.text) ? page : await followed(desk.browser, await takeStep(desk.browser, page, {}));
  const done = await takeStep(desk.browser, choosing, { code: scan(choosing).at(here.clock.now()) });
  assert.equal(done.headers.location, '/vault/', done.text);
  assert.equal((await desk.browser.open('/vault/')).status, 200);
  assert.deepEqual(audited(here, 'step-up'), ['level-too-low', 'succeeded']);
});

test('issuer: without a factor here, less than asked for, a refusal and somebody else are refused in words', async (t) => {
  const here = await world(t);
  const desk = await signedIn(here);
  const refused = async (desk: Desk, login?: string) => {
    const { answer } = await there(desk, await refusedAt(desk, '/vault/'), login);
    assert.equal(answer.status, 403);
    assert.match(answer.text, /has not confirmed for your account what this page asks for/);
    assert.equal((await desk.browser.open('/vault/')).status, 302);
    assert.equal((await desk.browser.open('/')).status, 200, 'the session is what it was');
    assert.deepEqual(here.upstream.received.at(-1)?.values('x-remote-user'), ['alice']);
  };
  here.gives = () => 'silver';
  await refused(desk);
  here.gives = () => undefined;
  await refused(desk);
  here.gives = () => 'gold';
  await refused({ ...desk, person: here.idp.person() }, 'bob');
  assert.equal(
    here.upstream.received.some(({ url }) => url === '/vault/'),
    false,
  );
  const left = addressIn(await desk.browser.open(await refusedAt(desk, '/vault/')));
  assert.equal((await unmet(desk, here, left)).status, 403);
  assert.deepEqual(audited(here, 'step-up'), ['level-too-low', 'level-too-low']);
  assert.deepEqual(
    audited(here, 'login')
      .filter((word) => word !== 'factor-missing')
      .slice(1),
    ['login-denied', 'level-too-low'],
  );
});

test('issuer: one that is away is an outage, and who has a factor here is asked for that', async (t) => {
  const here = await world(t, { factors: app, par: true });
  const desk = await signedIn(here);
  const back = await desk.person.signIn(addressIn(await desk.browser.open(await refusedAt(desk, '/vault/'))), 'alice');
  await here.idp.down();
  // It goes away while its user is there.
  const late = await desk.browser.open(pathOf(back));
  assert.match(String(late.headers.location), /^\/_gate\/enrol\?login=/, late.text);
  const asked = await desk.browser.open(await refusedAt(desk, '/vault/'));
  assert.match(String(asked.headers.location), /^\/_gate\/enrol\?login=/, asked.text);
  // Nobody can be asked for level 3 here.
  const none = await desk.browser.open(await refusedAt(desk, '/safe/'));
  assert.equal(none.status, 503, none.text);
  assert.equal((await desk.browser.open('/')).status, 200);
  await here.idp.up();
});

test('issuer: a location that wants a proof of late asks for its age too', async (t) => {
  const here = await world(t);
  const desk = await signedIn(here);
  const first = await there(desk, await refusedAt(desk, '/fresh/'));
  assert.deepEqual(askedOf(first.address), ['gold', '600', null]);
  assert.equal(first.answer.headers.location, '/fresh/', first.answer.text);
  assert.equal((await desk.browser.open('/fresh/')).status, 200);
  here.clock.advance(11 * 60_000);
  assert.equal((await desk.browser.open('/vault/')).status, 200, 'the level itself stays');
  // The clock of the issuer has not moved: to the gateway its proof is as old as before.
  const { answer } = await there(desk, await refusedAt(desk, '/fresh/'));
  assert.equal(answer.status, 403, answer.text);
  assert.equal((await desk.browser.open('/fresh/')).status, 302);
});

test('issuer: a login that takes a level asks for it at once, and again only for whom it must', async (t) => {
  const here = await world(t, { login: { level: 2 } });
  const desk = { browser: new Visitor(here.gate.url), person: here.idp.person() };
  const { answer, address } = await there(desk, '/_gate/start/sso?return=%2F');
  assert.deepEqual(askedOf(address), ['gold', null, null]);
  assert.equal(answer.headers.location, '/', answer.text);
  assert.equal((await desk.browser.open('/vault/')).status, 200);
  // An issuer that gives less: no session, and no second trip.
  here.gives = () => 'silver';
  const low = { browser: new Visitor(here.gate.url), person: here.idp.person() };
  const refused = await there(low, '/_gate/start/sso?return=%2F');
  assert.equal(refused.answer.status, 403, refused.answer.text);
  assert.equal(low.browser.cookies.get('gatehouse'), undefined);
});

test('issuer: whom it cannot raise at their login is asked for a factor here', async (t) => {
  const here = await world(t, { login: { level: 2 }, factors: app });
  const desk = { browser: new Visitor(here.gate.url), person: here.idp.person() };
  const left = addressIn(await desk.browser.open('/_gate/start/sso?return=%2F'));
  const plain = await unmet(desk, here, left);
  const address = addressIn(plain);
  assert.deepEqual([address.origin, ...askedOf(address)], [here.idp.issuer, null, null, null]);
  const answer = await desk.browser.open(pathOf(await desk.person.signIn(address, 'alice')));
  assert.match(String(answer.headers.location), /^\/_gate\/enrol\?login=/, answer.text);
  assert.equal(desk.browser.cookies.get('gatehouse'), undefined);
  // The same of the trip without a class ends it.
  const second = addressIn(await unmet(desk, here, addressIn(await desk.browser.open('/_gate/start/sso?return=%2F'))));
  const over = await unmet(desk, here, second);
  assert.match(String(over.headers.location), /^\/_gate\/login\?method=form.*notice=method-failed/);
});

test('issuer: where the level follows from who it is, the issuer is asked once that is known', async (t) => {
  const here = await world(t, { login: { level: [{ level: 1 }, { level: 2, roles: ['supervisor'] }] } });
  await signedIn(here, 'alice');
  const desk = { browser: new Visitor(here.gate.url), person: here.idp.person() };
  const { answer } = await there(desk, '/_gate/start/sso?return=%2F', 'bob');
  assert.equal(addressIn(answer).origin, here.idp.issuer, 'once more, for the class');
  assert.equal(desk.browser.cookies.get('gatehouse'), undefined, 'nobody is signed in before it');
  const done = await desk.browser.open(pathOf(await desk.person.signIn(addressIn(answer), 'bob')));
  assert.equal(done.headers.location, '/', done.text);
  assert.equal((await desk.browser.open('/vault/')).status, 200);
});
