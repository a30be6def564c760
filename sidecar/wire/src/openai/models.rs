//! The list of models that a caller may name.

use bytes::Bytes;
use serde::Serialize;

/// One model of the list.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Model<'a> {
    pub id: &'a str,
    /// Seconds since 1970.
    pub created: u64,
    pub owned_by: &'a str,
}

/// Renders the body of `GET /v1/models`.
pub fn list<'a>(models: impl IntoIterator<Item = Model<'a>>) -> Bytes {
    let data = models.into_iter().map(|model| Entry { object: "model", model }).collect();
    let list = List { object: "list", data };
    serde_json::to_vec(&list).expect("strings and numbers serialise").into()
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    object: &'static str,
    #[serde(flatten)]
    model: Model<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_models_as_openai_does() {
        let models = [Model { id: "auto", created: 1, owned_by: "pointsman" }];
        let expected =
            r#"{"object":"list","data":[{"object":"model","id":"auto","created":1,"owned_by":"pointsman"}]}"#;
        assert_eq!(list(models), expected);
        assert_eq!(list([]), r#"{"object":"list","data":[]}"#);
    }
}
