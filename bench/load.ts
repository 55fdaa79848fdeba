/** One load with wrk, every connection going through the users' cookies in turn. */
import { execFile } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Contender } from './contenders.ts';

/** What one load showed; times in milliseconds. */
export interface Load {
  readonly perSecond: number;
  readonly answered: number;
  readonly p50: number;
  readonly p99: number;
  /** Answers other than 2xx and 3xx, and connections that broke. */
  readonly errors: number;
}

/** Runs wrk against a contender. */
export async function runLoad(
  { url }: Contender,
  terms: { cookies: readonly string[]; folder: string; connections: number; seconds: number },
): Promise<Load> {
  const script = path.join(terms.folder, 'users.lua');
  if (!existsSync(script)) writeFileSync(script, luaOf(terms.cookies));
  const args = [
    '-t1',
    `-c${terms.connections}`,
    `-d${Math.max(1, Math.round(terms.seconds))}s`,
    '--latency',
    '-s',
    script,
    `${url}/page`,
  ];
  const { stdout } = await promisify(execFile)('wrk', args);
  return parse(stdout);
}

function luaOf(cookies: readonly string[]): string {
  return [
    `local cookies = { ${cookies.map((cookie) => JSON.stringify(cookie)).join(', ')} }`,
    'local at = 0',
    'request = function()',
    '  at = at % #cookies + 1',
    '  return wrk.format("GET", nil, { ["Cookie"] = cookies[at] })',
    'end',
    '',
  ].join('\n');
}

function parse(text: string): Load {
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 'NaN');
  const time = (label: string): number => {
    const [, value = 'NaN', unit = 'ms'] = new RegExp(`${label}\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? [];
    return Number(value) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? 1);
  };
  const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1) ?? [];
  const odd = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? '0';
  return {
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    answered: number(/(\d+) requests in /),
    p50: time('50%'),
    p99: time('99%'),
    errors: broken.reduce((sum, count) => sum + Number(count), Number(odd)),
  };
}
