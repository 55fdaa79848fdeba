/** `gatehouse cert pin`: what a server shows, with the row to paste. Changes nothing, and vouches for nobody. */
import { OperatorError } from '../../core/errors.ts';
import { readAuthorities, systemAnchors } from '../../tls/authorities.ts';
import { adviseOnChain } from '../../tls/chain-advice.ts';
import { exitCodes, type Invocation, textOption, UsageError } from '../command.ts';
import { askServer, serverOf } from './ask-server.ts';

/** Runs the command. */
export async function pinServer(invocation: Invocation, words: readonly string[]): Promise<number> {
  const [target, ...rest] = words;
  const server = target === undefined ? undefined : serverOf(target);
  if (!server || rest.length > 0)
    throw new UsageError('cert pin takes one HOST:PORT', 'such as mps-01.corp.example.com:8443');
  const host = textOption(invocation, 'host') ?? server.host;
  const ca = textOption(invocation, 'ca');
  const anchors = [...systemAnchors(), ...(ca ? readAuthorities(ca).certificates : [])];
  const { certificates, source } = await askServer(server, host);
  const terms = { host, use: 'server', anchors, now: Date.now(), isOrdered: true } as const;
  const { report, findings } = adviseOnChain(certificates, terms);
  const [own] = report.certificates;
  if (!own) throw new OperatorError(`${source} shows no certificate`, 'check name, port and firewall');
  const url = `https://${server.host.includes(':') ? `[${server.host}]` : server.host}:${server.port}`;
  const name = host === server.host ? '' : `, name: ${host}`;
  const thumbprint = own.thumbprint.replaceAll(':', '').toLowerCase();
  const lines = [
    `${source} shows: ${own.subject}`,
    `  issued by  ${own.issuer}`,
    `  valid      ${day(own.validFrom)} to ${day(own.validTo)}`,
    `  SHA-1      ${own.thumbprintSha1.replaceAll(':', '').toLowerCase()}`,
    `  SHA-256    ${thumbprint}`,
    `  SPKI pin   ${own.pin}`,
    '',
    ...findings.flatMap(({ kind, text, fix }) => [`${kind}: ${text}`, `  ${fix}`]),
    ...(findings.length > 0 ? [''] : []),
    'Anybody on the way may have answered: compare a thumbprint with what the owner of the server says by another way.',
    'Then paste one of these under servers: of the upstream. This certificate, until it is renewed:',
    `  - { url: ${url}, thumbprints: ["${thumbprint}"]${name} }`,
    'or this key, which a renewal with the same key keeps:',
    `  - { url: ${url}, pins: ["${own.pin}"]${name} }`,
    ...(report.complete
      ? []
      : ['Its chain leads to no authority that is trusted here: the upstream needs ca: FILE, too.']),
  ];
  invocation.terminal.stdout.write(`${lines.join('\n')}\n`);
  return exitCodes.good;
}

function day(value: Date): string {
  return value.toISOString().slice(0, 10);
}
