//! Events that we write ourselves.

use bytes::Bytes;
use pointsman_config::money::Nano;
use pointsman_config::usage::Usage;

use super::Head;
use crate::json::write_string;
use crate::openai::error::ErrorBody;
use crate::openai::usage;

/// The end of every complete stream.
pub const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// Renders the event that ends a stream which cannot go on. No `[DONE]` may follow it: what came is incomplete.
pub fn error_event(message: &str, kind: &str, code: &str) -> Bytes {
    let body = ErrorBody {
        message: message.to_owned(),
        kind: kind.to_owned(),
        param: None,
        code: Some(code.to_owned()),
    };
    Bytes::from([b"data: ", &body.to_json()[..], b"\n\n"].concat())
}

/// Renders the usage chunk, for a caller who asked for it and a provider who did not send it.
pub fn usage_chunk(head: &Head, usage: &Usage, cost: Option<Nano>) -> Bytes {
    let mut out = b"data: {\"id\":".to_vec();
    write_string(&mut out, &head.id);
    out.extend(
        format!(",\"object\":\"chat.completion.chunk\",\"created\":{},\"model\":", head.created).as_bytes(),
    );
    write_string(&mut out, &head.model);
    out.extend(b",\"choices\":[],\"usage\":");
    usage::write(&mut out, usage, cost);
    out.extend(b"}\n\n");
    out.into()
}
