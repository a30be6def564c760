// Streams: what the client gets piece by piece.

import { ask, assert, client, collect, costNano, failureOf, openai, received, record, test, tries } from './stand.mjs';

const TEXT = 'The cat sat on the mat and looked at the moon.';

const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');

test('usage is hidden from a client that did not ask', async () => {
  const chunks = await collect(ask('stream', { stream: true }));
  assert.equal(textOf(chunks), TEXT);
  assert.deepEqual(chunks.filter((chunk) => chunk.usage || chunk.choices.length === 0), []);
  assert.equal(chunks.at(-1).choices[0].finish_reason, 'stop');
  // It is asked for upstream all the same: without it nobody knows what the call cost.
  assert.deepEqual(received('stream')[0].body.stream_options, { include_usage: true });
});

test('usage is shown to a client that asked', async () => {
  const chunks = await collect(ask('stream-usage', { stream: true, stream_options: { include_usage: true } }));
  assert.equal(textOf(chunks), TEXT);
  const last = chunks.pop();
  assert.deepEqual([last.choices, last.usage], [[], received('stream-usage')[0].usage]);
  assert.deepEqual(chunks.filter((chunk) => chunk.usage), []);
});

test('the cost stands in the usage of whoever asks for it', async () => {
  const headers = { 'x-pointsman-annotate': 'body' };
  const chunks = await collect(ask('stream-cost', { stream: true, stream_options: { include_usage: true }, headers }));
  assert.equal(Math.round(chunks.at(-1).usage.cost * 1e9), received('stream-cost')[0].cost_nano);
});

test('headers tell an estimate because the cost is not known yet', async () => {
  const { data, response, request_id } = await ask('stream-headers', { stream: true }).withResponse();
  assert.equal(textOf(await collect(data)), TEXT);
  assert.ok(!response.headers.has('x-pointsman-cost'));
  assert.ok(costNano(response.headers.get('x-pointsman-cost-estimate')) > 0);
  const call = await client('stream-asked').get(`/calls/${request_id}`);
  assert.equal(call.cost_nano, received('stream-headers')[0].cost_nano);
});

test('a stream falls back before its first word', async () => {
  const { data, response } = await ask('stream-fallback', { model: 'with-fallback', stream: true }).withResponse();
  assert.equal(textOf(await collect(data)), TEXT);
  assert.equal(response.headers.get('x-pointsman-attempts'), 'shaky/best-but-down=503, steady/small=200');
});

test('a stream that is cut ends in an error that says so', async () => {
  const started = performance.now();
  const came = [];
  const error = await failureOf((async () => {
    for await (const chunk of await ask('stream-cut', { model: 'cut', stream: true })) came.push(chunk);
  })());
  record('stream-cut', error, (performance.now() - started) / 1000);
  assert.ok(textOf(came) && TEXT.startsWith(textOf(came)), 'words that came are kept');
  assert.equal(came.at(-1).choices[0].finish_reason, null);
  assert.ok(error instanceof openai.APIError);
  assert.match(
    error.message,
    /^Provider shop\/shaky ended the stream after \d+ tokens\. What arrived is incomplete\. Request req_\w+\.$/,
  );
  assert.equal(error.code, 'upstream_stream_cut');
  assert.deepEqual([tries('stream-cut'), received('stream-cut').length], [1, 1]);
});

test('events that nobody understands never reach the client', async () => {
  const started = performance.now();
  const error = await failureOf(collect(ask('stream-garbage', { model: 'garbage', stream: true })));
  record('stream-garbage', error, (performance.now() - started) / 1000);
  assert.match(error.message, /^Provider shop\/shaky ended the stream after 0 tokens\. .*Request req_\w+\.$/);
  assert.deepEqual([error.code, tries('stream-garbage')], ['upstream_stream_cut', 1]);
});

test('a client that leaves is charged what came', async () => {
  const { data, request_id } = await ask('leaves', { stream: true }).withResponse();
  for await (const _ of data) break;
  let call;
  for (const deadline = Date.now() + 30_000; !call && Date.now() < deadline; ) {
    try {
      call = await client('left').get(`/calls/${request_id}`);
    } catch (error) {
      if (!(error instanceof openai.NotFoundError)) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
  assert.ok(call.cost_nano > 0 && call.cost_nano <= 2 * received('leaves')[0].cost_nano, JSON.stringify(call));
});
