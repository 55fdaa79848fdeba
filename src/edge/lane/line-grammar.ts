/**
 * The header lines of a request in the lane's grammar: one pass that looks at what the connection has to know, and makes a list of
 * the lines only for whoever asks for one.
 */
import { LaneLines } from './lines.ts';

/**
 * Blanks that parsers differ in (before a colon, more than one behind it, at the end of a line, at its beginning), and octets that no
 * value holds (RFC 9110 §5.5).
 */
const odd = /[\t ]:|:(?:\t| [\t ])|[\t ]\r|\n[\t ]|[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/;
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;

/** What lines of a name are to the lane. */
type NameKind = 'any' | 'host' | 'length' | 'connection' | 'credentials' | 'foreign';

const kindsByName: Readonly<Record<string, NameKind>> = {
  host: 'host',
  'content-length': 'length',
  connection: 'connection',
  authorization: 'credentials',
};
/** What changes how a connection or a body is read, or is spelt as if it did: rare enough to leave. */
const foreignNames: ReadonlySet<string> = new Set([
  ...['transfer-encoding', 'upgrade', 'expect', 'trailer', 'te', 'http2-settings', 'proxy-connection', 'keep-alive'],
  ...['content_length', 'transfer_encoding'],
]);

const kinds = new Map<string, NameKind>();
const maxKnown = 1024;

function kindOf(spelling: string): NameKind {
  const known = kinds.get(spelling);
  if (known !== undefined) return known;
  const name = spelling.toLowerCase();
  const kind = !token.test(name) || foreignNames.has(name) ? 'foreign' : (kindsByName[name] ?? 'any');
  // Browsers spell two dozen names all day; what else clients invent must not grow the memory.
  if (kinds.size < maxKnown) kinds.set(spelling, kind);
  return kind;
}

/** Reads lines that each end in CRLF; undefined where they are not the lane's to read. */
export function readLines(block: string): LaneLines | undefined {
  if (odd.test(block)) return undefined;
  let [hosts, connections] = [0, 0];
  let [length, keepsAlive, hasCredentials] = [-1, true, false];
  for (let start = 0; start < block.length; ) {
    const end = block.indexOf('\r\n', start);
    const colon = block.indexOf(':', start);
    if (colon === -1 || colon > end) return undefined;
    switch (kindOf(block.slice(start, colon))) {
      case 'any':
        break;
      case 'host':
        hosts += 1;
        break;
      case 'credentials':
        hasCredentials = true;
        break;
      case 'length': {
        const said = block.slice(colon + 1, end);
        if (length !== -1 || !/^ ?\d{1,15}$/.test(said)) return undefined;
        length = Number(said);
        break;
      }
      case 'connection': {
        const [, said] = /^ ?(keep-alive|close)$/i.exec(block.slice(colon + 1, end)) ?? [];
        if (said === undefined) return undefined;
        connections += 1;
        keepsAlive = said.length !== 'close'.length;
        break;
      }
      default:
        return undefined;
    }
    start = end + 2;
  }
  if (hosts !== 1 || connections > 1) return undefined;
  return new LaneLines({ block, bodyLength: Math.max(length, 0), keepsAlive, hasCredentials });
}
