/** The gateway inside an Express application: what the application sees, what it never sees, and what it may ask for. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { type TestContext, test } from 'node:test';
import express from 'express';
import { WebSocket, WebSocketServer } from 'ws';
import { gatehouse, requireRole } from '../../src/middleware/middleware.ts';
import { echoing, seenBy, startApp, type TestApp } from '../support/scenes/app.ts';
import { Browser } from '../support/scenes/several-hosts.ts';
import { passwords } from '../support/scenes/site.ts';
import { hiddenFields, type Visitor } from '../support/scenes/visitor.ts';
import { until } from '../support/tools/poll.ts';
import { requestOf, sendRaw } from '../support/tools/raw-http.ts';
import { endsWithin } from '../support/tools/stopwatch.ts';

async function signedIn(app: TestApp, user: keyof typeof passwords = 'agent1'): Promise<Visitor> {
  const visitor = app.visitor();
  await visitor.mustSignIn(user, passwords[user]);
  return visitor;
}

const json = { headers: { accept: 'application/json' } };
const identity = ['x-remote-user', 'x-remote-groups', 'x-remote-roles', 'x-gatehouse-assertion'];

test('middleware: without a session a page leads to the login page, and a script gets 401', async (t) => {
  const app = await startApp(t);
  const page = await app.visitor().open('/desk?queue=1');
  assert.equal(page.status, 302);
  assert.equal(page.headers.location, '/_gate/login?return=%2Fdesk%3Fqueue%3D1');
  assert.equal(page.headers['x-powered-by'], undefined);
  const script = await app.visitor().fetch('/desk', json);
  assert.equal(script.status, 401);
  assert.deepEqual(JSON.parse(script.text), { error: 'login-required', login: '/_gate/login?return=%2Fdesk' });
});

test('middleware: a session is handed over to a host of an access rule', async (t) => {
  const app = await startApp(t, { config: { routes: [{ location: '/' }, { location: '/', host: 'desk.example' }] } });
  const browser = new Browser(t, Number(app.url.port));
  const address = `http://desk.example:${app.url.port}/x?y`;
  const { trail, answer } = await browser.signIn(address, 'agent1', passwords.agent1);
  assert.deepEqual([answer.status, trail.at(-1)], [200, address]);
  assert.equal(JSON.parse(answer.text).principal.subject, 'agent1');
});

test('middleware: after the login the application knows who it is, and finds no cookie of ours', async (t) => {
  const app = await startApp(t);
  const visitor = await signedIn(app, 'supervisor1');
  visitor.cookies.set('theme', 'dark');
  const seen = JSON.parse((await visitor.open('/desk')).text);
  assert.equal(seen.principal.subject, 'supervisor1');
  assert.deepEqual(seen.principal.roles, ['agent', 'supervisor']);
  assert.equal(seen.headers['x-remote-user'], 'supervisor1');
  assert.equal(seen.headers.cookie, 'theme=dark');
  assert.deepEqual(seen.headersDistinct.cookie, ['theme=dark']);
  assert.doesNotMatch(JSON.stringify(seen.rawHeaders), /gatehouse=/);
  const claims = JSON.parse(Buffer.from(seen.headers['x-gatehouse-assertion'].split('.')[1], 'base64url').toString());
  assert.equal(claims.sub, 'supervisor1');
  assert.equal(claims.aud, app.url.origin);
});

test('middleware: what an application does with the principal of one request shows in no other', async (t) => {
  const app = await startApp(t, {
    build: (express, guard) => {
      express.use(guard);
      express.use((request, response) => {
        response.json(seenBy(request));
        const { roles, attributes } = request.principal as unknown as { roles: Set<string>; attributes: object };
        roles.add('supervisor');
        Object.assign(attributes, { groups: ['supervisors'] });
      });
    },
  });
  const visitor = await signedIn(app);
  for (let turn = 0; turn < 2; turn += 1) {
    const seen = JSON.parse((await visitor.open('/desk')).text);
    assert.deepEqual([seen.principal.roles, seen.headers['x-remote-roles']], [['agent'], 'agent']);
    assert.notDeepEqual(seen.principal.attributes.groups, ['supervisors']);
    assert.equal((await visitor.open('/admin')).status, 403);
  }
});

test('middleware: no spelling of an identity header gets past it, signed in or not', async (t) => {
  const app = await startApp(t);
  const visitor = await signedIn(app);
  const forged = {
    'x-remote-user': 'supervisor1',
    'X-Remote_User': 'supervisor1',
    X_REMOTE_ROLES: 'supervisor',
    'x-remote-roles': 'supervisor',
    'x-gatehouse-assertion': 'forged',
    'x-forwarded-for': '192.0.2.7',
    'x-real-ip': '192.0.2.7',
  };
  const seen = JSON.parse((await visitor.open('/desk', { headers: forged })).text);
  assert.equal(seen.headers['x-remote-user'], 'agent1');
  assert.equal(seen.headers['x-remote-roles'], 'agent');
  assert.equal(seen.headers['x-forwarded-for'], undefined, 'an untrusted peer says nothing of others');
  assert.doesNotMatch(JSON.stringify(seen), /supervisor|forged|192\.0\.2\.7/);
  const open = JSON.parse((await app.visitor().open('/public', { headers: forged })).text);
  assert.equal(open.principal, undefined);
  for (const name of identity) assert.equal(open.headers[name], undefined, name);
  assert.doesNotMatch(JSON.stringify(open), /supervisor|forged/);
});

test('middleware: a header that a client names in Connection is not dropped by what the application sends on', async (t) => {
  const app = await startApp(t);
  const visitor = await signedIn(app);
  const raw = await new Promise<string>((resolve, reject) => {
    const headers = { cookie: visitor.cookieHeader, connection: 'close, x-remote-user' };
    httpRequest(new URL('/desk', app.url), { headers }, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    })
      .on('error', reject)
      .end();
  });
  assert.equal(JSON.parse(raw).headers.connection, 'close');
  assert.equal(JSON.parse(raw).headers['x-remote-user'], 'agent1');
});

test('middleware: trailers of a body bring no header past it', async (t) => {
  const app = await startApp(t, {
    build: (handlers, guard) => {
      handlers.use(guard);
      handlers.post('/public', (request, response) => {
        request.on('end', () => {
          const { rawTrailers, trailers, trailersDistinct } = request;
          response.json({ rawTrailers, trailers, trailersDistinct });
        });
        request.resume();
      });
    },
  });
  const answer = await sendRaw(
    app.url,
    requestOf(
      ['POST /public HTTP/1.1', `Host: ${app.url.host}`, 'Transfer-Encoding: chunked', 'Connection: close'],
      '5\r\nhello\r\n0\r\nX-Remote-User: admin\r\nX_Remote_Roles: supervisor\r\n\r\n',
    ),
  );
  assert.equal(answer.status, 200);
  assert.match(answer.text, /\{"rawTrailers":\[\],"trailers":\{\},"trailersDistinct":\{\}\}/);
});

test('middleware: a trusted proxy is believed, and no hop is added', async (t) => {
  const base = await startApp(t);
  const { origin } = base.url;
  const app = await startApp(t, {
    config: {
      server: { publicUrl: origin, trustedProxies: ['127.0.0.1/32'] },
      routes: [{ location: '/', access: 'public' }],
    },
  });
  const headers = {
    'x-forwarded-for': '192.0.2.7',
    'x-forwarded-host': 'cc.example.com',
    'x-forwarded-proto': 'https',
  };
  const seen = JSON.parse((await app.visitor().open('/', { headers })).text);
  assert.equal(seen.headers['x-forwarded-for'], '192.0.2.7');
  assert.equal(seen.headers['x-forwarded-proto'], 'https');
  assert.equal(seen.headers.host, 'cc.example.com');
  assert.equal(seen.headers['x-forwarded-host'], 'cc.example.com');
});

test('middleware: the address that was decided on is the one that handlers are found by', async (t) => {
  const app = await startApp(t);
  const visitor = await signedIn(app);
  const seen = JSON.parse((await visitor.open('/x/..//de%73k?q=%2Fa')).text);
  assert.equal(seen.url, '/desk?q=%2Fa');
  assert.equal(seen.originalUrl, '/desk?q=%2Fa');
  for (const path of ['/admin', '/Admin', '/ADMIN/', '/%61dmin', '/x/../admin', '//admin'])
    assert.equal((await visitor.open(path)).status, 403, path);
  for (const path of ['/a%2fb', '/a%5Cb', '/a;b', '/%00']) assert.equal((await visitor.open(path)).status, 400, path);
});

test('middleware: a body is left to the application', async (t) => {
  const app = await startApp(t, {
    build: (handlers, guard) => {
      handlers.use(guard, express.json(), express.text());
      handlers.post('/echo', (request, response) => void response.json({ body: request.body }));
    },
  });
  const visitor = await signedIn(app);
  const post = (type: string, body: string) =>
    visitor.fetch('/echo', { method: 'POST', headers: { 'content-type': type }, body });
  assert.deepEqual(JSON.parse((await post('application/json', '{"a":1}')).text), { body: { a: 1 } });
  assert.deepEqual(JSON.parse((await post('text/plain', 'x'.repeat(90_000))).text), { body: 'x'.repeat(90_000) });
});

test('middleware: behind a body parser a login form is refused at once and the log says why', async (t) => {
  const app = await startApp(t, {
    build: (handlers, guard) => void handlers.use(express.urlencoded({ extended: false }), guard),
  });
  const visitor = app.visitor();
  const page = await visitor.open('/_gate/login');
  const fields = { ...hiddenFields(page.text), username: 'agent1', password: passwords.agent1 };
  assert.equal((await visitor.post('/_gate/login', fields)).status, 503);
  assert.match(app.lines.join(''), /before body parsers/);
});

test('middleware: behind a body parser a form that meets no session is not waited for', async (t) => {
  const app = await startApp(t, {
    config: { routes: [{ location: '/', replayPosts: true }] },
    build: (handlers, guard) => void handlers.use(express.urlencoded({ extended: false }), guard),
  });
  const answer = await endsWithin(5000, 'the answer to the form', app.visitor().post('/note', { text: 'a' }));
  assert.equal(answer.status, 401);
});

test('middleware: below a path, after a rewrite or twice, it refuses and says where it belongs', async (t) => {
  const app = await startApp(t, {
    build: (handlers, guard) => {
      handlers.use('/below', guard);
      handlers.use((_request, response) => void response.send('reached'));
      handlers.use(errorText);
    },
  });
  for (const path of ['/below/public', '/below/_gate/login'])
    assert.match((await app.visitor().open(path)).text, /at the root of the application/, path);
  const rewritten = await startApp(t, {
    build: (handlers, guard) => {
      handlers.use((request, _response, next) => {
        request.url = '/public';
        next();
      });
      handlers.use(guard, guard);
      handlers.use((_request, response) => void response.send('reached'));
      handlers.use(errorText);
    },
  });
  assert.match((await rewritten.visitor().open('/desk')).text, /something has changed/);
  assert.match((await rewritten.visitor().open('/public')).text, /something has changed/, 'mounted twice');
});

const errorText: express.ErrorRequestHandler = (error, _request, response, _next) =>
  void response.status(error.status ?? 500).send(String(error.message));

function withRoles(handlers: express.Express, guard: express.RequestHandler): void {
  handlers.use(guard);
  handlers.get('/public/report', requireRole('supervisor'), (request, response) => void response.json(seenBy(request)));
  handlers.get('/either', requireRole('supervisor', 'agent'), (_request, response) => void response.send('either'));
  handlers.get('/own', requireRole('supervisor'), (_request, response) => void response.send('own'));
  handlers.get('/typo', requireRole('supervsior'), (_request, response) => void response.send('typo'));
  handlers.use(errorText);
}

test('requireRole: lets the role pass, refuses others with the page of a location, and is recorded once', async (t) => {
  const app = await startApp(t, { build: withRoles });
  const agent = await signedIn(app);
  const supervisor = await signedIn(app, 'supervisor1');
  assert.equal((await supervisor.open('/own')).text, 'own');
  assert.equal((await agent.open('/either')).text, 'either');
  const page = await agent.open('/own');
  assert.equal(page.status, 403);
  assert.match(page.text, /Supervisors/, 'the page says whom it is open to');
  const refused = await agent.fetch('/own', json);
  assert.equal(refused.status, 403);
  assert.equal(JSON.parse(refused.text).error, 'access-denied');
  const records = await until('records', () => {
    const own = app.audit('request').filter((record) => record.path === '/own');
    return own.length === 3 && own;
  });
  assert.deepEqual(
    records.map(({ status, reason, user }) => [status, reason, user]),
    [
      [200, undefined, 'supervisor1'],
      [403, 'role-missing', 'agent1'],
      [403, 'role-missing', 'agent1'],
    ],
  );
});

test('requireRole: on a public location it asks to sign in, and then knows who it is', async (t) => {
  const app = await startApp(t, { build: withRoles });
  const visitor = app.visitor();
  const page = await visitor.open('/public/report');
  assert.equal(page.status, 302);
  assert.equal(page.headers.location, '/_gate/login?return=%2Fpublic%2Freport');
  assert.equal((await visitor.fetch('/public/report', json)).status, 401);
  await visitor.mustSignIn('supervisor1', passwords.supervisor1, '/public/report');
  const seen = JSON.parse((await visitor.open('/public/report', { headers: { 'x-remote-user': 'eve' } })).text);
  assert.equal(seen.principal.subject, 'supervisor1');
  assert.equal(seen.headers['x-remote-user'], 'supervisor1');
  assert.equal(seen.headers.cookie, undefined);
  assert.equal((await (await signedIn(app)).open('/public/report')).status, 403);
});

test('requireRole: within a router it leaves the address, and what the application has put into the headers, alone', async (t) => {
  const app = await startApp(t, {
    build: (handlers, guard) => {
      const router = express.Router();
      router.use(requireRole('supervisor'));
      router.get('/report', (request, response) => void response.json({ ...seenBy(request), base: request.baseUrl }));
      handlers.use(guard);
      handlers.use('/public', (request, _response, next) => {
        request.headers['x-seen'] = 'by the application';
        next();
      });
      handlers.use('/public', router);
    },
  });
  const supervisor = await signedIn(app, 'supervisor1');
  const seen = JSON.parse((await supervisor.open('/public/report?day=1')).text);
  assert.equal(seen.url, '/report?day=1');
  assert.equal(seen.base, '/public');
  assert.equal(seen.headers['x-seen'], 'by the application');
  assert.equal(seen.headers['x-remote-user'], 'supervisor1');
  assert.deepEqual(seen.headersDistinct['x-remote-user'], ['supervisor1']);
  assert.ok(seen.rawHeaders.includes('x-gatehouse-assertion'));
  assert.equal(seen.headers['x-forwarded-for'], undefined);
  const page = await (await signedIn(app)).open('/public/report?day=1');
  assert.equal(page.status, 403);
  assert.match(page.text, /return=%2Fpublic%2Freport%3Fday%3D1/, 'it offers to come back as somebody else');
});

test('requireRole: a role that the configuration does not know lets nobody pass, nor does a missing gateway', async (t) => {
  const app = await startApp(t, { build: withRoles });
  const typo = await (await signedIn(app, 'supervisor1')).open('/typo');
  assert.equal(typo.status, 500);
  assert.match(typo.text, /the roles of the configuration are agent, supervisor/);
  const unguarded = await startApp(t, {
    build: (handlers) => {
      handlers.get('/', requireRole('supervisor'), (_request, response) => void response.send('reached'));
      handlers.use(errorText);
    },
  });
  const answer = await unguarded.visitor().open('/');
  assert.equal(answer.status, 500);
  assert.match(answer.text, /app\.use\(gatehouse/);
});

test('middleware: on a public location the application knows a visitor who is signed in', async (t) => {
  const app = await startApp(t);
  assert.equal(JSON.parse((await app.visitor().open('/public')).text).principal, undefined);
  const seen = JSON.parse((await (await signedIn(app)).open('/public')).text);
  assert.equal(seen.principal.subject, 'agent1');
  for (const name of identity) assert.equal(seen.headers[name], undefined, name);
});

async function signOut(app: TestApp, visitor: Visitor): Promise<void> {
  const answer = await visitor.post('/_gate/logout', {});
  assert.ok(answer.status < 400, `signing out was answered with ${answer.status}`);
  assert.equal((await app.visitor().open('/')).status, 302);
}

test('middleware: a logout ends an event stream of the application within two seconds', async (t) => {
  const app = await startApp(t, {
    build: (handlers, guard) => {
      handlers.use(guard);
      handlers.get('/events', (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
      });
    },
  });
  const visitor = await signedIn(app);
  const stream = httpRequest(new URL('/events', app.url), { headers: { cookie: visitor.cookieHeader } }).end();
  const [response] = await once(stream, 'response');
  await once(response, 'data');
  const cut = new Promise((resolve) => response.once('error', () => undefined).once('close', resolve));
  await signOut(app, visitor);
  await endsWithin(2000, 'the cut of the stream', cut);
});

/** Opens WebSockets for whom the guard admits; each says first who it is. */
function withSockets(t: TestContext, app: TestApp): void {
  const sockets = new WebSocketServer({ noServer: true });
  t.after(() => sockets.close());
  app.server.on('upgrade', async (request, socket, head) => {
    const admitted = await app.guard.upgrade(request, socket);
    if (!admitted) return;
    sockets.handleUpgrade(request, socket, head, (opened) => {
      opened.on('message', () => admitted.touch());
      opened.send(JSON.stringify({ ...seenBy(request), subject: admitted.principal?.subject }));
    });
  });
}

