// What a call that goes well looks like through the client.

import { PLACEHOLDER, STAGE, ask, assert, client, costNano, prompt, received, test } from './stand.mjs';

const TOOL = {
  type: 'function',
  function: {
    name: 'weather', description: 'Tells the weather.', strict: true,
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
  },
};
const SCHEMA = {
  type: 'json_schema',
  json_schema: { name: 'place', strict: true, schema: TOOL.function.parameters },
};

test('a plain call is answered and tells what it cost', async () => {
  const { data, response, request_id } = await ask('plain').withResponse();
  assert.equal(data.choices[0].message.content, 'The cat sat on the mat and looked at the moon.');
  assert.equal(data.choices[0].finish_reason, 'stop');
  assert.equal(data.model, 'large-2026');
  assert.equal(request_id, response.headers.get('x-request-id'));
  const told = ['model', 'provider', 'policy', 'reason'].map((name) => response.headers.get(`x-pointsman-${name}`));
  assert.deepEqual(told, ['large', 'steady', 'shop/default', 'picked']);
  assert.ok(Number(response.headers.get('x-pointsman-overhead-ms')) >= 0);
  const [call] = received('plain');
  assert.equal(costNano(response.headers.get('x-pointsman-cost')), call.cost_nano);
  assert.deepEqual(data.usage, call.usage);
});

test("only the provider's own key reaches the provider", async () => {
  await ask('keys');
  const [call] = received('keys');
  assert.equal(call.authorization, `Bearer ${STAGE.key}`);
  assert.ok(!JSON.stringify(call).includes(PLACEHOLDER));
});

test('a named candidate skips the choice', async () => {
  const { response } = await ask('named', { model: 'small' }).withResponse();
  assert.equal(response.headers.get('x-pointsman-reason'), 'requested');
  assert.equal(response.headers.get('x-pointsman-model'), 'small');
});

test('fields that Pointsman does not know pass through', async () => {
  const more = { temperature: 0.3, seed: 7, user: 'u-1', new_field: { of: ['tomorrow'] }, max_tokens: 5 };
  await ask('fields', more);
  const [call] = received('fields');
  assert.deepEqual(call.body, { model: 'large', messages: prompt('fields'), ...more });
});

test('tools pass through both ways', async () => {
  const answer = await ask('tools', { tools: [TOOL], tool_choice: 'auto' });
  const [call] = answer.choices[0].message.tool_calls;
  assert.deepEqual([call.id, call.function.name, call.function.arguments], ['call_1', 'weather', '{"city":"Paris"}']);
  const [sent] = received('tools');
  assert.deepEqual([sent.body.tools, sent.body.tool_choice], [[TOOL], 'auto']);
  const history = [
    ...prompt('tools-back'), answer.choices[0].message,
    { role: 'tool', tool_call_id: call.id, content: '[tools-back] 21 degrees' },
  ];
  await client('tools-back').chat.completions.create({ model: 'auto', messages: history });
  const [back] = received('tools-back');
  assert.deepEqual(back.body.messages, JSON.parse(JSON.stringify(history)));
});

test('tool calls stream through', async () => {
  const request = { model: 'auto', messages: prompt('tools-stream'), tools: [TOOL] };
  const answer = await client('tools-stream').chat.completions.stream(request).finalChatCompletion();
  assert.equal(answer.choices[0].message.tool_calls[0].function.arguments, '{"city":"Paris"}');
  assert.equal(answer.choices[0].finish_reason, 'tool_calls');
});

test('a response format passes through', async () => {
  const answer = await ask('format', { response_format: SCHEMA });
  assert.equal(answer.choices[0].message.content, '{"city":"Paris"}');
  const [sent] = received('format');
  assert.deepEqual(sent.body.response_format, SCHEMA);
});

test('the cost stands in the body for whoever asks', async () => {
  const answer = await ask('annotated', { headers: { 'x-pointsman-annotate': 'body' } });
  const [call] = received('annotated');
  assert.equal(Math.round(answer.usage.cost * 1e9), call.cost_nano);
  assert.ok(!('cost' in (await ask('not-annotated')).usage));
});

test('a call that went well elsewhere says so', async () => {
  const { response } = await ask('fallback', { model: 'with-fallback' }).withResponse();
  assert.equal(response.headers.get('x-pointsman-reason'), 'fallback');
  assert.equal(response.headers.get('x-pointsman-attempts'), 'shaky/best-but-down=503, steady/small=200');
  assert.deepEqual(received('fallback').map((call) => call.body.model), ['overloaded', 'small']);
  assert.equal(costNano(response.headers.get('x-pointsman-cost')), received('fallback')[1].cost_nano);
});

test('the offered models are listed', async () => {
  const names = [];
  for await (const model of client('models').models.list()) names.push(model.id);
  assert.ok(names.includes('auto') && names.includes('small'), `${names}`);
  assert.equal(new Set(names).size, names.length);
});

test('what became of a call can be asked later', async () => {
  const { request_id } = await ask('later').withResponse();
  const call = await client('later-asked').get(`/calls/${request_id}`);
  assert.equal(call.cost_nano, received('later')[0].cost_nano);
});
