/** A table of users as spreadsheets and directories write it: CSV with a header row, read into users with every fault at its line. */
import { isUtf8 } from 'node:buffer';
import { CsvError, parse } from 'csv-parse/sync';
import { canonicalUsername, isApiSubject } from '../core/principal.ts';
import { isPasswordHash } from './passwords.ts';
import { nameProblem, type UserChange } from './users-document.ts';

/** A user of the table. A column that is not there leaves what it would say as it is; an empty cell takes it away. */
export interface ListedUser {
  readonly username: string;
  readonly line: number;
  readonly change: UserChange;
}

/** What is wrong, and where. */
interface CsvFault {
  readonly line: number;
  readonly message: string;
}

/** A table, or everything that is wrong with it. */
type CsvReading =
  | { readonly kind: 'users'; readonly users: readonly ListedUser[] }
  | { readonly kind: 'faults'; readonly faults: readonly CsvFault[] };

/** Whether a tenant may be named; any where none is configured. */
interface CsvTerms {
  readonly isTenant: (name: string) => boolean;
}

/** Far more than a users file is good for. */
const maxUsers = 5000;

const columns = ['user', 'name', 'email', 'phone', 'groups', 'tenant', 'password-hash', 'disabled'] as const;
type Column = (typeof columns)[number];

interface Row {
  readonly cells: readonly string[];
  readonly line: number;
}

/** Reads the bytes of a file. */
export function readUsersCsv(bytes: Buffer, terms: CsvTerms): CsvReading {
  const text = decode(bytes);
  if (typeof text !== 'string') return { kind: 'faults', faults: [text] };
  const rows = rowsOf(text);
  if ('message' in rows) return { kind: 'faults', faults: [rows] };
  const [head, ...body] = rows;
  if (!head)
    return {
      kind: 'faults',
      faults: [{ line: 1, message: `is empty; the first line names the columns: ${columns.join(', ')}` }],
    };
  if (body.length > maxUsers)
    return {
      kind: 'faults',
      faults: [
        { line: body[maxUsers]?.line ?? 1, message: `is more than ${maxUsers} users; keep so many in a directory` },
      ],
    };
  const faults = headFaults(head);
  if (faults.length > 0) return { kind: 'faults', faults };
  const names = head.cells.map((cell) => cell.trim().toLowerCase()) as Column[];
  return usersOf(body, names, terms);
}

function usersOf(rows: readonly Row[], names: readonly Column[], terms: CsvTerms): CsvReading {
  const faults: CsvFault[] = [];
  const users: ListedUser[] = [];
  const lines = new Map<string, number>();
  for (const row of rows) {
    const { line, cells } = row;
    const fault = (message: string): void => void faults.push({ line, message });
    if (cells.length !== names.length) {
      fault(
        `has ${cells.length} cells, and the first line names ${names.length} columns; put cells with a separator in quotes`,
      );
      continue;
    }
    const cell = new Map(names.map((name, index) => [name, (cells[index] ?? '').trim()]));
    const username = cell.get('user') ?? '';
    const problem = userProblem(username);
    if (problem) fault(`user ${JSON.stringify(username.slice(0, 40))}: ${problem}`);
    const before = lines.get(canonicalUsername(username));
    if (before !== undefined) fault(`user ${username}: is the same name as in line ${before}`);
    else lines.set(canonicalUsername(username), line);
    users.push({ username, line, change: changeOf(cell, terms, (message) => fault(`user ${username}: ${message}`)) });
  }
  return faults.length > 0 ? { kind: 'faults', faults } : { kind: 'users', users };
}

