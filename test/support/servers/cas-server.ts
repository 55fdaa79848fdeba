/** A real CAS server (django-cas-server behind gunicorn) on a free port, with its own folder and users, ended with the test. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Agent, request } from 'undici';
import { testCertificates } from '../tools/certificates.ts';
import { until } from '../tools/poll.ts';
import { onceARun } from '../tools/run-folder.ts';

/** A user of the server; attributes are released as they stand. */
export interface CasUser {
  readonly name: string;
  readonly password: string;
  readonly attributes?: Readonly<Record<string, string | readonly string[]>>;
}

/** Who is known to the server, and which services. */
export interface CasServerOptions {
  readonly users: readonly CasUser[];
  /** Origins whose addresses may ask for tickets; all of 127.0.0.1 when absent. */
  readonly services?: readonly string[];
  readonly tls?: boolean;
}

/** A running server. */
export interface CasServer {
  /** The base address, as it stands in the configuration of the gateway. */
  readonly url: string;
  /** A browser that has not signed in here yet. */
  browser(): CasBrowser;
  /** Freezes it: connections are still accepted by the kernel, nothing is answered (SIGSTOP). */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
  /** Starts it again after a stop, at the same address and with what it knew. */
  start(): Promise<void>;
}

const python = '/usr/bin/python3';
const gunicorn = '/usr/bin/gunicorn';

/** Options for a test that needs the server. Without it, tests fail under CI and are skipped, with the reason, elsewhere. */
export const needsCas: { readonly skip: string | false } = {
  skip:
    (existsSync('/usr/lib/python3/dist-packages/cas_server') && existsSync(gunicorn)) || process.env.CI === 'true'
      ? false
      : 'django-cas-server is not installed: apt-get install python3-django-cas-server gunicorn',
};

/** Starts a server; it ends and its folder goes with the test. */
export async function startCas(t: TestContext, options: CasServerOptions): Promise<CasServer> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-cas-'));
  writeSite(folder, options);
  copyFileSync(emptyDatabase(), join(folder, 'cas.sqlite'));
  runPython(folder, 'import services');
  const { good } = testCertificates();
  const tls = options.tls ? ['--certfile', good.certificate, '--keyfile', good.key] : [];
  const launch = (port: string) => {
    const words = [
      '--bind',
      `127.0.0.1:${port}`,
      '--workers',
      '1',
      '--threads',
      '8',
      '--graceful-timeout',
      '1',
      ...tls,
    ];
    // A group of its own: the server and its worker are frozen and ended together.
    const child = spawn(gunicorn, [...words, 'wsgi:application'], {
      cwd: folder,
      env: environment,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    return { child, address: listening(child, options.tls === true) };
  };
  let { child, address } = launch('0');
  const signal = (name: NodeJS.Signals): void => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, name);
  };
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    signal('SIGCONT');
    signal('SIGKILL');
    await exit;
  };
  t.after(async () => {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const url = await address;
  return {
    url,
    browser: () => new CasBrowser(url),
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    stop,
    start: async () => {
      ({ child, address } = launch(new URL(url).port));
      await address;
    },
  };
}

/** Who sits in front of the server's pages: keeps its cookies, follows nothing by itself. */
export class CasBrowser {
  readonly #url: string;
  readonly #cookies = new Map<string, string>();

  constructor(url: string) {
    this.#url = url;
  }

  /** Fills in the server's login form. */
  async signIn(name: string, password: string): Promise<void> {
    const { status } = await this.#sendForm(`${this.#url}/login`, name, password);
    assert.equal(status, 200, `signing in at CAS as ${name}`);
    assert.ok(this.#cookies.has('sessionid'), `CAS knows ${name}`);
  }

  /** Opens the address of the login that a service leads to; where CAS sends the browser, or undefined when it asks first. */
  async visit(login: string): Promise<URL | undefined> {
    const { location } = await this.#ask(login);
    return location === undefined ? undefined : new URL(location, login);
  }

  /** The same with the credentials given on the page that CAS then shows. */
  async visitWithPassword(login: string, name: string, password: string): Promise<URL | undefined> {
    const { location } = await this.#sendForm(login, name, password);
    return location === undefined ? undefined : new URL(location, login);
  }

  /** Signs out of CAS, which tells every service; where CAS sends the browser. */
  async signOut(address = `${this.#url}/logout`): Promise<string | undefined> {
    return (await this.#ask(address)).location;
  }

  async #sendForm(address: string, name: string, password: string) {
    const page = await this.#ask(address);
    const fields = new URLSearchParams({ username: name, password });
    for (const [tag] of page.text.matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
      const field = /name="([^"]*)"/.exec(tag)?.[1];
      if (field) fields.set(field, (/value="([^"]*)"/.exec(tag)?.[1] ?? '').replaceAll('&amp;', '&'));
    }
    const action = new URL(/<form[^>]*action="([^"]*)"/.exec(page.text)?.[1] || address, address);
    return this.#ask(action.href, fields.toString());
  }

  async #ask(address: string, form?: string): Promise<{ status: number; location?: string; text: string }> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
    const headers = { referer: address, ...(cookie && { cookie }) };
    const response = await request(address, {
      dispatcher,
      reset: true,
      method: form === undefined ? 'GET' : 'POST',
      headers: { ...headers, ...(form !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }) },
      ...(form !== undefined && { body: form }),
    });
    for (const line of [response.headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || value === '""') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    const text = await response.body.text();
    await dispatcher.destroy();
    const { location } = response.headers;
    return { status: response.statusCode, text, ...(typeof location === 'string' && { location }) };
  }
}

