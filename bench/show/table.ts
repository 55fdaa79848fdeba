/** A result as text for a terminal. */
import type { Figure, Result, RowSet } from '../measure/result.ts';

/** A table of each set, the other figures, and what to know about the run. */
export function asText(result: Result): string {
  const { terms, machine } = result;
  return [
    `\n${machine.cpu}, ${machine.cpus} CPUs, ${machine.system}, Node ${result.versions.node}, commit ${result.commit}`,
    `${terms.users} users, ${terms.connections} connections, ${terms.rounds} rounds of ${terms.seconds} s, at least ${terms.warmUp} requests before`,
    ...result.sets.map(setAsText),
    ...(result.figures.length > 0 ? ['', ...result.figures.map(figureAsText)] : []),
    ...result.leftOut.map(({ contender, why }) => `\nwithout ${contender}: ${why}`),
    `\n${stateOf(result)}`,
  ].join('\n');
}

/** How quiet the machine was, in a sentence. */
export function stateOf({ disturbedShare, machine, terms }: Result): string {
  const quick = terms.quick ? ' A quick run: not to be quoted.' : '';
  const loads = machine.loadAverage.join(', ');
  if (disturbedShare === 0)
    return `The machine was quiet: load average ${loads} at the start, no round disturbed.${quick}`;
  const share = Math.round(disturbedShare * 100);
  return `Other work disturbed ${share} % of the rounds (load average ${loads} at the start): believe the CPU column, and no single figure.${quick}`;
}

function setAsText({ name, title, reference, rows, loadBound }: RowSet): string {
  const header = row(['', 'req/s', 'of ref.', 'CPU µs', 'of ref.', 'p50 ms', 'p99 ms', 'MB', 'errors']);
  const lines = rows.map(({ title, perSecond, ofReference, cpuMicros, p50, p99, memory, errors, rounds }) =>
    row([
      title,
      Math.round(perSecond).toLocaleString('en'),
      ofReference.perSecond.toFixed(2),
      cpuMicros.toFixed(1),
      ofReference.cpu.toFixed(2),
      p50.toFixed(2),
      p99.toFixed(2),
      String(memory.end),
      String(errors) + (rounds.some(({ disturbed }) => disturbed) ? ' *' : ''),
    ]),
  );
  const bound = loadBound
    ? [`asked directly, the upstream gives ${Math.round(loadBound.perSecond).toLocaleString('en')}/s`]
    : [];
  return [`\n${name}: ${title} (reference: ${reference})`, header, ...lines, ...bound].join('\n');
}

function figureAsText({ title, value, unit, note }: Figure): string {
  return `${title.padEnd(72)}${String(value).padStart(10)} ${unit}${note === undefined ? '' : `  (${note})`}`;
}

function row([name = '', ...cells]: readonly string[]): string {
  return name.padEnd(46) + cells.map((cell) => cell.padStart(10)).join('');
}
