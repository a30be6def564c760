//! Do the provider's books hold what its clients saw, call by call and in sum?
#![allow(clippy::unwrap_used)]

mod support;

use http_body_util::BodyExt;
use pointsman_simulated::{BooksReport, CallEnd, Failures, Running};
use serde_json::{Value, json};
use support::{AT_ONCE, Connection, FOREVER, call, events, start, streamed, until, whole, with};

/// What one client saw: tokens in, tokens out, right.
async fn ask(running: &Running, number: usize) -> (String, u64, u64, bool) {
    let mut connection = Connection::open(running.addr).await.unwrap();
    let body = call(["small", "large"][number % 2], ["right?", "wrong?", "new"][number % 3]);
    let body = with(body, "max_tokens", json!([7, 35, 1000][number / 6 % 3]));
    let (content, last) = if number.is_multiple_of(4) {
        let told = events(connection.chat(&streamed(body)).await.unwrap()).await;
        let content =
            told.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect();
        (content, told.last().unwrap().clone())
    } else {
        let (_, answer) = whole(connection.chat(&body).await.unwrap()).await;
        (answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned(), answer)
    };
    let tokens = |name: &str| last["usage"][name].as_u64().unwrap();
    let model = last["model"].as_str().unwrap().to_owned();
    (model, tokens("prompt_tokens"), tokens("completion_tokens"), content.ends_with("(graded right)"))
}

#[tokio::test]
async fn the_books_equal_the_sum_of_what_clients_saw() {
    let running = start(AT_ONCE, Failures::default());
    let seen = futures::future::join_all((0..144).map(|number| ask(&running, number))).await;
    let books = running.books();
    for (name, input_price, output_price) in
        [("small", 75_000_001u64, 300_000_001u64), ("large", 1_250_000_000, 5_000_000_000)]
    {
        let mine = || seen.iter().filter(|(model, ..)| model == name);
        let totals = &books.models[name];
        let cost =
            |input: u64, output: u64| (input * input_price + output * output_price).div_ceil(1_000_000);
        assert_eq!(totals.answered as usize, mine().count());
        assert_eq!(totals.input_tokens, mine().map(|(_, input, ..)| input).sum::<u64>());
        assert_eq!(totals.output_tokens, mine().map(|(_, _, output, _)| output).sum::<u64>());
        assert_eq!(totals.cost_nano, mine().map(|&(_, input, output, _)| cost(input, output)).sum::<u64>());
        assert_eq!(totals.right as usize, mine().filter(|(.., right)| *right).count());
    }
    let in_rows: u64 = books.calls.iter().map(|row| row.cost_nano).sum();
    let in_models: u64 = books.models.values().map(|totals| totals.cost_nano).sum();
    assert_eq!([in_rows, in_models], [books.total.cost_nano; 2]);
    assert!(books.total.right > 0 && books.total.answered == 144);
}

#[tokio::test]
async fn the_same_books_are_read_over_http_on_both_addresses() {
    let running = start(AT_ONCE, Failures::default());
    ask(&running, 1).await;
    for addr in [running.addr, running.control] {
        let mut connection = Connection::open(addr).await.unwrap();
        let (_, books) = connection.json("GET", "/_simulated/books", &Value::Null).await;
        assert_eq!(serde_json::from_value::<BooksReport>(books).unwrap(), running.books());
        let (_, about) = connection.json("GET", "/_simulated", &Value::Null).await;
        assert_eq!(about["control"], json!(running.control));
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_before_its_answer_bills_nothing() {
    let running = start(FOREVER, Failures::default());
    let mut connection = Connection::open(running.addr).await.unwrap();
    let pending = tokio::spawn(async move { connection.chat(&call("small", "right?")).await.is_ok() });
    let mut stream = Connection::open(running.addr).await.unwrap();
    let response = stream.chat(&streamed(call("large", "right?"))).await.unwrap();
    until(&running, |books| books.in_flight == 2).await;
    drop((response, stream));
    pending.abort();
    until(&running, |books| books.total.cancelled == 2).await;
    let rows = running.books().calls;
    assert!(
        rows.iter().all(|row| (row.input_tokens, row.output_tokens, row.cost_nano) == (0, 0, 0)),
        "{rows:?}"
    );
}

#[tokio::test]
async fn a_stream_that_is_cancelled_bills_what_was_delivered() {
    // 1 ms of its own time to the first token, a second for each more: with a factor of 0.01 the rest never comes.
    let running = start(0.01, Failures::default());
    let mut connection = Connection::open(running.addr).await.unwrap();
    let mut response = connection.chat(&streamed(call("large", "right?"))).await.unwrap();
    response.body_mut().frame().await.unwrap().unwrap();
    drop((response, connection));
    until(&running, |books| books.total.cancelled == 1).await;
    let row = running.books().calls[0].clone();
    assert_eq!((row.input_tokens, row.output_tokens, row.right), (100, 1, None));
    assert_eq!(row.cost_nano, 100 * 1_250 + 5_000);
    assert_eq!(row.prompt_id.as_deref(), Some("q1"));
}

#[tokio::test]
async fn the_failure_rate_is_kept_and_failed_calls_bill_nothing() {
    let running = start(AT_ONCE, Failures { rate_ppm: 250_000, status: 529 });
    let mut connection = Connection::open(running.addr).await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(whole(connection.chat(&call("small", "right?")).await.unwrap()).await.0.as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 529].repeat(3));
    let books = running.books();
    assert_eq!((books.total.answered, books.total.failed, books.total.input_tokens), (9, 3, 900));
    assert!(books.calls.iter().all(|row| (row.end == CallEnd::Failed) == (row.cost_nano == 0)));
}
