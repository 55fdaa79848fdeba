/** `gatehouse cert`: certificates looked at, requested, put in place and handed out, without a tool of the machine's own. */
import { type Command, type Invocation, UsageError } from '../command.ts';
import { configOption } from '../configuration.ts';
import { checkCertificates } from './check.ts';
import { exportCertificate } from './export.ts';
import { importCertificates } from './import.ts';
import { pinServer } from './pin.ts';
import { requestCertificate } from './request.ts';
import { showCertificates } from './show.ts';

const verbs: Readonly<Record<string, (invocation: Invocation, words: readonly string[]) => Promise<number>>> = {
  check: checkCertificates,
  show: showCertificates,
  request: requestCertificate,
  export: exportCertificate,
  import: importCertificates,
  pin: pinServer,
};

/** The command. */
export const cert: Command = {
  usage:
    'gatehouse cert show, check HOST:PORT|FILE, request --name FQDN --out DIR, import FILE --as WHAT, export listener:NAME|FILE --out FILE, or pin HOST:PORT',
  summary: 'look at certificates, ask an authority for one, put one in place, hand one out',
  help: [
    'show [--config FILE] [--json]',
    '    Every certificate of the configuration: names, use, thumbprints, pin, days left, the rows of peers that it is, and what is pinned.',
    'check HOST:PORT|FILE [--key FILE] [--host NAME] [--ca FILE] [--use server|client], or check --config FILE',
    '    HOST:PORT    asks a server for the chain that it sends; the port is 443 when left out',
    '    FILE         reads a chain in PEM, DER or PKCS#7 (.p7b), or a .p12 or .pfx file (its password is asked for, or a line of the input)',
    '    --key FILE   says whether the key in FILE belongs to the certificate',
    '    --host NAME  the name that visitors use; that of HOST:PORT when left out',
    '    --ca FILE    CAs that visitors trust besides the usual ones, such as your own',
    '    --use SIDE   whether the certificate may be used on that side, and the name stands in it exactly, not by a wildcard',
    '    --config FILE without a target: every certificate of the configuration, each on the side on which it stands',
    '    Shows names, dates, key and thumbprints of each certificate. Nothing is fetched: a missing intermediate is named with the',
    '    address at which its issuer publishes it. Exits with 0 when visitors can connect, with 1 when some or all cannot.',
    'request --name FQDN [--alt NAME]... [--ip ADDRESS]... [--use server,client] [--type ec256|ec384|rsa3072] [--key FILE] --out DIR',
    '    Makes a key (only you may read it) and a request for the authority, in PEM and DER. --key FILE takes a key that is there',
    '    already, so that pins of it go on. Nothing is overwritten.',
    'import FILE... --as listener:NAME|peer:NAME|authority:NAME [--key FILE] [--services A,B] [--write] [--config FILE]',
    '    What came, in PEM, DER, PKCS#7 or PKCS#12, is judged and put into the files of the listener, with its key (of a request, of',
    '    --key FILE, beside the file, or the one in use) and its chain in order. What stood there before is kept beside it.',
    '    Of a peer, with what it may reach, and of authorities the row for the configuration is printed; --write inserts that of a peer.',
    'export listener:NAME|FILE --der|--pem|--chain|--pkcs12 [--with-key] [--key FILE] [--config FILE] --out FILE',
    '    The certificate for the other side. A key leaves with --with-key only, under a password that is asked for. The file is read',
    '    back before success is said, and never overwrites one.',
    'pin HOST:PORT [--ca FILE]',
    '    What a server shows, with the row to paste. Changes nothing.',
  ].join('\n'),
  takesWords: true,
  options: {
    ...configOption,
    key: { type: 'string' },
    host: { type: 'string' },
    ca: { type: 'string' },
    use: { type: 'string' },
    name: { type: 'string' },
    alt: { type: 'string', multiple: true },
    ip: { type: 'string', multiple: true },
    type: { type: 'string' },
    out: { type: 'string' },
    as: { type: 'string' },
    services: { type: 'string' },
    write: { type: 'boolean' },
    json: { type: 'boolean' },
    der: { type: 'boolean' },
    pem: { type: 'boolean' },
    chain: { type: 'boolean' },
    pkcs12: { type: 'boolean' },
    'with-key': { type: 'boolean' },
  },
  run: runCert,
};

async function runCert(invocation: Invocation): Promise<number> {
  const [verb = '', ...words] = invocation.positionals;
  const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (!run) throw new UsageError(`usage: ${cert.usage}`, 'gatehouse cert --help says more');
  return run(invocation, words);
}
