// The one refusal that is worth waiting for: a window of a minute. The client waits by itself, and succeeds.
// Up to a minute passes here; node runs each file in a process of its own, so the others run in the meantime.

import { ask, assert, client, openai, prompt, record, rows, test } from './stand.mjs';

// Calls until the minute is used up, at most three times: a minute may turn in between.
async function refusedOnce() {
  for (const situation of ['minute-0', 'minute-1', 'minute-2']) {
    const call = client(situation, { maxRetries: 0 }).chat.completions.create({ model: 'per-minute', messages: prompt(situation) });
    const failed = await call.then(() => null, (error) => error);
    if (failed instanceof openai.RateLimitError) return failed;
    if (failed) throw failed;
  }
  return assert.fail('a budget of one call in a minute has let three calls pass');
}

test('a window of a minute is waited for by the client', async () => {
  const error = await refusedOnce();
  const started = performance.now();
  const answer = await ask('minute-waits', { model: 'per-minute' });
  record('minute-waits', error, (performance.now() - started) / 1000);
  const wait = Number(error.headers.get('retry-after'));
  assert.deepEqual([error.status, error.code, error.type], [429, 'rate_limit_exceeded', 'rate_limit_error']);
  assert.match(
    error.error.message,
    new RegExp(`^Budget shop/minute allows 1 requests? per minute\\. Again in ${wait} s\\. Request ${error.requestID}\\.$`),
  );
  assert.ok(wait >= 1 && wait <= 60, `${wait}`);
  assert.notEqual(error.headers.get('x-should-retry'), 'false');
  const limits = ['limit', 'remaining', 'reset'].map((name) => error.headers.get(`x-ratelimit-${name}-requests`));
  assert.deepEqual(limits, ['1', '0', `${wait}s`]);
  assert.equal(answer.choices[0].finish_reason, 'stop');
  const retries = rows('requests', 'minute-waits').map((row) => row.retry);
  assert.deepEqual(retries, retries.map((_, number) => number));
  // The minute may have turned between the refusal and the call.
  assert.ok((wait > 5 ? [2, 3] : [1, 2, 3]).includes(retries.length), `${retries}`);
});
