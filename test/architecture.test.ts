/** The rules of the house, checked on the source tree: floors, comments, sizes, and what each provider brings along. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';

/**
 * The rooms by floor. Half floors: every room's options are written in the words of config; remote talks to servers by way of
 * tls; the composition root in gateway puts admin, login and portal together with the rest, and runtime gives it a life.
 */
const floors: Readonly<Record<string, number>> = {
  ...{ core: 0, config: 0.5, telemetry: 1, tls: 1, remote: 1.5, store: 1.75 },
  ...{ edge: 2, messages: 2, peers: 2, routing: 2, sessions: 2, users: 2, interop: 2 },
  ...{ providers: 3, factors: 3, policy: 3, proxy: 3, pages: 3, streams: 3, admin: 3.5, login: 3.5, portal: 4 },
  ...{ gateway: 4.5, runtime: 5, middleware: 5.5, cli: 6 },
};
const maxLines = 250;
const root = path.resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const glob = (...patterns: readonly string[]): string[] => globSync(patterns, { cwd: root }).sort();
const sources = glob('src/**/*.ts');
const programs = [...sources, ...glob('test/**/*.ts', 'scripts/**/*.{ts,mjs}', 'bench/**/*.ts')];

/** Fails with every offence at once, a line each. */
function assertNone(offences: readonly string[], rule: string): void {
  assert.equal(offences.length, 0, `${rule}:\n  ${offences.join('\n  ')}`);
}

