//! Sends requests and checks every answer: as fast as a number of connections allows, or by a schedule.
//!
//! A wrong answer is an error like a broken connection, and a report with errors is no measurement.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::message::Reader;
use crate::mock::EVENTS;
use crate::prompt::Prompt;

/// No load lasts longer, whatever happens to the target.
const LIMIT: Duration = Duration::from_secs(90);
const BUFFER: usize = 64 * 1024;

/// What a load saw. Times are microseconds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub requests: u64,
    pub errors: u64,
    pub first_error: Option<String>,
    pub seconds: f64,
    /// Open schedule only: requests that were sent more than 1 ms after their time.
    pub late: u64,
    pub latency: Quantiles,
    /// From the start (or the due time) to the first event with content; streams only.
    pub first_content: Option<Quantiles>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

impl Report {
    /// The report, unless something went wrong.
    pub fn faultless(self) -> Result<Self> {
        match &self.first_error {
            Some(error) => {
                bail!("{} of {} requests failed, the first with: {error}", self.errors, self.requests)
            }
            None => Ok(self),
        }
    }
}

#[derive(Default)]
struct Seen {
    latency: Vec<Duration>,
    first_content: Vec<Duration>,
    errors: u64,
    first_error: Option<String>,
    late: u64,
}

impl Seen {
    fn record(&mut self, outcome: Result<(Duration, Option<Duration>)>) {
        match outcome {
            Ok((latency, first_content)) => {
                self.latency.push(latency);
                self.first_content.extend(first_content);
            }
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert_with(|| format!("{error:#}"));
            }
        }
    }

    fn merge(&mut self, other: Seen) {
        self.latency.extend(other.latency);
        self.first_content.extend(other.first_content);
        self.errors += other.errors;
        self.late += other.late;
        if self.first_error.is_none() {
            self.first_error = other.first_error;
        }
    }

    fn report(self, took: Duration) -> Result<Report> {
        let requests = self.latency.len() as u64 + self.errors;
        let latency = quantiles(self.latency);
        Ok(Report {
            requests,
            errors: self.errors,
            latency: match (&self.first_error, latency) {
                (_, Some(latency)) => latency,
                (Some(error), None) => bail!("every request failed, the first with: {error}"),
                (None, None) => bail!("no request was sent"),
            },
            first_error: self.first_error,
            seconds: took.as_secs_f64(),
            late: self.late,
            first_content: quantiles(self.first_content),
        })
    }
}

fn quantiles(mut times: Vec<Duration>) -> Option<Quantiles> {
    times.sort_unstable();
    let last = times.len().checked_sub(1)?;
    let at = |share: f64| times[(last as f64 * share).round() as usize].as_nanos() as f64 / 1000.0;
    Some(Quantiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) })
}

/// Sends `requests` in all over `connections` connections, each sending its next one when an answer is complete.
pub fn closed(target: SocketAddr, prompt: Prompt, connections: usize, requests: u64) -> Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let left = Rc::new(Cell::new(requests));
    let seen = Rc::new(RefCell::new(Seen::default()));
    let request: Rc<[u8]> = prompt.request().into();
    let callers = tokio::task::LocalSet::new();
    let start = Instant::now();
    for _ in 0..connections {
        let (left, seen, request) = (left.clone(), seen.clone(), request.clone());
        callers.spawn_local(async move {
            if let Err(error) = call_until_none_is_left(target, prompt, &request, &left, &seen).await {
                seen.borrow_mut().record(Err(error));
            }
        });
    }
    runtime
        .block_on(async { tokio::time::timeout(LIMIT, callers).await })
        .context("the load took too long")?;
    seen.take().report(start.elapsed())
}

async fn call_until_none_is_left(
    target: SocketAddr,
    prompt: Prompt,
    request: &[u8],
    left: &Cell<u64>,
    seen: &RefCell<Seen>,
) -> Result<()> {
    let mut stream = TcpStream::connect(target).await.context("failed to connect")?;
    stream.set_nodelay(true)?;
    let (mut reader, mut buffer) = (Reader::default(), vec![0; BUFFER]);
    while left.get() > 0 {
        left.set(left.get() - 1);
        let start = Instant::now();
        let mut first_content = None;
        reader.clear();
        stream.write_all(request).await?;
        loop {
            let read = stream.read(&mut buffer).await?;
            ensure!(read > 0, "the connection was closed in the middle of an answer");
            let complete = reader.feed(&buffer[..read])?;
            note_content(&mut first_content, prompt, &reader, start);
            if complete {
                break;
            }
        }
        let latency = start.elapsed();
        seen.borrow_mut().record(check(prompt, &reader).map(|()| (latency, first_content)));
    }
    Ok(())
}

