/** Finds records of the audit, the newest first: in its file, from the end on, or in what the process remembers. */
import { open } from 'node:fs/promises';
import { readReferenceCode } from '../core/reference-code.ts';

const chunkBytes = 65_536;
/** So much of a file is searched: an audit of weeks must not keep the process busy. */
const maxBytes = 256 * 1024 * 1024;
const newline = 0x0a;

/** What is looked for; all that is said must hold. */
interface RecordQuery {
  readonly event?: string;
  /** Canonical. */
  readonly user?: string;
  /** In its one spelling. */
  readonly code?: string;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly limit: number;
}

/** A record as it stands in the audit. */
export type FoundRecord = Readonly<Record<string, unknown>>;

/** What was found, and whether there is more of it. */
interface FoundRecords {
  readonly records: readonly FoundRecord[];
  readonly more: boolean;
}

/** Searches lines that come from the newest on. */
export async function searchRecords(
  lines: AsyncIterable<string> | Iterable<string>,
  query: RecordQuery,
): Promise<FoundRecords> {
  const { event, user, code, since = 0, limit } = query;
  const records: FoundRecord[] = [];
  for await (const line of lines) {
    if (code !== undefined && !line.includes(code)) continue;
    const record = parse(line);
    if (!record) continue;
    // What is written later can bear an earlier time by a little only.
    if (Date.parse(String(record.time)) < since) break;
    if (event !== undefined && record.event !== event) continue;
    if (user !== undefined && record.user !== user) continue;
    if (code !== undefined && readReferenceCode(String(record.code ?? '')) !== code) continue;
    if (records.length === limit) return { records, more: true };
    records.push(record);
  }
  return { records, more: false };
}

/** The lines of a file from its end on; rejects where it cannot be read. */
export async function* linesFromEnd(path: string): AsyncGenerator<string, void, undefined> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    let rest = Buffer.alloc(0);
    for (let end = size; end > 0 && size - end < maxBytes; ) {
      const start = Math.max(0, end - chunkBytes);
      const chunk = Buffer.alloc(end - start);
      await file.read(chunk, 0, chunk.length, start);
      const text = Buffer.concat([chunk, rest]);
      const first = start === 0 ? 0 : text.indexOf(newline) + 1;
      // A line that is longer than a chunk has its beginning further up.
      if (start > 0 && first === 0) rest = text;
      else {
        yield* text
          .subarray(first)
          .toString('utf8')
          .split('\n')
          .reverse()
          .filter((line) => line !== '');
        rest = text.subarray(0, first);
      }
      end = start;
    }
  } finally {
    await file.close();
  }
}

function parse(line: string): FoundRecord | undefined {
  try {
    const record: unknown = JSON.parse(line);
    return typeof record === 'object' && record !== null ? (record as FoundRecord) : undefined;
  } catch {
    return undefined;
  }
}
