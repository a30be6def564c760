//! A provider that answers at once: a small JSON answer with usage, or a stream of 24 events.
//!
//! It reads of a request only whether it wants a stream and how long to pause between two events.

use std::time::Duration;

use anyhow::Result;
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::message::Reader;

/// How many `data:` lines a stream has, `[DONE]` among them.
pub const EVENTS: usize = 24;

const ANSWER: &str = concat!(
    r#"{"id":"chatcmpl-bench0000000000000000","object":"chat.completion","created":1767225600,"model":"bench","#,
    r#""choices":[{"index":0,"message":{"role":"assistant","content":"Because `\n` inside the quotes is an escape: "#,
    r#"the compiler turns these two characters into one line break.","refusal":null},"logprobs":null,"#,
    r#""finish_reason":"stop"}],"usage":{"prompt_tokens":31,"completion_tokens":22,"total_tokens":53},"#,
    r#""service_tier":"default","system_fingerprint":"fp_bench"}"#
);
const CHUNK: &str = r#""object":"chat.completion.chunk","created":1767225600,"model":"bench","system_fingerprint":"fp_bench""#;

/// Answers until it is stopped, or until the time is over.
pub async fn serve(listener: TcpListener, at_most: Duration) {
    let forever = async {
        let answers = Answers::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            tokio::spawn(converse(stream, answers));
        }
    };
    // The end of the time is the ordinary end of a mock that nobody stopped.
    let _ = tokio::time::timeout(at_most, forever).await;
}

/// What is written, made once.
#[derive(Clone, Copy)]
struct Answers {
    json: &'static [u8],
    stream: &'static [Vec<u8>],
}

impl Answers {
    fn new() -> Self {
        let json = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: {}\r\n\r\n{ANSWER}",
            ANSWER.len()
        );
        Answers { json: json.into_bytes().leak(), stream: frames().leak() }
    }
}

async fn converse(mut stream: TcpStream, answers: Answers) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = Reader::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        if !reader.feed(&buffer[..read])? {
            continue;
        }
        if memmem::find(reader.body(), b"\"stream\":true").is_some() {
            send_stream(&mut stream, answers.stream, pause(reader.body())).await?;
        } else {
            stream.write_all(answers.json).await?;
        }
        reader.clear();
    }
}

async fn send_stream(stream: &mut TcpStream, frames: &[Vec<u8>], pause: Duration) -> Result<()> {
    for (index, frame) in frames.iter().enumerate() {
        // Role and first content leave together, so that the time to first content holds no timer of ours.
        if index > 1 && !pause.is_zero() {
            sleep(pause).await;
        }
        stream.write_all(frame).await?;
    }
    Ok(())
}

fn pause(body: &[u8]) -> Duration {
    let seed = memmem::find(body, b"\"seed\":").map_or(0, |at| {
        let digits = body[at + 7..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
    });
    Duration::from_millis(seed.min(1000))
}

/// Head and first event, the others one by one, and the last three (finish, usage, `[DONE]`) together: 22 frames.
fn frames() -> Vec<Vec<u8>> {
    let mut events = vec![delta(r#"{"role":"assistant","content":""}"#, "null")];
    events.extend((1..EVENTS - 3).map(|number| delta(&format!(r#"{{"content":" word{number}"}}"#), "null")));
    events.push(delta("{}", "\"stop\""));
    events.push(format!(
        r#"{{"id":"chatcmpl-bench",{CHUNK},"choices":[],"usage":{{"prompt_tokens":31,"completion_tokens":20,"total_tokens":51}}}}"#
    ));
    events.push("[DONE]".to_owned());
    let mut chunks: Vec<Vec<u8>> = events.iter().map(|event| chunk(&format!("data: {event}\n\n"))).collect();
    let last = chunks.split_off(EVENTS - 3).concat();
    chunks.push([last.as_slice(), b"0\r\n\r\n"].concat());
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n";
    chunks[0] = [head.as_slice(), &chunks[0]].concat();
    chunks
}

fn delta(delta: &str, finish: &str) -> String {
    format!(
        r#"{{"id":"chatcmpl-bench",{CHUNK},"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}],"usage":null}}"#
    )
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{ANSWER, Answers, EVENTS};
    use crate::message::Reader;

    #[test]
    fn the_stream_has_22_frames_and_24_events() {
        let frames = Answers::new().stream;
        let mut reader = Reader::default();
        for (index, frame) in frames.iter().enumerate() {
            assert_eq!(reader.feed(frame).unwrap(), index + 1 == frames.len());
        }
        let text = String::from_utf8(reader.body().to_vec()).unwrap();
        let events: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!((frames.len(), events.len()), (22, EVENTS));
        for event in &events[..EVENTS - 1] {
            serde_json::from_str::<serde_json::Value>(event).unwrap();
        }
    }

    #[test]
    fn the_answer_is_json_with_usage() {
        let answer: serde_json::Value = serde_json::from_str(ANSWER).unwrap();
        assert_eq!(answer["usage"]["total_tokens"], 53);
    }
}
