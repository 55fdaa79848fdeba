/** The chart of the docs: how many requests one second of CPU time carries, for each contender of the core set. */
import type { Result, Row } from '../measure/result.ts';

const width = 960;
const barsFrom = 380;
const barsTo = 800;
const rowHeight = 30;
const top = 96;

/** What a contender does, which gives its bar a colour. */
type Kind = 'gatehouse' | 'knows' | 'nobody';

/** The SVG of a result; it follows the reader's light or dark scheme. */
export function chartOf(result: Result): string {
  const rows = (result.sets.find(({ name }) => name === 'core')?.rows ?? []).toSorted(byCost);
  const most = Math.max(...rows.map(carried), 1);
  const height = top + rows.length * rowHeight + 44;
  const bars = rows.map((row, index) => bar(row, top + index * rowHeight, most));
  const when = `${result.made.slice(0, 10)}, commit ${result.commit}, ${result.machine.cpu}, one CPU for the proxy`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title description">
  <title id="title">Requests that one second of CPU time carries</title>
  <desc id="description">${asText(description(rows))}</desc>
  <style>
    svg { --ink: #16211f; --soft: #51605d; --paper: #ffffff; --gatehouse: #0f6b62; --knows: #b4772a; --nobody: #9aa8a5; }
    @media (prefers-color-scheme: dark) {
      svg { --ink: #e8efed; --soft: #a9b8b5; --paper: #10181a; --gatehouse: #5cc7b8; --knows: #d9a35c; --nobody: #5f6f6c; }
    }
    text { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--ink); }
    .small { font-size: 12px; fill: var(--soft); }
    .strong { font-weight: 600; }
    .title { font-size: 18px; font-weight: 600; }
    .end { text-anchor: end; }
    .paper { fill: var(--paper); }
    .gatehouse { fill: var(--gatehouse); }
    .knows { fill: var(--knows); }
    .nobody { fill: var(--nobody); }
  </style>
  <rect class="paper" width="${width}" height="${height}" rx="12"/>
  <text class="title" x="24" y="36">Requests that one second of CPU time carries (longer is better)</text>
${legend()}
${bars.join('\n')}
  <text class="small" x="24" y="${height - 16}">${asText(when)}</text>
</svg>
`;
}

/** Requests a second of CPU time. */
function carried({ cpuMicros }: Row): number {
  return 1e6 / cpuMicros;
}

function byCost(one: Row, other: Row): number {
  return one.cpuMicros - other.cpuMicros;
}

function kindOf({ contender }: Row): Kind {
  if (contender === 'gatehouse-public') return 'nobody';
  if (contender.startsWith('gatehouse')) return 'gatehouse';
  return /^(?:apache|lemonldap|nginx-auth)/.test(contender) ? 'knows' : 'nobody';
}

function legend(): string {
  const words: readonly (readonly [Kind, string])[] = [
    ['gatehouse', 'Gatehouse with a live session'],
    ['knows', 'others that decide about each request'],
    ['nobody', 'knows nobody'],
  ];
  return words
    .map(([kind, text], index) => {
      const x = 24 + index * 300;
      return `  <rect class="${kind}" x="${x}" y="56" width="14" height="14" rx="3"/><text x="${x + 22}" y="68">${text}</text>`;
    })
    .join('\n');
}

function bar(row: Row, y: number, most: number): string {
  const length = Math.max(2, Math.round(((barsTo - barsFrom) * carried(row)) / most));
  const kind = kindOf(row);
  const strong = row.contender.startsWith('gatehouse') ? ' class="end strong"' : ' class="end"';
  return [
    `  <text${strong} x="${barsFrom - 12}" y="${y + 16}">${asText(row.title)}</text>`,
    `  <rect class="${kind}" x="${barsFrom}" y="${y}" width="${length}" height="22" rx="3"/>`,
    `  <text x="${barsFrom + length + 8}" y="${y + 16}">${thousands(carried(row))} · ${row.cpuMicros.toFixed(1)} µs</text>`,
  ].join('\n');
}

function description(rows: readonly Row[]): string {
  return rows.map((row) => `${row.title}: ${thousands(carried(row))}`).join('; ');
}

function thousands(value: number): string {
  return (Math.round(value / 10) * 10).toLocaleString('en');
}

function asText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
