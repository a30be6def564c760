// What the tests share: a client per situation, what the tap and the provider saw, and what every refusal owes.

import assert from 'node:assert/strict';
import { appendFileSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test as nodeTest } from 'node:test';

// The client is installed outside the checkout.
const require = createRequire(`${process.env.POINTSMAN_SDK_NODE}/`);
export const openai = require('openai');
export const STAGE = JSON.parse(readFileSync(process.env.POINTSMAN_STAGE, 'utf8'));
// The client sends it, as applications with a placeholder do; the provider must never see it.
export const PLACEHOLDER = 'placeholder-of-the-application';

// The stock client; `situation` names the situation in the journals.
export function client(situation, options = {}) {
  return new openai.OpenAI({
    baseURL: STAGE.base_url, apiKey: PLACEHOLDER, defaultHeaders: { 'x-case': situation }, timeout: 120_000, ...options,
  });
}

export function prompt(situation, text = 'Say hello.') {
  return [{ role: 'user', content: `[${situation}] ${text}` }];
}

export function ask(situation, { model = 'auto', text, headers, ...more } = {}) {
  return client(situation).chat.completions.create({ model, messages: prompt(situation, text), ...more }, { headers });
}

export async function collect(stream) {
  const chunks = [];
  for await (const chunk of await stream) chunks.push(chunk);
  return chunks;
}

export function rows(journal, situation) {
  // What follows the last newline is being written.
  const lines = readFileSync(STAGE[journal], 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line)).filter((row) => row.case === situation);
}

// How often the client really called.
export const tries = (situation) => rows('requests', situation).length;

// What reached the provider.
export const received = (situation) => rows('received', situation);

export function record(situation, error, seconds) {
  const row = { case: situation, client: 'Node', status: error.status ?? 200, code: error.code, tries: tries(situation), seconds };
  appendFileSync(STAGE.results, `${JSON.stringify(row)}\n`);
}

export async function failureOf(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail('the call went well');
}

// Calls, and holds the refusal against everything that a refusal owes its caller. Gives the error.
// `attempts` are those that reached the provider; `wait` tells whether it says when to come again.
export async function refused({ situation, kind, status, code, call, message, attempts = 0, wait = false }) {
  const started = performance.now();
  const error = await failureOf(call());
  const seconds = (performance.now() - started) / 1000;
  record(situation, error, seconds);
  assert.equal(error.constructor, kind);
  assert.deepEqual([error.status, error.code], [status, code]);
  assert.equal(tries(situation), 1, 'the client called again in vain');
  assert.ok(seconds < 20, `${seconds} s`);
  const said = error.error.message;
  assert.match(said, message);
  assert.ok(error.message.includes(said), error.message);
  assert.match(error.requestID, /^req_[0-9A-Z]+$/);
  assert.ok(said.endsWith(` Request ${error.requestID}.`), said);
  assert.doesNotMatch(said, /\$|USD/, "amounts of money are not the caller's business");
  assert.deepEqual(Object.keys(error.error).sort(), ['code', 'message', 'param', 'type']);
  assert.equal(received(situation).length, attempts);
  holdsTheWaitingRule(status, error.headers);
  assert.equal(error.headers.has('retry-after'), wait);
  return error;
}

// Nobody is made to wait longer than a minute, and nobody is left to try again in vain.
function holdsTheWaitingRule(status, headers) {
  const wait = headers.get('retry-after');
  if (wait !== null) assert.ok(Number(wait) >= 1 && Number(wait) <= 60, wait);
  if ((status === 429 && wait === null) || status >= 500) assert.equal(headers.get('x-should-retry'), 'false');
  if ([400, 403, 404].includes(status)) assert.notEqual(headers.get('x-should-retry'), 'true');
}

// Nano-USD of an exact decimal.
export function costNano(text) {
  assert.match(text, /^\d+(\.\d{1,9})?$/);
  const [whole, part = ''] = text.split('.');
  return Number(whole) * 1e9 + Number(part.padEnd(9, '0'));
}

// A test that hangs must not hang the run.
export const test = (name, body) => nodeTest(name, { timeout: 180_000 }, body);
export { assert };