test('middleware: a WebSocket is opened for who is signed in, and closed when the session ends', async (t) => {
  const app = await startApp(t);
  withSockets(t, app);
  const visitor = await signedIn(app);
  const address = `ws://${app.url.host}/ws`;
  const open = (headers: Record<string, string>) => {
    const socket = new WebSocket(address, { headers });
    socket.on('error', () => undefined);
    return socket;
  };
  const status = async (headers: Record<string, string>) =>
    (await once(open(headers), 'unexpected-response'))[1].statusCode;
  assert.equal(await status({}), 401);
  assert.equal(await status({ cookie: visitor.cookieHeader, origin: 'https://elsewhere.example' }), 403);

  const socket = open({ cookie: visitor.cookieHeader, origin: app.url.origin, 'x-remote-user': 'eve' });
  const [message] = await once(socket, 'message');
  const seen = JSON.parse(String(message));
  assert.equal(seen.subject, 'agent1');
  assert.equal(seen.headers['x-remote-user'], 'agent1');
  assert.equal(seen.headers.cookie, undefined);
  socket.send('hello');
  const closed = once(socket, 'close');
  await signOut(app, visitor);
  const [code] = await closed;
  assert.equal(code, 1008);
});

test('middleware: an upgrade where the configuration allows none is refused', async (t) => {
  const app = await startApp(t);
  withSockets(t, app);
  const visitor = await signedIn(app);
  const socket = new WebSocket(`ws://${app.url.host}/desk`, { headers: { cookie: visitor.cookieHeader } });
  socket.on('error', () => undefined);
  const [, response] = await once(socket, 'unexpected-response');
  assert.equal(response.statusCode, 400);
});

