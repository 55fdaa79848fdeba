/** `gatehouse check`: is the configuration right, and, with `--connect`, do the providers answer? */

import { type ConfigIssue, formatIssues } from '../../config/report.ts';
import { systemClock } from '../../core/clock.ts';
import type { ProbeStep } from '../../core/provider.ts';
import type { Document } from '../../gateway/document.ts';
import { routesOf } from '../../gateway/routes.ts';
import { locationWarnings } from '../../routing/location-warnings.ts';
import type { Reading } from '../../runtime/reading.ts';
import { probeRedis } from '../../store/redis/probe.ts';
import type { Command, Invocation, Terminal } from '../command.ts';
import { appOption, configFile, configOption, readConfigurationFor } from '../configuration.ts';
import { withProviders } from '../providers.ts';
import { applicationWarnings } from './applications.ts';
import { certificateIssues } from './certificates.ts';
import { endedKeyWarnings, enrolledTenantWarnings } from './enrolled-tenants.ts';
import { exposureWarnings } from './exposure.ts';
import { externalWarnings } from './external.ts';
import { probeFactors } from './factor-probes.ts';
import { headerWarnings } from './headers.ts';
import { networkWarnings } from './networks.ts';
import { originTable } from './origin-table.ts';
import { outboundWarnings } from './outbound.ts';
import { peerWarnings } from './peers.ts';
import { providerFileIssues } from './provider-files.ts';
import { recheckWarnings } from './recheck.ts';
import { revocationIssues } from './revocation.ts';
import { factorWarnings } from './second-factors.ts';
import { secretWarnings } from './secrets.ts';
import { siteWarnings } from './site-warnings.ts';
import { storeErrors, storeWarnings } from './store-files.ts';
import { tenantWarnings } from './tenants.ts';
import { probeServer, secureServers } from './upstreams.ts';
import { withoutEffectWarnings } from './without-effect.ts';
import { workerWarnings } from './workers.ts';

/** The command. */
export const check: Command = {
  usage: 'gatehouse check [--config FILE] [--app] [--connect]',
  summary: 'say what is wrong with a configuration; with --connect also try each provider',
  help: [
    'Reports every error at once, each with file, line and column, and warns of what is allowed but seldom meant.',
    'Where the environment changes the configuration, or is all of it, it lists each value and where that came from.',
    'Certificates, users files and keytabs are read, and what would stop a start is an error.',
    '--connect tries each provider step by step and names the step that failed, why, and its time; of servers behind it over TLS it',
    'tries the certificate, and warns. A store in Redis is tried as well.',
    '--app: the file is that of an application with the gateway inside, where routes have no upstream.',
    'Exits with 0 when all is good, 1 otherwise. Warnings alone are good.',
  ].join('\n'),
  options: { ...configOption, ...appOption, connect: { type: 'boolean' } },
  run: runCheck,
};

const probeTimeout = 30_000;
/** For each step of an upstream's probe. */
const upstreamTimeout = 5000;

async function runCheck(invocation: Invocation): Promise<number> {
  const { terminal } = invocation;
  const file = configFile(invocation);
  const reading = readConfigurationFor(invocation, file);
  if (reading.kind === 'invalid') {
    const count = reading.issues.length;
    terminal.stderr.write(`${formatIssues(reading.issues)}\n${count} ${count === 1 ? 'error' : 'errors'}\n`);
    return 1;
  }
  const certificates = await certificateIssues(reading);
  const revocation = await revocationIssues(reading);
  const files = providerFileIssues(reading);
  const gone = [
    ...(await enrolledTenantWarnings(reading, file, terminal.env)),
    ...(await endedKeyWarnings(reading, file, terminal.env)),
  ];
  const warnings = [
    ...reading.warnings,
    ...gone,
    ...routeWarnings(reading),
    ...headerWarnings(reading),
    ...exposureWarnings(reading),
    ...networkWarnings(reading),
    ...recheckWarnings(reading),
    ...withoutEffectWarnings(reading),
    ...tenantWarnings(reading),
    ...externalWarnings(reading),
    ...factorWarnings(reading),
    ...applicationWarnings(reading),
    ...secretWarnings(reading),
    ...peerWarnings(reading),
    ...outboundWarnings(reading, invocation.terminal.env),
    // The hosts of a gateway inside an application are the application's affair.
    ...(invocation.values.app === true ? [] : siteWarnings(reading)),
    ...certificates.warnings,
    ...revocation.warnings,
    ...files.warnings,
    ...storeWarnings(reading),
    ...(invocation.values.app === true ? [] : workerWarnings(reading)),
  ];
  const errors = [...certificates.errors, ...revocation.errors, ...files.errors, ...storeErrors(reading)];
  if (warnings.length > 0)
    terminal.stderr.write(
      `${formatIssues(warnings)}\n${warnings.length} ${warnings.length === 1 ? 'warning' : 'warnings'}\n`,
    );
  if (errors.length > 0) {
    const count = errors.length;
    terminal.stderr.write(`${formatIssues(errors)}\n${count} ${count === 1 ? 'error' : 'errors'}\n`);
    return 1;
  }
  if (reading.overrides.length > 0) terminal.stdout.write(`${originTable(reading.overrides)}\n`);
  terminal.stdout.write(`${file}: good\n`);
  return invocation.values.connect === true ? connect(reading.document, terminal) : 0;
}

