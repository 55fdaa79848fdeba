/** One load with wrk on a CPU of its own, every connection going through the users in turn. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { commonLines, type User } from '../contenders/contender.ts';
import { pinnedTo } from '../machine/cpus.ts';

/** What is asked for. */
export interface Shape {
  /** Each request has another head (a counter in a header), another target, the next of some targets, or none of this. */
  readonly differs: 'nothing' | 'heads' | 'referers' | 'targets' | 'locations';
  /** Those targets. */
  readonly locations?: readonly string[];
  readonly path: string;
  /** Bytes of the body of a POST; 0 is a GET. */
  readonly body: number;
  readonly connections: number;
}

/** What one load showed; times in milliseconds. */
export interface Load {
  readonly perSecond: number;
  readonly answered: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly p50: number;
  readonly p99: number;
  /** Answers other than 2xx and 3xx, and connections that broke. */
  readonly errors: number;
}

/** Writes the script that wrk runs, beside the lines of the users that it reads. */
export function writeScript(
  folder: string,
  name: string,
  { users, host }: { users: readonly User[]; host: string },
  shape: Shape,
): string {
  const [lines, script] = [path.join(folder, `${name}.lines`), path.join(folder, `${name}.lua`)];
  writeFileSync(lines, users.map(({ line }) => `${line}\n`).join(''));
  writeFileSync(path.join(folder, `${name}.locations`), (shape.locations ?? ['/']).join('\n'));
  writeFileSync(script, luaOf(lines, host, shape));
  return script;
}

/** Runs wrk against an address; without a script it asks as anybody. */
export async function runLoad(
  url: string,
  terms: { script: string; connections: number; seconds: number; cpu: number },
): Promise<Load> {
  const seconds = Math.max(1, Math.round(terms.seconds));
  const [taskset = '', ...words] = pinnedTo(terms.cpu);
  const args = ['wrk', '-t1', `-c${terms.connections}`, `-d${seconds}s`, '--timeout', '10s', '--latency'];
  const { stdout } = await promisify(execFile)(taskset, [...words, ...args, '-s', terms.script, url]);
  return parse(stdout);
}

/** The requests are put together before the load begins, as far as they do not differ. */
function luaOf(lines: string, host: string, { differs, path: target, body }: Shape): string {
  const method = body > 0 ? 'POST' : 'GET';
  const common = [`Host: ${host}`, ...commonLines, ...(body > 0 ? [`Content-Length: ${body}`] : [])].join('\\r\\n');
  const join: Readonly<Record<Shape['differs'], string>> = {
    nothing: 'return whole[at]',
    heads: 'return whole[at] .. "X-Count: " .. count .. "\\r\\n\\r\\n" .. body',
    referers: 'return whole[at] .. "Referer: http://desk.example/" .. count .. "\\r\\n\\r\\n" .. body',
    locations: `return "${method} " .. locations[count % #locations + 1] .. whole[at]`,
    targets: `return "${method} ${target}/" .. count % 20000 .. "?since=" .. count .. whole[at]`,
  };
  const first = differs === 'targets' || differs === 'locations' ? '' : `${method} ${target}`;
  const last = differs === 'heads' || differs === 'referers' ? '""' : '"\\r\\n" .. body';
  return `local whole, locations, at, count = {}, {}, 0, 0
for line in io.lines(${JSON.stringify(lines.replace(/\.lines$/, '.locations'))}) do locations[#locations + 1] = line end
local body = string.rep("b", ${body})
for line in io.lines(${JSON.stringify(lines)}) do
  whole[#whole + 1] = "${first} HTTP/1.1\\r\\n${common}\\r\\n" .. line .. "\\r\\n" .. ${last}
end
request = function()
  at = at % #whole + 1
  count = count + 1
  ${join[differs]}
end
`;
}

const units: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 };
const sizes: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3, TB: 1024 ** 4 };

function parse(text: string): Load {
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 'NaN');
  const time = (label: string): number => {
    const [, value = 'NaN', unit = 'ms'] = new RegExp(`${label}\\s+([\\d.]+)(us|ms|s|m)\\b`).exec(text) ?? [];
    return Number(value) * (units[unit] ?? 1);
  };
  const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1) ?? [];
  const odd = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? '0';
  const [, seconds = 'NaN', unit = 's', amount = 'NaN', size = 'B'] =
    /requests in ([\d.]+)(us|ms|s|m), ([\d.]+)([KMGT]?B) read/.exec(text) ?? [];
  return {
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    answered: number(/(\d+) requests in /),
    seconds: (Number(seconds) * (units[unit] ?? 1)) / 1000,
    bytes: Number(amount) * (sizes[size] ?? 1),
    p50: time('50%'),
    p99: time('99%'),
    errors: broken.reduce((sum, count) => sum + Number(count), Number(odd)),
  };
}