function changeOf(cell: ReadonlyMap<Column, string>, terms: CsvTerms, fault: (message: string) => void): UserChange {
  const text = (column: Column) => (cell.has(column) ? cell.get(column) || null : undefined);
  const [email, phone, tenant, hash] = [text('email'), text('phone'), text('tenant'), text('password-hash')];
  for (const [column, value] of cell)
    if (/[\p{Cc}\p{Cs}\u2028\u2029]/u.test(value)) fault(`${column} holds a control character or a line break`);
  if (email && !/^[^\s@,;<>"]+@[^\s@,;<>"]+$/.test(email)) fault(`email ${JSON.stringify(email)} is no e-mail address`);
  if (phone && !/^\+?[\d\s.()/-]{4,30}$/.test(phone)) fault(`phone ${JSON.stringify(phone)} is no telephone number`);
  if (tenant && !terms.isTenant(tenant)) fault(`tenant ${JSON.stringify(tenant)} is not configured`);
  if (hash && !isPasswordHash(hash))
    fault('password-hash is no argon2id hash, such as $argon2id$v=19$m=19456,t=2,p=1$…');
  const disabled = cell.has('disabled') ? truth[(cell.get('disabled') ?? '').toLowerCase()] : undefined;
  if (cell.has('disabled') && disabled === undefined)
    fault(`disabled ${JSON.stringify(cell.get('disabled'))} is neither true nor false`);
  return {
    ...{ name: text('name'), email, phone, tenant, disabled },
    ...(cell.has('groups') && { groups: groupsIn(cell.get('groups') ?? '') }),
    // An empty one leaves the password that its user may have chosen meanwhile.
    ...(hash && { password: hash }),
  };
}

const truth: Readonly<Record<string, boolean>> = {
  ...{ '': false, false: false, no: false, '0': false },
  ...{ true: true, yes: true, '1': true },
};

/** Why a name cannot be an account's. An e-mail address is one. */
function userProblem(username: string): string | undefined {
  if (isApiSubject(username)) return 'begins with api: or peer:, which only programs and machines do';
  if (username.split('@').length > 2) return 'has more than one @';
  return nameProblem(username);
}

function groupsIn(text: string): string[] {
  const groups = text.split(/[,;|]/).map((group) => group.trim());
  return [...new Set(groups.filter((group) => group !== ''))];
}

/** Two columns of one name would be one to most readers, and nobody could say which counts. */
function headFaults({ cells, line }: Row): readonly CsvFault[] {
  const names = cells.map((cell) => cell.trim().toLowerCase());
  const faults = names.flatMap((name, index) => {
    if (names.indexOf(name) !== index) return [`the column ${JSON.stringify(name)} stands there twice`];
    const isKnown = (columns as readonly string[]).includes(name);
    return isKnown ? [] : [`there is no column ${JSON.stringify(name)}; the columns are ${columns.join(', ')}`];
  });
  if (!names.includes('user')) faults.push('there is no column "user", which every table needs');
  return faults.map((message) => ({ line, message }));
}

function rowsOf(text: string): readonly Row[] | CsvFault {
  try {
    const records = parse(text, {
      delimiter: delimiterOf(text),
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: 65_536,
    }) as unknown as { readonly record: readonly string[]; readonly info: { readonly lines: number } }[];
    return records
      .map(({ record, info }) => ({ cells: record, line: info.lines - lineBreaksIn(record) }))
      .filter(({ cells }) => cells.some((cell) => cell.trim() !== ''));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = 'lines' in error && typeof error.lines === 'number' ? error.lines : 1;
    return { line, message: flaws[error.code] ?? `is no CSV (${error.code})` };
  }
}

const flaws: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: 'has a quote that is not closed before the end of the file',
  CSV_INVALID_CLOSING_QUOTE: 'has something behind a closing quote; write a quote within a cell twice',
  INVALID_OPENING_QUOTE: 'has a quote in the middle of a cell; put the whole cell in quotes, and write the quote twice',
  CSV_MAX_RECORD_SIZE: 'is longer than 64 KiB; is a quote not closed?',
};

function lineBreaksIn(record: readonly string[]): number {
  return record.join('').match(/\r\n|\n|\r/g)?.length ?? 0;
}

/** Whichever of the three stands most often in the first line. */
function delimiterOf(text: string): string {
  const [first = ''] = text.split(/\r\n|\n|\r/, 1);
  const count = (sign: string): number => first.split(sign).length;
  return [',', ';', '\t'].reduce((best, sign) => (count(sign) > count(best) ? sign : best));
}

function decode(bytes: Buffer): string | CsvFault {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))
    return { line: 1, message: 'is UTF-16; save it as "CSV UTF-8"' };
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const line = bytes
      .toString('latin1')
      .split('\n')
      .findIndex((part) => !isUtf8(Buffer.from(part, 'latin1')));
    return { line: line + 1, message: 'is not UTF-8; save the file as "CSV UTF-8"' };
  }
}
