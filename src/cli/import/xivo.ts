/** `gatehouse import xivo`: XiVO's `custom.env`, `docker-xivocc.yml` and `xuc.conf`, printed as `gatehouse.yaml`. */
import { existsSync } from 'node:fs';
import { nearest, slipsBetween } from '../../config/nearest.ts';
import { OperatorError } from '../../core/errors.ts';
import { readCompose } from '../../interop/xivo/compose.ts';
import { readEnvFile } from '../../interop/xivo/env-file.ts';
import type { Setting, Settings, Untranslated } from '../../interop/xivo/settings.ts';
import { translateXivo, xivoVariables } from '../../interop/xivo/xivo.ts';
import { xivoYaml } from '../../interop/xivo/yaml.ts';
import { type Invocation, textOption } from '../command.ts';
import { readConf, readDefaultRealm, textOf } from '../xivo-files.ts';
import type { Importer } from './importer.ts';

/** The importer. */
export const importXivo: Importer = {
  usage: 'xivo [--env custom.env] [--compose docker-xivocc.yml] [--conf xuc.conf] [--krb5 krb5.conf] [--secrets]',
  help: [
    'xivo prints the YAML on the standard output, and on the standard error what was not translated, with place and reason.',
    "  --env FILE      XiVO's custom.env; may be given several times, the last one counts",
    "  --compose FILE  XiVO's docker-xivocc.yml: environment and volumes of xuc and xucmgt",
    "  --conf FILE     XiVO's xuc.conf; without it, what CONFIG_FILE of the compose file names",
    '  --krb5 FILE     the krb5.conf whose default_realm holds; without it, the one of the settings, or /etc/krb5.conf',
    '  --secrets       writes passwords into the YAML; without it, they are left to environment variables',
  ].join('\n'),
  options: {
    env: { type: 'string', multiple: true },
    compose: { type: 'string' },
    conf: { type: 'string' },
    krb5: { type: 'string' },
    secrets: { type: 'boolean' },
  },
  run: runImportXivo,
};

async function runImportXivo(invocation: Invocation): Promise<number> {
  const { terminal, positionals, values } = invocation;
  const { settings, untranslated, used, hostPath } = readSettings(invocation);
  const named = textOption(invocation, 'conf');
  if (positionals.length > 0 || (settings.size === 0 && named === undefined)) {
    terminal.stderr.write(`usage: gatehouse import ${importXivo.usage}\n`);
    return 2;
  }
  const conf = confOf(named, settings, hostPath);
  const defaultRealm = readDefaultRealm(settings, textOption(invocation, 'krb5'), hostPath);
  const translation = translateXivo({ settings, conf, defaultRealm, hostPath });
  const { text, variables } = xivoYaml(translation, values.secrets === true);
  terminal.stdout.write(text);
  const report = [
    ...section(
      'left to the environment',
      variables.map(({ name, key }) => `${name}: the value of ${key}; set it, or import with --secrets`),
    ),
    ...section(
      'not translated',
      [
        ...untranslated,
        ...unusedOf(settings, new Set([...used, ...(conf?.used ?? [])])),
        ...translation.untranslated,
      ].map(({ origin, what, why }) => `${origin}  ${what}: ${why}`),
    ),
    ...section(
      'to know',
      translation.cautions.map(({ origin, message, hint }) => `${origin}  ${message} — ${hint}`),
    ),
  ];
  if (report.length > 0) terminal.stderr.write(`${report.join('\n')}\n`);
  return 0;
}

/** `xuc.conf`: the one that is named, else the one that CONFIG_FILE names. */
function confOf(named: string | undefined, settings: Settings, hostPath: (path: string) => string) {
  const inside = settings.get('CONFIG_FILE');
  const file = named ?? (inside && hostPath(inside.value));
  if (file === undefined) return undefined;
  if (named === undefined && !existsSync(file))
    throw new OperatorError(
      `${inside?.origin}  CONFIG_FILE names ${file}, which is not here`,
      'name xuc.conf with --conf FILE',
    );
  return readConf(file, Object.fromEntries([...settings].map(([name, { value }]) => [name, value])));
}

/** All settings, those of the compose file over those of the env files, as compose itself has it. */
function readSettings(invocation: Invocation) {
  const settings = new Map<string, Setting>();
  const untranslated: Untranslated[] = [];
  const used = new Set<string>();
  const files = invocation.values.env;
  for (const file of Array.isArray(files) ? files.map(String) : []) {
    const read = readEnvFile(textOf(file, { escapesBytes: true }), file, settings);
    for (const [name, setting] of read.settings) settings.set(name, setting);
    for (const name of read.used) used.add(name);
    untranslated.push(...read.untranslated);
  }
  const composeFile = textOption(invocation, 'compose');
  const compose = composeFile === undefined ? undefined : readCompose(textOf(composeFile), composeFile, settings);
  for (const [name, setting] of compose?.settings ?? []) settings.set(name, setting);
  for (const name of compose?.used ?? []) used.add(name);
  return { settings, untranslated, used, hostPath: compose?.hostPath ?? ((path: string) => path) };
}

/** The variables that nothing was made of, nor filled into anything. */
function unusedOf(settings: ReadonlyMap<string, Setting>, used: ReadonlySet<string>): Untranslated[] {
  return [...settings].flatMap(([name, { origin }]): Untranslated[] => {
    if (xivoVariables.includes(name) || name.startsWith('GATEHOUSE_') || used.has(name)) return [];
    const meant = nearest(
      name,
      xivoVariables.filter((one) => !settings.has(one)),
    );
    const isSlip = meant !== undefined && slipsBetween(name, meant) <= 2;
    if (isSlip) return [{ origin, what: name, why: `XiVO has no such variable: did you mean ${meant}?` }];
    const why = 'ignored on purpose: it is not about signing in or routes, and XiVO goes on reading it itself';
    return [{ origin, what: name, why }];
  });
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length > 0 ? [`${title}:`, ...lines.map((line) => `  ${line}`)] : [];
}