/** What is allowed but seldom meant, at the line where it stands. */
function routeWarnings({ document, locate }: Extract<Reading, { kind: 'ok' }>): ConfigIssue[] {
  const routes = routesOf(document);
  return locationWarnings(routes).map(({ route, key, message, hint }) => ({
    ...locate(['routes', routes.indexOf(route), key]),
    message,
    hint,
  }));
}

async function connect(document: Document, terminal: Terminal): Promise<number> {
  const isGood = await withProviders(document, async ({ all }) => {
    let isWell = true;
    for (const [name, provider] of all) {
      terminal.stdout.write(`\n${name} (${document.providers[name]?.type})\n`);
      if (!provider.probe) {
        terminal.stdout.write('  nothing to connect to\n');
        continue;
      }
      for await (const step of provider.probe(AbortSignal.timeout(probeTimeout))) {
        if (step.result === 'failed') isWell = false;
        terminal.stdout.write(formatStep(step));
      }
    }
    return isWell;
  });
  const areFactorsGood = await probeFactors(document, {
    timeout: probeTimeout,
    begin: (title) => terminal.stdout.write(`\n${title}\n`),
    tell: (step) => terminal.stdout.write(formatStep(step)),
  });
  const isStoreGood = await connectStore(document, terminal);
  for (const server of secureServers(document)) {
    terminal.stdout.write(`\n${server.origin} (upstream)\n`);
    const terms = { signal: AbortSignal.timeout(probeTimeout), timeout: upstreamTimeout };
    for await (const step of probeServer(server, terms)) terminal.stdout.write(formatStep(step));
  }
  terminal.stdout.write(
    isGood ? '\nevery provider answers\n' : '\nat least one provider does not answer as it should\n',
  );
  if (!areFactorsGood) terminal.stdout.write('at least one second factor cannot be asked as it should\n');
  if (!isStoreGood) terminal.stdout.write('the store is not as it should be\n');
  return isGood && areFactorsGood && isStoreGood ? 0 : 1;
}

/** Tries a store that is elsewhere. */
async function connectStore({ session: { store }, factors }: Document, terminal: Terminal): Promise<boolean> {
  if (store.type !== 'redis') return true;
  let isWell = true;
  terminal.stdout.write('\nsession.store (redis)\n');
  const keepsEnrolments = Object.keys(factors).length > 0;
  const terms = { clock: systemClock, signal: AbortSignal.timeout(probeTimeout), keepsEnrolments };
  for await (const step of probeRedis(store, terms)) {
    if (step.result === 'failed') isWell = false;
    terminal.stdout.write(formatStep(step));
  }
  return isWell;
}

function formatStep({ step, result, detail, hint, milliseconds }: ProbeStep): string {
  const mark = { ok: 'ok     ', warning: 'warning', failed: 'FAILED ' }[result];
  const line = `  ${mark}  ${step.padEnd(10)} ${`${Math.round(milliseconds)} ms`.padStart(8)}  ${detail}\n`;
  return hint ? `${line}${' '.repeat(31)}${hint}\n` : line;
}
