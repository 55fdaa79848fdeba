/** A table of roles and privileges: one of each a line, under a header that names the columns `role` and `privilege`. */
import { CsvError, parse } from 'csv-parse/sync';
import { addPrivilege, emptyDraft, type RolesDraft } from './draft.ts';

const delimiters = [',', ';', '\t'];

interface Row {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

/** Whether a text begins as such a table. */
export function isRolesCsv(text: string): boolean {
  const names = headerOf(text).names.map((name) => name.toLowerCase());
  return names.includes('role') && names.includes('privilege');
}

/** Reads one. What has another shape than its header says is named with its line. */
export function readRolesCsv(text: string): RolesDraft {
  const draft = emptyDraft();
  const note = (line: number, what: string, why: string): void => void draft.notUnderstood.push({ line, what, why });
  const { delimiter, names } = headerOf(text);
  const columns = names.map((name) => name.toLowerCase());
  const twice = columns.find((name, index) => columns.indexOf(name) !== index);
  if (twice !== undefined) {
    note(1, `column ${twice}`, 'stands twice, and which of them counts cannot be told');
    return draft;
  }
  for (const name of columns)
    if (name !== 'role' && name !== 'privilege') note(1, `column ${name}`, 'means nothing here');
  const [roleAt, privilegeAt] = [columns.indexOf('role'), columns.indexOf('privilege')];
  try {
    const options = { bom: true, delimiter, info: true, relax_column_count: true, skip_empty_lines: true, trim: true };
    const [, ...rows] = parse(text, options) as unknown as Row[];
    for (const { record, info } of rows) {
      const [role = '', privilege = ''] = [record[roleAt], record[privilegeAt]];
      if (record.length !== columns.length)
        note(info.lines, record.join(delimiter), `has ${record.length} columns, not ${columns.length}`);
      else if (role === '' || privilege === '')
        note(info.lines, record.join(delimiter), 'lacks the role or the privilege');
      else addPrivilege(draft, role, privilege);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    note(Number(error.lines ?? 0), 'the table', error.message);
  }
  return draft;
}

function headerOf(text: string): { readonly delimiter: string; readonly names: readonly string[] } {
  const [first = ''] = text.replace(/^\ufeff/, '').split(/\r?\n/, 1);
  const delimiter = delimiters.find((sign) => first.includes(sign)) ?? ',';
  return {
    delimiter,
    names: first.split(delimiter).map((name) =>
      name
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .trim(),
    ),
  };
}
