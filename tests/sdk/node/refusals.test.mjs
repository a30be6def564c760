// Every refusal: what the client throws, how often it called, what its user reads.

import { ask, assert, client, openai, refused, test } from './stand.mjs';

const IMAGE = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };

test('a budget that is used up is refused at once', async () => {
  await ask('month-first', { model: 'monthly' });
  const error = await refused({
    situation: 'budget-exhausted', kind: openai.RateLimitError, status: 429, code: 'budget_exhausted',
    call: () => ask('budget-exhausted', { model: 'monthly' }),
    message: /^Budget shop\/month is used up until \d{4}-\d\d-01T00:00\+0[12]:00\. Owner: team-search, #llm-budget\. /,
  });
  assert.equal(error.type, 'insufficient_quota');
  assert.match(
    error.headers.get('x-pointsman-budget'),
    /^shop\/month; state=exhausted; used=100; resets=\d{4}-\d\d-01T00:00:00\+0[12]:00$/,
  );
});

test('a request that no candidate can take is the caller\'s to mend', async () => {
  const content = [{ type: 'text', text: '[no-candidate] What is this?' }, IMAGE];
  const request = { model: 'text-only', messages: [{ role: 'user', content }] };
  const error = await refused({
    situation: 'no-candidate', kind: openai.BadRequestError, status: 400, code: 'no_candidate',
    call: () => client('no-candidate').chat.completions.create(request),
    message: /^No candidate of policy shop\/text-only can take this request: text-model: no image input\. /,
  });
  assert.equal(error.param, 'messages');
});

test('a candidate with an open circuit is not called', async () => {
  await refused({
    situation: 'circuit-opens', kind: openai.InternalServerError, status: 503, code: 'upstream_unavailable',
    call: () => ask('circuit-opens', { model: 'fragile' }), message: /^Provider shop\/fragile answered 503 /, attempts: 1,
  });
  await refused({
    situation: 'none-available', kind: openai.InternalServerError, status: 503, code: 'no_candidate_available',
    call: () => ask('none-available', { model: 'fragile' }),
    message: /^No candidate of policy shop\/fragile is available now: fragile-model \(fragile\): circuit open after 1 errors?, next probe in \d+ s\. /,
    wait: true,
  });
});

test('a provider that is down is tried twice by us and not by the client', async () => {
  const error = await refused({
    situation: 'provider-down', kind: openai.InternalServerError, status: 503, code: 'upstream_unavailable',
    call: () => ask('provider-down', { model: 'down' }),
    message: /^Provider shop\/shaky answered 503 twice \("The server is overloaded\.?"\) and policy shop\/down has no other candidate for model down-model\. /,
    attempts: 2,
  });
  assert.equal(error.headers.get('x-pointsman-attempts'), 'shaky/down-model=503, shaky/down-model=503');
});

test('a provider that throttles for long does not hang the client', async () => {
  const error = await refused({
    situation: 'provider-throttles', kind: openai.RateLimitError, status: 429, code: 'upstream_unavailable',
    call: () => ask('provider-throttles', { model: 'throttled' }), message: /^Provider shop\/shaky answered 429 /,
    attempts: 1,
  });
  assert.equal(error.headers.get('x-pointsman-attempts'), 'shaky/throttled-model=429');
});

test("a refused credential is the platform's fault", async () => {
  await refused({
    situation: 'credential-refused', kind: openai.InternalServerError, status: 503, code: 'provider_credential_rejected',
    call: () => ask('credential-refused', { model: 'locked' }),
    message: /^Provider shop\/locked refused its credential and no other candidate is left\. This is the platform's fault, not your request's\. /,
    attempts: 1,
  });
});

test('an unknown model is answered with the list', async () => {
  const error = await refused({
    situation: 'unknown-model', kind: openai.NotFoundError, status: 404, code: 'model_not_found',
    call: () => ask('unknown-model', { model: 'gpt-6' }),
    message: /^The model 'gpt-6' is not offered to shop\/pointsman\. Offered: (.*, )?auto, .*\. /,
  });
  assert.equal(error.param, 'model');
});

test('a rule refuses in its own words', async () => {
  const error = await refused({
    situation: 'rule', kind: openai.PermissionDeniedError, status: 403, code: 'rejected_by_policy',
    call: () => ask('rule', { model: 'guarded', text: 'Charge 4111 1111 1111 1111, please.' }),
    message: /^Rule "no-card-numbers" of policy shop\/guarded refuses this request: card numbers may not be sent to a model\. /,
  });
  assert.deepEqual([error.type, error.param], ['permission_error', 'messages']);
  assert.equal((await ask('rule-passes', { model: 'guarded' })).choices[0].finish_reason, 'stop');
});

test("an answer that nobody understands is the provider's fault", async () => {
  await refused({
    situation: 'garbage', kind: openai.InternalServerError, status: 502, code: 'upstream_unavailable',
    call: () => ask('garbage', { model: 'garbage' }),
    message: /^Provider shop\/shaky gave an answer that cannot be understood /, attempts: 1,
  });
});

test('a provider that says nothing is given up', async () => {
  await refused({
    situation: 'silent', kind: openai.InternalServerError, status: 504, code: 'upstream_unavailable',
    call: () => ask('silent', { model: 'silent' }), message: /^Provider shop\/shaky did not answer in time /, attempts: 1,
  });
});

test('what the provider says of the request is passed on', async () => {
  const error = await refused({
    situation: 'picky', kind: openai.BadRequestError, status: 400, code: 'unsupported_value',
    call: () => ask('picky', { model: 'picky', temperature: 1.9 }),
    message: /^Provider shop\/shaky refused this request: temperature must be at most 2\. /, attempts: 1,
  });
  assert.equal(error.type, 'invalid_request_error');
});

test('a path that is not served is said so', async () => {
  await refused({
    situation: 'unsupported-path', kind: openai.NotFoundError, status: 404, code: 'unsupported_path',
    call: () => client('unsupported-path').embeddings.create({ model: 'auto', input: 'hello' }),
    message: /^POST \/v1\/embeddings is not served here\. /,
  });
});

test("a body that cannot be read is the caller's to mend", async () => {
  const error = await refused({
    situation: 'wrong-type', kind: openai.BadRequestError, status: 400, code: 'invalid_type',
    call: () => client('wrong-type').chat.completions.create({ model: 'auto', messages: 'hello' }),
    message: /^`messages` has the wrong type; send /,
  });
  assert.equal(error.param, 'messages');
});

test('a refusal does not wait for the first chunk', async () => {
  await refused({
    situation: 'stream-refused', kind: openai.InternalServerError, status: 503, code: 'upstream_unavailable',
    call: () => ask('stream-refused', { model: 'down', stream: true }), message: /^Provider shop\/shaky answered 503 /,
    attempts: 2,
  });
});
