/**
 * The way of a test to the servers that its run shares. They belong to a process of their own, which the runner starts; for a
 * file that is run by hand, the first test that needs it does.
 */
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { isOwnRun, runFolder } from '../../tools/run-folder.ts';
import { socketOf, startHolder } from './holder.ts';
import type { Answers, Question, SharedServerName } from './questions.ts';

let ownHolder: Promise<void> | undefined;

/** A server for the length of a test. One that ends meanwhile is named in the test, which fails whatever else it says. */
export async function shared<K extends SharedServerName>(t: TestContext, question: Question<K>): Promise<Answers[K]> {
  const answer: Answers[K] = await ask(question);
  const server: SharedServerName = question.kind;
  t.after(async () => {
    const how = await ask({ kind: 'end', server, pid: answer.pid }).then(
      ({ how }) => how,
      (error: Error) => error.message,
    );
    if (how === undefined) return;
    const message = `The ${server} that this run shares ended while this test used it: ${how}`;
    // A test that has failed before takes no further error.
    t.diagnostic(message);
    throw new Error(message);
  });
  return answer;
}

/** Asks the process that holds the servers. */
export async function ask<K extends keyof Answers>(question: Question<K>): Promise<Answers[K]> {
  if (isOwnRun()) ownHolder ??= startHolder(runFolder()).then((holder) => holder.leave());
  await ownHolder;
  const answer = JSON.parse(await send(JSON.stringify(question))) as { error: string } | { answer: Answers[K] };
  if ('error' in answer) throw new Error(answer.error);
  return answer.answer;
}

function send(question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(socketOf(runFolder()), () => socket.end(`${question}\n`));
    socket.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    const gone = (): void => reject(new Error('the process that holds the shared servers of this run has ended'));
    socket.once('error', gone);
    socket.once('end', () => (answer === '' ? gone() : resolve(answer)));
  });
}
