/**
 * The process of a CAS server, django-cas-server behind gunicorn. The first word of a path names a test: each has people of its
 * own, and all share the database of tickets and sessions.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { testCertificates } from '../tools/certificates.ts';
import { until } from '../tools/poll.ts';
import { onceARun } from '../tools/run-folder.ts';
import { hasEnded, type ServerProcess, startServer } from './server-process.ts';

/** A user of the server; attributes are released as they stand. */
export interface CasUser {
  readonly name: string;
  readonly password: string;
  readonly attributes?: Readonly<Record<string, string | readonly string[]>>;
}

const python = '/usr/bin/python3';
/** The program that serves it. */
export const gunicorn = '/usr/bin/gunicorn';

/** Writes the site and its database into an empty folder. */
export function prepareCas(folder: string): void {
  writeSite(folder);
  copyFileSync(join(onceARun('cas-template', makeDatabase), 'cas.sqlite'), join(folder, 'cas.sqlite'));
}

/** Makes people known under the name of a test. */
export function writeCasUsers(folder: string, test: string, users: readonly CasUser[]): void {
  const people = users.map(({ name, password, attributes = {} }) => [name, { password, attributes }]);
  writeFileSync(join(folder, 'people', `${test}.json`), JSON.stringify(Object.fromEntries(people)));
}

/** Starts it on a folder that is prepared, on a port of its choice when that is 0; resolves when it answers. */
export async function serveCas(
  folder: string,
  { port = 0, tls = false }: { readonly port?: number; readonly tls?: boolean },
): Promise<{ readonly child: ServerProcess; readonly port: number }> {
  const { good } = testCertificates();
  const words = ['--bind', `127.0.0.1:${port}`, '--workers', '1', '--threads', '8', '--graceful-timeout', '1'];
  if (tls) words.push('--certfile', good.certificate, '--keyfile', good.key);
  // A group of its own: the server and its worker are frozen and ended together.
  const child = startServer(gunicorn, [...words, 'wsgi:application'], {
    cwd: folder,
    env: environment,
    detached: true,
  });
  const found = await until(
    'the CAS server answers',
    () => {
      if (hasEnded(child))
        throw new Error(`gunicorn ended with ${child.exitCode ?? child.signalCode}: ${child.said()}`);
      return (
        /^the application is loaded$/m.test(child.said()) &&
        /Listening at: https?:\/\/127\.0\.0\.1:(\d+)/.exec(child.said())?.[1]
      );
    },
    60_000,
  );
  return { child, port: Number(found) };
}

/** Sends a signal to the server and its worker. */
export function signalCas(child: ServerProcess, signal: NodeJS.Signals): void {
  if (child.pid !== undefined && !hasEnded(child)) process.kill(-child.pid, signal);
}

/** Ends the server and its worker at once, and waits for that. */
export async function endCas(child: ServerProcess): Promise<void> {
  if (hasEnded(child)) return;
  const exit = once(child, 'exit');
  signalCas(child, 'SIGCONT');
  signalCas(child, 'SIGKILL');
  await exit;
}

/** Nothing of the surroundings: a proxy of theirs would take the logout requests elsewhere. */
const environment = {
  PATH: '/usr/bin:/bin',
  DJANGO_SETTINGS_MODULE: 'settings',
  PYTHONDONTWRITEBYTECODE: '1',
  LANG: 'C.UTF-8',
};

/** The schema takes seconds to make, so it is made once a run and copied. */
function makeDatabase(folder: string): void {
  writeSite(folder);
  const make =
    "import django; django.setup(); from django.core.management import call_command; call_command('migrate', verbosity=0)";
  for (const program of [make, 'import services'])
    execFileSync(python, ['-c', program], { cwd: folder, env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
}

function writeSite(folder: string): void {
  mkdirSync(join(folder, 'people'));
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
django = get_wsgi_application()
import people, sys
def application(environ, start_response):
    _, people.here.test, rest = environ['PATH_INFO'].split('/', 2)
    environ['SCRIPT_NAME'] = '/' + people.here.test
    environ['PATH_INFO'] = '/' + rest
    return django(environ, start_response)
print('the application is loaded', file=sys.stderr, flush=True)
`,
  people: `
import json, threading
from cas_server.auth import AuthUser
here = threading.local()
class People(AuthUser):
    def known(self):
        return json.load(open('people/%s.json' % here.test)).get(self.username)
    def test_password(self, password):
        person = self.known()
        return person is not None and person['password'] == password
    def attributs(self):
        person = self.known()
        return person['attributes'] if person else {}
`,
  services: `
import django
django.setup()
from cas_server.models import ServicePattern, ReplaceAttributName
for number, pattern in enumerate([r'^https?://127\\.0\\.0\\.1:\\d+/.*$', r'^http://\\w+\\.test/.*$']):
    service = ServicePattern.objects.create(name='service-%d' % number, pos=number + 1, pattern=pattern, restrict_users=False,
        proxy=True, proxy_callback=True, single_log_out=True)
    ReplaceAttributName.objects.create(name='*', replace='', service_pattern=service)
`,
};