/// Sends a request every 1/`rate` seconds, whether or not answers come back. Latencies count from the due time.
///
/// Each of `threads` connections owns every n-th request and sleeps until it is due: timers of an event loop would be
/// a thousand times coarser than what is measured.
pub fn open(target: SocketAddr, prompt: Prompt, threads: u32, rate: f64, requests: u64) -> Result<Report> {
    ensure!(requests as f64 / rate < LIMIT.as_secs_f64(), "the schedule is longer than {LIMIT:?}");
    // Sleeps of ordinary threads may end 50 us late by default.
    std::fs::write("/proc/self/timerslack_ns", "1").ok();
    let request = prompt.request();
    let start = Instant::now() + Duration::from_millis(100);
    let mut seen = Seen::default();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..threads)
            .map(|first| {
                let due = (u64::from(first)..requests)
                    .step_by(threads as usize)
                    .map(|number| start + Duration::from_secs_f64(number as f64 / rate));
                let request = &request;
                scope.spawn(move || call_on_schedule(target, prompt, request, due))
            })
            .collect();
        for caller in callers {
            seen.merge(caller.join().expect("callers do not panic"));
        }
    });
    seen.report(start.elapsed())
}

fn call_on_schedule(
    target: SocketAddr,
    prompt: Prompt,
    request: &[u8],
    schedule: impl Iterator<Item = Instant>,
) -> Seen {
    let mut seen = Seen::default();
    let mut stream = match connect(target) {
        Ok(stream) => stream,
        Err(error) => {
            seen.record(Err(error));
            return seen;
        }
    };
    let mut reader = Reader::default();
    for due in schedule {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        seen.late += u64::from(due.elapsed() > Duration::from_millis(1));
        let outcome = call(&mut stream, &mut reader, prompt, request, due);
        let broken = outcome.is_err();
        seen.record(outcome);
        if broken {
            break;
        }
    }
    seen
}

fn connect(target: SocketAddr) -> Result<std::net::TcpStream> {
    let stream = std::net::TcpStream::connect(target).context("failed to connect")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

fn call(
    stream: &mut std::net::TcpStream,
    reader: &mut Reader,
    prompt: Prompt,
    request: &[u8],
    start: Instant,
) -> Result<(Duration, Option<Duration>)> {
    let mut first_content = None;
    let mut buffer = [0; 16 * 1024];
    reader.clear();
    stream.write_all(request)?;
    loop {
        let read = stream.read(&mut buffer)?;
        ensure!(read > 0, "the connection was closed in the middle of an answer");
        let complete = reader.feed(&buffer[..read])?;
        note_content(&mut first_content, prompt, reader, start);
        if complete {
            break;
        }
    }
    let latency = start.elapsed();
    check(prompt, reader).map(|()| (latency, first_content))
}

/// One call, to find out whether a target is there.
pub fn probe(target: SocketAddr) -> Result<()> {
    let request = Prompt::Small.request();
    call(&mut connect(target)?, &mut Reader::default(), Prompt::Small, &request, Instant::now()).map(|_| ())
}

fn note_content(first: &mut Option<Duration>, prompt: Prompt, reader: &Reader, start: Instant) {
    if first.is_none() && prompt.streams() && memmem::find(reader.body(), b"\"content\":\" ").is_some() {
        *first = Some(start.elapsed());
    }
}

fn check(prompt: Prompt, reader: &Reader) -> Result<()> {
    let (head, body) = (reader.head(), reader.body());
    let shown = || String::from_utf8_lossy(&[head, body].concat()).chars().take(600).collect::<String>();
    ensure!(head.starts_with(b"HTTP/1.1 200 "), "the answer is not 200: {}", shown());
    ensure!(memmem::find(body, b"\"total_tokens\":").is_some(), "the answer has no usage: {}", shown());
    if prompt.streams() {
        let events = memmem::find_iter(body, b"data: ").count();
        ensure!(events == EVENTS, "the stream has {events} events, not {EVENTS}");
    }
    Ok(())
}
