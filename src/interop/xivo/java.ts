/** What of XUC's `JAVA_OPTS` concerns signing in: Kerberos and the trust store. */
import { nearest, slipsBetween } from '../../config/nearest.ts';
import { javaProperties, javaWords, type Setting, type Settings } from './settings.ts';
import type { Translation } from './translation.ts';

/** The properties that are translated. */
const javaNames: ReadonlySet<string> = new Set([
  'secured.krb5.principal',
  'secured.krb5.keyTab',
  'java.security.krb5.conf',
  'javax.net.ssl.trustStore',
  'javax.net.ssl.trustStorePassword',
]);

const fileNames: ReadonlySet<string> = new Set([
  'secured.krb5.keyTab',
  'java.security.krb5.conf',
  'javax.net.ssl.trustStore',
]);

/** The properties that `JAVA_OPTS` sets; what is not for us is noted in the translation. */
export function readJavaOptions(
  translation: Translation,
  options: Setting | undefined,
  hostPath: (path: string) => string,
): Settings {
  if (!options) return new Map();
  const { properties, others } = javaProperties(javaWords(options), options.origin);
  // What a property is before variables are filled in tells by which variable its value is known.
  const written = options.written === undefined ? undefined : writtenProperties(options.written, options.origin);
  for (const word of others)
    translation.leaveOut(
      options.origin,
      `JAVA_OPTS ${word.replace(/=.*/s, '=…')}`,
      'ignored on purpose: it sizes or tunes the Java machine',
    );
  for (const name of properties.keys()) {
    if (name === 'secured.krb5.password')
      translation.leaveOut(
        options.origin,
        `JAVA_OPTS -D${name}`,
        'ignored on purpose: the keytab holds the key, a password is not needed',
      );
    else if (!javaNames.has(name))
      translation.leaveOut(options.origin, `JAVA_OPTS -D${name}`, whyNot(name, properties));
  }
  return new Map(
    [...properties].map(([name, { value, origin }]) => [
      name,
      {
        value: fileNames.has(name) ? hostPath(value) : value,
        origin,
        ...(written?.has(name) && { written: written.get(name)?.value ?? '' }),
      },
    ]),
  );
}

function writtenProperties(text: string, origin: string): Settings | undefined {
  try {
    return javaProperties(javaWords({ value: text, origin }), origin).properties;
  } catch {
    return undefined;
  }
}

function whyNot(name: string, given: Settings): string {
  const meant = nearest(
    name,
    [...javaNames].filter((one) => !given.has(one)),
  );
  return meant !== undefined && slipsBetween(name.toLowerCase(), meant.toLowerCase()) <= 2
    ? `Java takes no such property: did you mean ${meant}?`
    : 'it is about something that Gatehouse does not do';
}

/** Java's trust store as the `ca` of a server; it stands for every TLS connection of XUC. Undefined without TLS or store. */
export function trustFor(translation: Translation, java: Settings, url: string): Trust | undefined {
  const store = java.get('javax.net.ssl.trustStore');
  if (!store?.value || !/^(?:ldaps|https):/i.test(url)) return undefined;
  const password = java.get('javax.net.ssl.trustStorePassword');
  if (password?.value) {
    const variable = /^\$\{?(\w+)\}?$/.exec(password.written ?? '')?.[1];
    return {
      ...store,
      ca: { file: store.value, password: password.value },
      ...(variable !== undefined && { variable }),
    };
  }
  translation.problem(
    store.origin,
    'JAVA_OPTS names a trust store without its password',
    'add -Djavax.net.ssl.trustStorePassword=…',
  );
  return undefined;
}

/** A `ca`, and the environment variable that holds its password. */
interface Trust extends Setting {
  readonly ca: { readonly file: string; readonly password: string };
  readonly variable?: string;
}
