/** A result as the tables of the docs. */
import type { Result, RowSet } from '../measure/result.ts';
import { stateOf } from './table.ts';
import { targetsOf } from './targets.ts';

/** What stands between the marks of the page. */
export function asMarkdown(result: Result): string {
  const { terms, machine } = result;
  return [
    `Measured ${result.made.slice(0, 10)} at commit ${result.commit} on ${machine.cpus} CPUs (${machine.cpu}, ${machine.memoryGigabytes} GB), ${machine.system}, Linux ${machine.kernel}, Node ${result.versions.node};`,
    `${terms.rounds} rounds of ${terms.seconds} s each, ${terms.users} users, ${terms.connections} connections, ${terms.warmUp.toLocaleString('en')} requests before.`,
    `**${stateOf(result)}**`,
    '',
    ...targets(result),
    ...result.sets.flatMap(setAsMarkdown),
    ...figures(result),
    ...leftOut(result),
    ...versionsOf(result),
  ].join('\n');
}

function targets(result: Result): string[] {
  const rows = targetsOf(result).map(({ title, wanted, measured, isMet }) => {
    const mark = measured === undefined ? '–' : isMet ? 'yes' : '**no**';
    return `| ${title} | ${wanted} | ${measured ?? 'not in this run'} | ${mark} |`;
  });
  return ['### Targets', '| | wanted | measured | met |', '| --- | --- | --- | --- |', ...rows, ''];
}

function setAsMarkdown({ name, title, reference, rows, loadBound }: RowSet): string[] {
  const lines = rows.map((row) => {
    const { perSecond, ofReference, cpuMicros, p50, p99, memory, errors, rounds } = row;
    const disturbed = rounds.filter((round) => round.disturbed).length;
    return [
      `| ${row.title}`,
      cpuMicros.toFixed(1),
      ofReference.cpu.toFixed(2),
      Math.round(perSecond).toLocaleString('en'),
      ofReference.perSecond.toFixed(2),
      p50.toFixed(2),
      p99.toFixed(2),
      `${memory.start} / ${memory.warm} / ${memory.end}`,
      `${errors}`,
      `${disturbed} of ${rounds.length} |`,
    ].join(' | ');
  });
  const direct = loadBound
    ? [
        `Asked directly, the upstream gave ${Math.round(loadBound.perSecond).toLocaleString('en')} a second: no row can show more.`,
      ]
    : [];
  return [
    `### \`${name}\`: ${title}`,
    `| | CPU µs | of ${reference} | req/s | of ${reference} | p50 ms | p99 ms | MB at start / warm / end | errors | disturbed |`,
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
    '',
    ...direct,
    ...(direct.length > 0 ? [''] : []),
  ];
}

function figures({ figures }: Result): string[] {
  if (figures.length === 0) return [];
  const rows = figures.map(
    ({ title, value, unit, note }) => `| ${title} | ${value.toLocaleString('en')} ${unit} | ${note ?? ''} |`,
  );
  return ['### Other figures', '| | | |', '| --- | --- | --- |', ...rows, ''];
}

function leftOut({ leftOut }: Result): string[] {
  return leftOut.length === 0
    ? []
    : [`Without: ${leftOut.map(({ contender, why }) => `${contender} (${why})`).join('; ')}.`, ''];
}

function versionsOf({ versions }: Result): string[] {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [`Versions: ${named.join(', ')}.`];
}
