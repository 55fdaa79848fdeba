/** What `nginx -T` prints: every file of a configuration in one text, each behind a line with its name. */
import { dirname, join, matchesGlob, posix } from 'node:path';
import type { Include, NginxFile } from './parse.ts';

const mark = /^# configuration file (.+):$/;

/** The files of a dump, the main one first; none where the text is no dump. */
export function readDump(text: string): readonly NginxFile[] {
  const lines = text.replace(/^\ufeff/, '').split('\n');
  // Who keeps both outputs has the verdict of nginx's own test in front.
  const first = lines.findIndex((line) => line.trim() !== '' && !/^nginx: /.test(line));
  if (!mark.test((lines[first] ?? '').trimEnd())) return [];
  const files: { file: string; lines: string[] }[] = [];
  for (const line of lines.slice(first)) {
    const [, file] = mark.exec(line.trimEnd()) ?? [];
    if (file === undefined) files.at(-1)?.lines.push(line);
    else files.push({ file, lines: [] });
  }
  return files.map((one) => ({ file: one.file, text: one.lines.join('\n') }));
}

/** Finds included files among those of a dump; relative names begin where the main file is. */
export function includeOf(files: readonly NginxFile[]): Include {
  const [main] = files;
  return (pattern) => {
    const path = posix.isAbsolute(pattern) ? pattern : join(dirname(main?.file ?? ''), pattern);
    if (/[*?[]/.test(path)) return files.filter(({ file }) => matchesGlob(file, path));
    const found = files.find(({ file }) => file === path);
    return found && [found];
  };
}
