"""Writes tests/fixtures/tiktoken.json: what OpenAI's own tiktoken says of texts, conversations and names of models.

    pip install tiktoken && python3 models/tools/lengths.py > models/tests/fixtures/tiktoken.json

tiktoken fetches its vocabularies when first asked, or takes them from the folder that TIKTOKEN_CACHE_DIR names.
"""

import json
import random
import sys

ENCODINGS = ["cl100k_base", "o200k_base"]
TEXTS = 300

MODELS = """gpt-5 gpt-5-mini gpt-5-nano gpt-4o gpt-4o-mini gpt-4o-2024-08-06 gpt-4.1 gpt-4.1-mini gpt-4 gpt-4-turbo-2024-04-09
gpt-4-0613 gpt-3.5-turbo gpt-3.5-turbo-0125 o1 o3-mini o4-mini chatgpt-4o-latest gpt-oss-120b claude-3-5-sonnet-20241022
gemini-1.5-pro-002 qwen-max auto""".split()

PLAIN = [
    "", "a", " ", "hello world", "Which has the lowest melting point, NaCl or CCl4?", "<|endoftext|>",
    "can't I'VE we'll 'S", "1234567890 3.14159", "def f(x):\n\treturn  x+1\n\n\n", "привет, мир", "你好，世界",
    "👩‍👩‍👧 é é", "   leading and trailing   ", "\r\n\r\n x", "a\u00a0b\u3000c", "ſ's K'LL",
]

CONVERSATIONS = [
    [("user", "hello")],
    [("system", "You are a helpful assistant."), ("user", "Which has the lowest melting point, NaCl or CCl4?")],
    [
        ("developer", "Antworte auf Deutsch."), ("user", "你好，世界"), ("assistant", ""),
        ("tool", '{"temperature": 21.5}'), ("user", "и что теперь?\n"),
    ],
    [("critic_of_style", "def f(x):\n    return x")],
]

WORDS = """the of and 's 'S 'll 'LL can't I'VE 123 4567 89 HTTP/1.1 fooBar FooBAR foo_bar x+=1; // ... <|endoftext|>
<|im_start|> Ünï 你好 мир 👩‍👩‍👧 é ſ 'ſ K""".split() + ["/\n", ".\n/", "  ", "\n\n\t"]


def character(chance):
    """Any character but a surrogate; those where tokenizers differ more often than others."""
    draw = chance.random()
    if draw < 0.1:
        return chance.choice(" \n\t\r\u00a0\u3000\u2028\x0b\x0c\x85")
    for below, first, last in [(0.45, 32, 126), (0.6, 0xA0, 0x24F), (0.7, 0x370, 0x6FF), (0.8, 0x900, 0x1FFF), (0.9, 0x3000, 0x9FFF)]:
        if draw < below:
            return chr(chance.randint(first, last))
    return chr(chance.choice([chance.randint(0, 0xD7FF), chance.randint(0xE000, 0x10FFFF)]))


def any_text(chance):
    if chance.random() < 0.5:
        return "".join(character(chance) for _ in range(chance.randint(0, 60)))
    between = ["", "", " ", "\n", "  ", " \n"]
    return "".join(chance.choice(WORDS) + chance.choice(between) for _ in range(chance.randint(1, 25)))


def main():
    import tiktoken

    encodings = [tiktoken.get_encoding(name) for name in ENCODINGS]
    chance = random.Random(11)
    texts = PLAIN + [any_text(chance) for _ in range(TEXTS - len(PLAIN))]

    def tokens(encoding, text):
        return len(encoding.encode_ordinary(text))

    def length(encoding, conversation):
        return 2 + sum(4 + tokens(encoding, role) + tokens(encoding, content) for role, content in conversation)

    def encoding_of(model):
        try:
            return tiktoken.encoding_name_for_model(model)
        except KeyError:
            return None

    def rows(items):
        return "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]"

    sys.stdout.write(
        '{"tiktoken": %s, "encodings": %s,\n"models": %s,\n"conversations": %s,\n"texts": %s}\n'
        % (
            json.dumps(tiktoken.__version__),
            json.dumps(ENCODINGS),
            json.dumps({model: encoding_of(model) for model in MODELS}),
            rows([said, [length(encoding, said) for encoding in encodings]] for said in CONVERSATIONS),
            rows([text, [tokens(encoding, text) for encoding in encodings]] for text in texts),
        )
    )


if __name__ == "__main__":
    main()
