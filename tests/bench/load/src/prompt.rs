//! The requests that are sent. Bodies hold code (its escapes are what a scanner stumbles over) and name `messages`
//! before `model`, which is the order of the official Python client.

use clap::ValueEnum;

/// What a load sends, over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Prompt {
    /// A short question with a line of code.
    Small,
    /// 68 KB, nearly all of it code.
    Large,
    /// A short question, answered by a stream with 1 ms between two events, so that a proxy sees them one by one.
    Stream,
    /// A short question, answered by a stream with 5 ms between two events.
    PacedStream,
}

impl Prompt {
    pub fn streams(self) -> bool {
        matches!(self, Prompt::Stream | Prompt::PacedStream)
    }

    /// The whole request, ready to be written.
    pub fn request(self) -> Vec<u8> {
        let body = self.body();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n\
             authorization: Bearer bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body.as_bytes()].concat()
    }

    fn body(self) -> String {
        let content = match self {
            Prompt::Large => format!("Find the mistake in this module.\n\n{}", code(61_500)),
            Prompt::Small | Prompt::Stream | Prompt::PacedStream => {
                "Why does `let name = \"a\\n\";` print two lines?".to_owned()
            }
        };
        let messages = serde_json::json!([{ "role": "user", "content": content }]);
        // The mock takes the pause between two events, in milliseconds, from the seed.
        let rest = match self {
            Prompt::Small | Prompt::Large => "\"max_tokens\":256",
            Prompt::Stream => {
                "\"max_tokens\":256,\"seed\":1,\"stream\":true,\"stream_options\":{\"include_usage\":true}"
            }
            Prompt::PacedStream => {
                "\"max_tokens\":256,\"seed\":5,\"stream\":true,\"stream_options\":{\"include_usage\":true}"
            }
        };
        format!("{{\"messages\":{messages},\"model\":\"auto\",{rest}}}")
    }
}

/// At least `size` bytes of program text, never twice the same line.
fn code(size: usize) -> String {
    let mut text = String::with_capacity(size + 256);
    let mut number = 0;
    while text.len() < size {
        number += 1;
        text.push_str(&format!(
            "/// Returns entry {number}, or the reason why \"{number}\" is missing.\n\
             pub fn entry_{number}(names: &[&str]) -> Result<String, Error> {{\n\
             \tlet path = \"C:\\\\data\\\\{number}\";\n\
             \tif names.is_empty() {{\n\
             \t\treturn Err(Error::new(\"no names in \\\"{number}\\\"\\n\"));\n\
             \t}}\n\
             \tOk(format!(\"{{path}}/{{}}: {{:>8}}\\t{{}}\", names[0], {number} * 7, path.len()))\n\
             }}\n\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::Prompt;

    #[test]
    fn bodies_are_json_with_messages_before_the_model_and_escapes_inside() {
        for prompt in Prompt::value_variants() {
            let body = prompt.body();
            let value: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(value["model"], "auto");
            assert!(body.find("\"messages\"") < body.find("\"model\""));
            assert!(body.contains("\\\""), "{prompt:?} holds no escape");
        }
    }

    #[test]
    fn the_large_body_has_68_kilobytes() {
        let size = Prompt::Large.body().len();
        assert!((67_000..71_000).contains(&size), "it has {size} bytes");
    }
}