test('gatehouse: a configuration that is wrong throws at once, with every mistake', () => {
  const config = { server: { publicUrl: 'ftp://x' }, login: { chain: [] }, providers: {}, routes: [{ location: 'x' }] };
  assert.throws(
    () => gatehouse({ config }),
    (error: Error) => {
      assert.equal(error.name, 'OperatorError');
      for (const key of ['server.publicUrl', 'login.chain', 'routes[0].location'])
        assert.match(error.message, new RegExp(key.replaceAll(/[[\].]/g, '\\$&')));
      return true;
    },
  );
  assert.throws(() => gatehouse({ config: 'no-such-file.yaml' }), { name: 'OperatorError', message: /does not exist/ });
});

test('gatehouse: what cannot start rejects ready, and every request goes to the error handler', async (t) => {
  const app = await startApp(t, {
    config: { session: { store: { type: 'embedded', path: '/dev/null/data' } } },
    build: (handlers, guard) => {
      echoing(handlers, guard);
      handlers.use(errorText);
    },
  });
  await assert.rejects(app.guard.ready(), { name: 'OperatorError' });
  assert.equal((await app.visitor().open('/public')).status, 500);
  await app.guard.close();
});

test('gatehouse: after close nothing is let through', async (t) => {
  const app = await startApp(t, {
    build: (handlers, guard) => {
      echoing(handlers, guard);
      handlers.use(errorText);
    },
  });
  await app.guard.ready();
  assert.equal((await app.visitor().open('/public')).status, 200);
  await app.guard.close();
  assert.equal((await app.visitor().open('/public')).status, 503);
  assert.equal(app.audit('stop').length, 1);
});
