//! The request as it goes upstream.

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use pointsman_config::provider::OutputCapField;
use pointsman_wire::openai::request::{ChatRequest, Edits, MaxTokensField};
use smallvec::SmallVec;

use super::call::Call;
use crate::body::Pieces;
use crate::listen::render::JSON;
use crate::plane::{Key, ProviderPart};

/// Headers of the caller that mean us, or the connection to us; the content type is said anew. By the first letter,
/// because every header of every call is asked.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes()[0] {
        b'a' => matches!(name, "authorization" | "accept-encoding" | "api-key"),
        b'c' => matches!(name, "connection" | "content-length" | "content-type" | "cookie" | "cookie2"),
        b'e' => name == "expect",
        b'f' => name == "forwarded",
        b'h' => name == "host",
        b'k' => name == "keep-alive",
        b'p' => name.starts_with("proxy-"),
        b't' => matches!(name, "transfer-encoding" | "te" | "trailer"),
        b'u' => name == "upgrade",
        b'x' => {
            matches!(name, "x-request-id" | "x-real-ip" | "x-api-key")
                || name.starts_with("x-forwarded-")
                || name.starts_with("x-pointsman-")
        }
        _ => false,
    }
}

/// Builds the request for one candidate. The caller's bytes are shared, not copied.
pub(super) fn build(
    call: &Call,
    candidate: usize,
    chat: &ChatRequest,
    headers: &HeaderMap,
    provider: &ProviderPart,
) -> Request<Pieces> {
    let known = &call.plane.snapshot.targets[call.target(candidate)];
    let config = &call.plane.snapshot.providers[known.provider].config;
    let edits = Edits {
        model: Some(&known.model.provider_model),
        include_usage: true,
        max_tokens: call.decision.considered[candidate].step.write_cap,
        max_tokens_field: Some(match config.output_cap_field {
            OutputCapField::MaxTokens => MaxTokensField::MaxTokens,
            OutputCapField::MaxCompletionTokens => MaxTokensField::MaxCompletionTokens,
        }),
    };
    let mut request = Request::new(Pieces::from(chat.splice(&edits)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = provider.chat.clone();
    *request.headers_mut() = upstream_headers(headers, provider);
    request
}

fn upstream_headers(headers: &HeaderMap, provider: &ProviderPart) -> HeaderMap {
    let mut out = HeaderMap::with_capacity(headers.len() + 4);
    let mut hop = false;
    for (name, value) in headers {
        if !is_ours(name) {
            out.append(name.clone(), value.clone());
        } else if *name == CONNECTION {
            hop = true;
        }
    }
    if hop {
        for name in connection_names(headers) {
            out.remove(name.as_str());
        }
    }
    out.insert(HOST, provider.host.clone());
    // What came was JSON, whatever the caller called it.
    out.insert(CONTENT_TYPE, JSON);
    for (name, value) in &provider.headers {
        out.insert(name.clone(), value.clone());
    }
    if let Key::Bearer(key) = &provider.key {
        out.insert(AUTHORIZATION, key.clone());
    }
    out
}

/// Headers that `connection` declares to be of this hop only.
pub(super) fn connection_names(headers: &HeaderMap) -> SmallVec<[String; 2]> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).map(str::trim);
    names.filter(|n| !matches!(*n, "keep-alive" | "close" | "")).map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_mean_us_stay_here() {
        for name in [
            "authorization",
            "cookie",
            "host",
            "connection",
            "keep-alive",
            "proxy-authorization",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "x-forwarded-for",
            "x-forwarded-proto",
            "forwarded",
            "accept-encoding",
            "expect",
            "content-length",
            "x-request-id",
            "x-pointsman-annotate",
            "x-api-key",
        ] {
            assert!(is_ours(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["accept", "user-agent", "x-stainless-lang", "openai-organization", "traceparent"] {
            assert!(!is_ours(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn the_connection_header_names_more_of_them() {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, X-Hop"));
        assert_eq!(connection_names(&headers).as_slice(), ["x-hop"]);
    }
}