/** What a file imports or re-exports from, types included. */
function imports(file: string): string[] {
  const pattern = /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\(\s*'([^']+)'/gm;
  return [...read(file).matchAll(pattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

const roomOf = (file: string): string => file.split(path.sep)[1] ?? '';

/** What is wrong with one import, if anything is. */
function importOffence(file: string, target: string): string | undefined {
  if (target.startsWith('node:')) return undefined;
  const room = roomOf(file);
  if (!target.startsWith('.')) return roomOf(file) === 'core' ? 'core imports nothing but node:' : undefined;
  if (!target.endsWith('.ts')) return 'a path ends in .ts';
  const other = path.relative(root, path.resolve(root, path.dirname(file), target));
  if (!other.startsWith(`src${path.sep}`)) return 'src imports nothing outside src';
  const [from = 0, to = 9] = [floors[room], floors[roomOf(other)]];
  return roomOf(other) === room || to < from
    ? undefined
    : `floor ${from} may not import ${roomOf(other)} on floor ${to}`;
}

test('architecture: each source file is in a room that the design names', () => {
  const strangers = sources.filter((file) => floors[roomOf(file)] === undefined);
  assertNone(strangers, `a file of src belongs to one of ${Object.keys(floors).join(', ')}`);
});

test('architecture: imports go down the floors, never up and never sideways', () => {
  const offences = sources.flatMap((file) =>
    imports(file).flatMap((target) => {
      const offence = importOffence(file, target);
      return offence === undefined ? [] : [`${file}: ${target}: ${offence}`];
    }),
  );
  assert.ok(sources.length > 0, 'there are source files');
  assertNone(offences, 'imports go down only');
});

/** The files of src that each file imports, types included. */
const graph = new Map(
  sources.map((file) => [
    file,
    imports(file)
      .filter((target) => target.startsWith('.'))
      .map((target) => path.relative(root, path.resolve(root, path.dirname(file), target))),
  ]),
);

/** The first circle that is met from each node on, written as a way. */
function circles(edges: ReadonlyMap<string, Iterable<string>>): string[] {
  const done = new Set<string>();
  const way: string[] = [];
  const found: string[] = [];
  const walk = (node: string): void => {
    if (way.includes(node)) return void found.push([...way.slice(way.indexOf(node)), node].join(' → '));
    if (done.has(node)) return;
    way.push(node);
    for (const next of edges.get(node) ?? []) walk(next);
    way.pop();
    done.add(node);
  };
  for (const node of edges.keys()) walk(node);
  return found;
}

test('architecture: no file imports itself by way of others', () => {
  assertNone(circles(graph), 'imports have no circle, those of types included');
});

test('architecture: inside a room a folder stands above or below each of its neighbours', () => {
  // A folder counts as one, with all that is below it: a file of the room beside it imports it, or is imported, never both.
  const nodeOf = (file: string): string => file.split(path.sep).slice(0, 3).join(path.sep);
  const edges = new Map<string, Set<string>>();
  for (const [file, targets] of graph)
    for (const target of targets)
      if (roomOf(target) === roomOf(file) && nodeOf(target) !== nodeOf(file))
        edges.set(nodeOf(file), (edges.get(nodeOf(file)) ?? new Set()).add(nodeOf(target)));
  assertNone(circles(edges), 'folders of a room have floors, too');
});

test('architecture: what src imports from npm is a dependency of the product, not of its development', () => {
  const { dependencies, optionalDependencies } = JSON.parse(read('package.json'));
  const product = new Set(Object.keys({ ...dependencies, ...optionalDependencies }));
  const offences = sources.flatMap((file) =>
    imports(file)
      .filter((target) => !/^(?:\.|node:)/.test(target))
      .map((target) => target.split('/', target.startsWith('@') ? 2 : 1).join('/'))
      .filter((name) => !product.has(name) || builtinModules.includes(name))
      .map((name) => `${file}: ${name}`),
  );
  assertNone(offences, 'package.json names it under dependencies, and built-in modules carry node:');
});

/** The names that a file imports from a module and can call: no types, each as the module calls it. */
function valuesFrom(file: string, module: string): string[] {
  const lines = read(file).matchAll(new RegExp(`^(?:import|export) (?!type )([^'"]*?) from '${module}'`, 'gm'));
  const names = [...lines].flatMap(([, clause = '']) => clause.replace(/[{}]/g, '').split(','));
  return names.map((name) => name.trim()).filter((name) => name !== '' && !name.startsWith('type '));
}

test('architecture: whatever goes out over TLS is made with the options of tls/client.ts', () => {
  const client = path.join('src', 'tls', 'client.ts');
  const offences = sources.flatMap((file) => {
    if (file === client) return [];
    const outgoing = [
      ...valuesFrom(file, 'node:tls').filter((name) => /^(?:connect|TLSSocket|\*)\b/.test(name)),
      ...valuesFrom(file, 'node:https').filter((name) => !/^(?:createServer|Server)\b/.test(name)),
      ...valuesFrom(file, 'node:http2').filter((name) => /^(?:connect|\*)\b/.test(name)),
      ...(read(file).includes('tlsClientOptions(') ? [] : valuesFrom(file, 'undici')),
      ...(read(file).includes('tlsClientOptions(') ? [] : valuesFrom(file, 'ioredis')),
      // ldapts connects by itself unless it is given a socket.
      ...(/createConnection:/.test(read(file)) ? [] : valuesFrom(file, 'ldapts').filter((name) => name === 'Client')),
    ];
    return outgoing.map((name) => `${file}: ${name}`);
  });
  assertNone(
    offences,
    'connectTls, insecureConnectTls, httpsAgent and tlsClientOptions of tls/client.ts make the connection',
  );
});

test('architecture: nobody but login/admit.ts lets anybody in', () => {
  const offences = sources
    .filter((file) => file !== path.join('src', 'login', 'admit.ts'))
    .filter((file) => /\bnew Admitted\b|\bextends Admitted\b|Reflect\.construct\(/.test(withoutComments(file)));
  assertNone(offences, 'a session begins with what login/admit.ts has made');
});

/**
 * Files that read the lines of Node's messages themselves: who makes heads of them or messages of heads, and who reads the
 * answer of an upstream or another server.
 */
const linesAreReadIn: ReadonlySet<string> = new Set(
  [
    ...['core/request-head.ts', 'edge/head-of.ts', 'edge/http2/request.ts', 'edge/http2/sessions.ts'],
    'middleware/headers.ts',
    ...['providers/cas/client.ts', 'proxy/upstream-attempt.ts', 'remote/http-client.ts'],
  ].map((file) => path.join('src', ...file.split('/'))),
);

test('architecture: what a client sends in header lines is read by headOf() alone', () => {
  const words = 'all|each|entries|fault|framing|get|has|list|map|raw|single|some|toNode|with|without';
  const reading = [
    new RegExp(`\\b(?:request|req|message|asker|call)\\.(?:headers(?:Distinct)?(?:\\[|\\??\\.(?!(?:${words})\\b)))`),
    /\.(?:headersDistinct|rawHeaders|rawTrailers)\b|\bIncomingHttpHeaders\b/,
    /\bheaders(?:\??\.)?(?:\['(?!set-cookie')[\w-]+'\](?!\s*=[^=])|\.(?:authorization|cookie|host|origin|referer)\b)/,
    /\b(?:req|request)\.(?:get|header)\(|\{[^{}]*\bheaders\b[^{}]*\}\s*(?::\s*(?:IncomingMessage|Request)\b|=\s*(?:req|message)\b)/,
  ];
  const files = sources.filter((file) => !linesAreReadIn.has(file));
  const offences = reading
    .flatMap((pattern) => found(pattern, files))
    .filter((line) => !/:\d+: (?:\*|\/\/|\/\*)/.test(line));
  assertNone(offences, 'headOf(request) is the one reading of a head');
});

/** What comments say is no use of a name. */
const withoutComments = (file: string): string => read(file).replace(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm, '');

test('architecture: an export has an importer', () => {
  // What the package and the command offer is for others.
  const doors = new Set(['src/middleware/middleware.ts', 'src/cli/main.ts']);
  const taken = new Set<string>();
  for (const file of programs)
    for (const [, names = '', target = ''] of read(file).matchAll(
      /\b(?:import|export)\s+(?:type\s+)?(\{[^}]*\}|\*\s+as\s+\w+)\s+from\s+'(\.[^']+)'/g,
    )) {
      const other = path.relative(root, path.resolve(root, path.dirname(file), target));
      if (!names.startsWith('{')) taken.add(`${other}: *`);
      for (const name of names.slice(1, -1).split(','))
        taken.add(
          `${other}: ${name
            .trim()
            .replace(/^type\s+/, '')
            .replace(/\s+as\s.*/, '')}`,
        );
    }
  const declared = /^export (?:abstract )?(?:async )?(?:function\*?|const|class|interface|type|let) (\w+)/gm;
  const offences = sources
    .filter((file) => !doors.has(file) && !taken.has(`${file}: *`))
    .flatMap((file) => [...read(file).matchAll(declared)].map((match) => `${file}: ${match[1]}`))
    .filter((name) => !taken.has(name));
  assertNone(offences, 'what another file does not import is not exported');
});

test('architecture: a member is read somewhere', () => {
  // Called by Node, by undici or by Express, by the names that these have chosen.
  const calledByOthers = new Set([
    ...['finished', 'getHeaderNames', 'getHeaders', 'hasHeader', 'writeProcessing'],
    ...['onRequestStart', 'onResponseStarted', 'onResponseStart', 'onResponseData', 'onResponseEnd', 'onResponseError'],
  ]);
  const texts = sources.map((file) => ({ file, text: withoutComments(file) }));
  const times = new Map<string, number>();
  for (const { text } of texts)
    for (const [word] of text.matchAll(/[A-Za-z_$][\w$]*/g)) times.set(word, (times.get(word) ?? 0) + 1);
  const member = /^ {2,}(?:readonly |static |async |get )*([A-Za-z]\w*)\??(?:\(.*\).*\{|[:(].*;)$/gm;
  const offences = texts.flatMap(({ file, text }) =>
    [...text.matchAll(member)]
      .map((match) => match[1] ?? '')
      .filter((name) => (times.get(name) ?? 0) < 2 && !calledByOthers.has(name))
      .map((name) => `${file}: ${name}`),
  );
  assertNone(offences, 'a member that nothing reads is dead');
});

test('architecture: exports have names', () => {
  const offences = programs.filter((file) => /^export default\b|^export\s*\{[^}]*\bas default\b/m.test(read(file)));
  assertNone(offences, 'no default export');
});

test('architecture: each file says what it owns', () => {
  const offences = programs.filter((file) => !/^(?:#!.*\n)?\/\*\*/.test(read(file)));
  assertNone(offences, 'a file starts with a doc comment');
});

/** Exported declarations without a doc comment; the second and later signatures of an overload share the first one's. */
function undocumented(file: string): string[] {
  const lines = read(file).split('\n');
  const declared = /^export (?:declare |abstract )*(?:async )?(?:function\*?|const|class|interface|type|let) (\w+)/;
  const documented = new Set<string>();
  return lines.flatMap((line, index) => {
    const name = declared.exec(line)?.[1];
    if (name === undefined || documented.has(name)) return [];
    documented.add(name);
    return lines[index - 1]?.trimEnd().endsWith('*/') ? [] : [`${file}:${index + 1}: ${name}`];
  });
}

test('architecture: each export of src and of the tests’ support says what it is for', () => {
  assertNone([...sources, ...glob('test/support/**/*.ts')].flatMap(undocumented), 'an export has a doc comment');
});

test(`architecture: no source file is longer than ${maxLines} lines`, () => {
  const offences = sources
    .map((file) => ({ file, lines: read(file).trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > maxLines)
    .map(({ file, lines }) => `${file}: ${lines} lines`);
  assertNone(offences, `a file has up to ${maxLines} lines`);
});

test('architecture: a comment names files that exist', () => {
  const tree = globSync('**/*.{ts,mjs}', { cwd: root, exclude: ['node_modules', 'dist', 'coverage'] });
  const ends = new Set(
    tree.flatMap((file) =>
      file.split(path.sep).map((_, index, parts) => parts.slice(index).join('/').replaceAll('\\', '/')),
    ),
  );
  const offences = programs.flatMap((file) => {
    const comments = read(file).match(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm) ?? [];
    const names = comments.flatMap((comment) => comment.match(/(?<![\w./*-])\w[\w./-]*\.(?:ts|mjs)\b/g) ?? []);
    return names.filter((name) => !ends.has(name)).map((name) => `${file}: ${name}`);
  });
  assertNone(offences, 'a file that a comment names is there');
});

test('architecture: a test that draws at random draws from the seed of the run', () => {
  const drawing = /fc\.(?:assert|check)\(/;
  const offences = glob('test/**/*.ts').filter((file) => drawing.test(read(file)) && !read(file).includes('trials('));
  assertNone(offences, 'properties are tried by trials() of test/support/tools/properties.ts');
});

const providers = [
  ...read('src/providers/index.ts').matchAll(/^export \{ (\w+) \} from '\.\/(\w[\w-]*)\/index\.ts';$/gm),
];

test('architecture: the list of providers is a line each, the folder named like the type', () => {
  const lines = read('src/providers/index.ts')
    .split('\n')
    .filter((line) => line.startsWith('export'));
  assert.equal(lines.length, providers.length, 'each export is `export { name } from "./name/index.ts"`');
  assertNone(
    providers.filter(([, name, folder]) => name !== folder).map(([line]) => line),
    'folder and type agree',
  );
});

for (const [, name = ''] of providers)
  test(`architecture: the provider ${name} has a test, an example and a page`, () => {
    const examples = glob('config/examples/**/*.yaml').filter((file) =>
      new RegExp(`\\btype:\\s*['"]?${name}\\b`).test(read(file)),
    );
    const tests = glob(`test/{providers,stories}/${name}{,-*}.test.ts`, `test/providers/${name}/*.test.ts`);
    assert.notEqual(tests.length, 0, `test/providers/${name}.test.ts or test/stories/${name}.test.ts exists`);
    assert.notEqual(examples.length, 0, `a file in config/examples uses type: ${name}`);
    assert.ok(existsSync(path.join(root, `docs/providers/${name}.md`)), `docs/providers/${name}.md exists`);
  });

const factors = [...read('src/factors/index.ts').matchAll(/^export \{ (\w+) \} from '\.\/(\w[\w-]*)\/index\.ts';$/gm)];

test('architecture: the list of factors is a line each, the folder named like the type', () => {
  const lines = read('src/factors/index.ts')
    .split('\n')
    .filter((line) => line.startsWith('export'));
  assert.equal(lines.length, factors.length, 'each export is `export { name } from "./name/index.ts"`');
  assertNone(
    factors.filter(([, name, folder]) => name !== folder).map(([line]) => line),
    'folder and type agree',
  );
});

for (const [, name = ''] of factors)
  test(`architecture: the factor ${name} has a test that runs the contract, an example and a page`, () => {
    const examples = glob('config/examples/**/*.yaml').filter((file) =>
      new RegExp(`\\btype:\\s*['"]?${name}\\b`).test(read(file)),
    );
    const tests = glob(`test/factors/${name}{,-*}.test.ts`, `test/factors/${name}/*.test.ts`);
    const running = tests.filter((file) => read(file).includes('factorContract('));
    assert.notEqual(running.length, 0, `test/factors/${name}.test.ts calls factorContract`);
    assert.notEqual(examples.length, 0, `a file in config/examples uses type: ${name}`);
    assert.ok(existsSync(path.join(root, `docs/factors/${name}.md`)), `docs/factors/${name}.md exists`);
  });

/** The tree's own text files: neither what is installed nor what runs leave behind. */
function keptFiles(): string[] {
  const left = new Set(['node_modules', '.git', 'data', 'dist', 'coverage', 'bench-results']);
  const files = globSync(['**/*', '.ci/*', '.*ignore'], {
    cwd: root,
    exclude: (name) => left.has(path.basename(name)),
  });
  return files.filter((name) => {
    const file = path.join(root, name);
    return statSync(file).isFile() && !readFileSync(file).includes(0);
  });
}

/** Lines of kept files that match, as file:line. */
function found(pattern: RegExp, files: readonly string[] = keptFiles()): string[] {
  return files.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 100)}`] : [])),
  );
}

test('architecture: the tree names no path of the machine that it was written on', () => {
  assertNone(
    found(/(?<![\w.])\/(?:work|farm|root|home\/\w+|tmp\/bash\w*)\//),
    'paths are relative, or any machine has them',
  );
});

test('architecture: the tree names no package registry, so that it installs from whichever is set up', () => {
  const hosts = ['registry.npmjs', 'registry.yarnpkg', 'deb.debian', 'security.debian', 'npmmirror', 'artifactory'];
  assertNone(
    found(new RegExp(`(?:${hosts.map((host) => host.replace('.', '\\.')).join('|')})\\.\\w`)),
    'no registry host',
  );
});

test('architecture: nothing is left to do in a comment', () => {
  const prose = keptFiles().filter((file) => !/^(?:test\/fixtures\/|package-lock\.json$)/.test(file));
  assertNone(found(/\b(?:TO[D]O|FIX[M]E|X[X]X)\b/, prose), 'open work is an issue');
});
