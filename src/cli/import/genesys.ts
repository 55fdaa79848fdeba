/** `gatehouse import genesys`: settings of Genesys Intelligent Automation about users and second factors, printed as ours. */
import { Document, isMap, isNode, isScalar } from 'yaml';
import { withOverrides } from '../../config/overrides.ts';
import { type GenesysReading, readGenesysSettings, type TranslatedSetting } from '../../interop/genesys/settings.ts';
import { exitCodes, type Invocation } from '../command.ts';
import { textOf } from '../xivo-files.ts';
import type { Importer } from './importer.ts';

/** The importer. */
export const importGenesys: Importer = {
  usage: 'genesys FILE...',
  help: [
    'genesys prints what lines of Name=Value say of users and of two-factor authentication, by the names of the server settings of',
    'Genesys Intelligent Automation and the labels of its page of two-factor settings: a part of a configuration, to be put',
    'into one. On the standard error stands what has no counterpart, with its line. It exits with 2 where nothing was understood.',
  ].join('\n'),
  options: {},
  run: runImportGenesys,
};

/** Keys without which what was found is no whole configuration. */
const missing: readonly { readonly beside: string; readonly needs: readonly string[]; readonly hint: string }[] = [
  {
    beside: 'factors.email',
    needs: ['messages', 'mail', 'url'],
    hint: 'messages.mail.url: the SMTP server, such as smtps://smtp.example.com:465',
  },
  {
    beside: 'factors.text',
    needs: ['factors', 'text', 'countries'],
    hint: 'factors.text.gateway and factors.text.countries: where messages are handed in, and where they may go',
  },
  {
    beside: 'factors.vendor',
    needs: ['factors', 'vendor', 'verify'],
    hint: 'factors.vendor.verify, .environment and .secret: where codes are judged',
  },
  {
    beside: 'tenantRules.default',
    needs: ['tenantRules', 'attribute'],
    hint: 'tenantRules.attribute: the attribute of users that has the id of their company',
  },
];

async function runImportGenesys({ terminal, positionals }: Invocation): Promise<number> {
  if (positionals.length === 0) {
    terminal.stderr.write(`usage: gatehouse import ${importGenesys.usage}\n`);
    return exitCodes.usage;
  }
  const readings = positionals.map((file) => readGenesysSettings(textOf(file), file));
  const values = withTypes(ofFactorsInUse(readings.flatMap((reading) => reading.values)));
  const untranslated = readings.flatMap((reading: GenesysReading) => reading.untranslated);
  const report = [
    ...section(
      'not translated',
      untranslated.map(({ origin, what, why }) => `${origin}  ${what}: ${why}`),
    ),
    ...section(
      'to add',
      missing
        .filter(({ beside }) => values.some(({ key }) => key.join('.').startsWith(beside)))
        .map(({ hint }) => hint),
    ),
  ];
  if (report.length > 0) terminal.stderr.write(`${report.join('\n')}\n`);
  if (values.length === 0) {
    terminal.stderr.write('nothing was understood\n');
    return exitCodes.usage;
  }
  terminal.stdout.write(yamlOf(values));
  return exitCodes.good;
}

/** What is said of codes by mail and by text message alike is written for the one that has settings of its own; for both where neither has. */
function ofFactorsInUse(values: readonly TranslatedSetting[]): readonly TranslatedSetting[] {
  const isOwn = (name: string): boolean =>
    values.some(({ key }) => key[1] === name && ['type', 'contact', 'from', 'subject'].includes(key[2] ?? ''));
  const [hasEmail, hasText] = [isOwn('email'), isOwn('text')];
  if (hasEmail === hasText) return values;
  return values.filter(({ key }) => key[0] !== 'factors' || key[1] !== (hasEmail ? 'text' : 'email'));
}

/** A factor that settings speak of is one, also where no line says which generates the codes. */
function withTypes(values: readonly TranslatedSetting[]): TranslatedSetting[] {
  const types = { email: 'mail', text: 'sms', vendor: 'webservice' };
  const lacking = Object.entries(types).flatMap(([name, type]): TranslatedSetting[] => {
    const own = values.filter(({ key }) => key[0] === 'factors' && key[1] === name);
    const isSaid = own.some(({ key }) => key[2] === 'type');
    return own.length > 0 && !isSaid
      ? [{ key: ['factors', name, 'type'], value: type, origin: 'its other settings' }]
      : [];
  });
  return [...lacking, ...values];
}

function yamlOf(values: readonly TranslatedSetting[]): string {
  const document = new Document(withOverrides({}, values));
  document.commentBefore = [
    ' Made of settings of Genesys by "gatehouse import genesys". Put it into gatehouse.yaml, then: gatehouse check',
    ' Each comment says where a value came from.',
  ].join('\n');
  for (const { key, origin } of values) {
    const parent = document.getIn(key.slice(0, -1));
    const pair = isMap(parent)
      ? parent.items.find((item) => isScalar(item.key) && item.key.value === key.at(-1))
      : undefined;
    if (pair && isNode(pair.value)) pair.value.comment = ` ${origin}`;
  }
  return document.toString({ lineWidth: 0 });
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length > 0 ? [`${title}:`, ...lines.map((line) => `  ${line}`)] : [];
}