/** Nothing of the surroundings: a proxy of theirs would take the logout requests elsewhere. */
const environment = {
  PATH: '/usr/bin:/bin',
  DJANGO_SETTINGS_MODULE: 'settings',
  PYTHONDONTWRITEBYTECODE: '1',
  LANG: 'C.UTF-8',
};

/** The schema takes seconds to make, so it is made once a run and copied. */
function emptyDatabase(): string {
  const fill = (folder: string): void => {
    writeSite(folder, { users: [] });
    runPython(
      folder,
      "import django; django.setup(); from django.core.management import call_command; call_command('migrate', verbosity=0)",
    );
  };
  return join(onceARun('cas-template', fill), 'cas.sqlite');
}

function runPython(folder: string, program: string): void {
  execFileSync(python, ['-c', program], { cwd: folder, env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
}

async function listening(child: ChildProcess, isSecure: boolean): Promise<string> {
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const port = await until(
    'the CAS server listens',
    () => {
      if (child.exitCode !== null) throw new Error(`gunicorn ended with ${child.exitCode}: ${said}`);
      return /Booting worker/.test(said) && /Listening at: https?:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
    },
    60_000,
  );
  return `${isSecure ? 'https' : 'http'}://127.0.0.1:${port}/cas`;
}

function writeSite(folder: string, { users, services = ['https?://127\\.0\\.0\\.1:\\d+'] }: CasServerOptions): void {
  const people = Object.fromEntries(
    users.map(({ name, password, attributes = {} }) => [name, { password, attributes }]),
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'people.json'), JSON.stringify(people));
  writeFileSync(join(folder, 'services.json'), JSON.stringify(services.map((origin) => `^${origin}/.*$`)));
  for (const [name, text] of Object.entries(programs)) writeFileSync(join(folder, `${name}.py`), text);
}

const programs: Readonly<Record<string, string>> = {
  settings: `
SECRET_KEY = 'only-for-tests'
DEBUG = False
ALLOWED_HOSTS = ['*']
INSTALLED_APPS = ['django.contrib.' + name for name in ['admin', 'auth', 'contenttypes', 'sessions', 'messages', 'staticfiles']] + ['cas_server']
MIDDLEWARE = [
    'django.contrib.sessions.middleware.SessionMiddleware', 'django.middleware.common.CommonMiddleware',
    'django.middleware.csrf.CsrfViewMiddleware', 'django.contrib.auth.middleware.AuthenticationMiddleware',
    'django.contrib.messages.middleware.MessageMiddleware', 'django.middleware.locale.LocaleMiddleware',
]
TEMPLATES = [{'BACKEND': 'django.template.backends.django.DjangoTemplates', 'APP_DIRS': True, 'OPTIONS': {'context_processors': [
    'django.template.context_processors.request', 'django.contrib.auth.context_processors.auth',
    'django.contrib.messages.context_processors.messages']}}]
ROOT_URLCONF = 'urls'
DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'cas.sqlite', 'OPTIONS': {'timeout': 20}}}
STATIC_URL = '/static/'
USE_TZ = True
CAS_AUTH_CLASS = 'people.People'
CAS_NEW_VERSION_HTML_WARNING = False
CAS_NEW_VERSION_EMAIL_WARNING = False
CAS_TICKET_VALIDITY = 10
CAS_SLO_TIMEOUT = 2
`,
  urls: `
from django.urls import include, re_path
urlpatterns = [re_path(r'^cas/', include('cas_server.urls', namespace='cas_server'))]
`,
  wsgi: `
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
`,
  people: `
import json
from cas_server.auth import AuthUser
known = json.load(open('people.json'))
class People(AuthUser):
    def test_password(self, password):
        return self.username in known and known[self.username]['password'] == password
    def attributs(self):
        return known.get(self.username, {}).get('attributes', {})
`,
  services: `
import json, django
django.setup()
from cas_server.models import ServicePattern, ReplaceAttributName
for number, pattern in enumerate(json.load(open('services.json'))):
    service = ServicePattern.objects.create(name='service-%d' % number, pos=number + 1, pattern=pattern, restrict_users=False,
        proxy=True, proxy_callback=True, single_log_out=True)
    ReplaceAttributName.objects.create(name='*', replace='', service_pattern=service)
`,
};
