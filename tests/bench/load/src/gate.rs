//! The gates: what is counted, not timed, and therefore repeats.
//!
//! Each count is taken over a short and a long run of its own; the difference, divided by the difference in requests,
//! holds neither start nor stop. Limits stand in `tests/bench/gates.json`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::load;
use crate::process::{Placement, tree};
use crate::prompt::Prompt;
use crate::target::{Kind, Programs};

/// Requests of the short and of the long run. The short one already fills what is bounded (the last 1000 calls are
/// kept), so that the difference holds no growth that ends.
const INSTRUCTIONS_OVER: [u64; 2] = [3000, 6000];
const ALLOCATIONS_OVER: [u64; 2] = [1500, 2500];
const SYSCALLS_OVER: [u64; 2] = [1500, 3500];
/// One connection: every request then takes the same way, with nothing batched.
const CONNECTIONS: usize = 1;

/// The committed limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub instructions_per_request_at_most_times_bare: f64,
    pub instructions_goal_times_bare: f64,
    pub syscalls_per_request_of_the_data_thread: f64,
    /// Timers that fire while there is work add a little; whatever happened per request would add one or more.
    pub syscalls_tolerance: f64,
    pub allocations_per_request: f64,
    pub allocations_tolerance: f64,
    pub decide_microseconds_at_20_candidates: f64,
    pub decision_instructions: f64,
    /// A part of them.
    pub decision_instructions_tolerance: f64,
    pub score_microseconds_at_128_tokens: f64,
    pub score_microseconds_at_512_tokens: f64,
    pub length_microseconds_at_2000_tokens: f64,
    pub routing_model_resident_mib: f64,
    pub kept_score_instructions: f64,
}

impl Limits {
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("failed to parse {}", path.display()))
    }
}

/// One gate's outcome.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gate {
    pub name: String,
    pub ours: f64,
    /// The same of the bare proxy; none where it has no such thing.
    pub bare: Option<f64>,
    pub limit: String,
    pub pass: bool,
    pub detail: String,
}

pub struct Gates<'a> {
    pub programs: &'a Programs,
    pub upstream: SocketAddr,
    pub folder: &'a Path,
    pub limits: &'a Limits,
}

impl Gates<'_> {
    pub fn instructions(&self) -> Result<Gate> {
        let kinds = [Kind::Bare, Kind::Pointsman];
        let [[bare, bare_all], [ours, ours_all]] = self.instructions_of(kinds)?;
        let ratio = ours / bare;
        let of_all = ours_all / bare_all;
        let limit = self.limits.instructions_per_request_at_most_times_bare;
        let goal = self.limits.instructions_goal_times_bare;
        Ok(Gate {
            name: "user instructions per request, data thread".to_owned(),
            ours,
            bare: Some(bare),
            limit: format!("<= {limit} x bare"),
            pass: ratio <= limit,
            detail: format!(
                "{ratio:.3} x bare; the goal is {goal}; all threads {:.1}k, {of_all:.3} x bare",
                ours_all / 1e3
            ),
        })
    }

    /// Instructions per request of two proxies in one run: of the thread that moves the bytes, and of all threads.
    pub fn instructions_of(&self, kinds: [Kind; 2]) -> Result<[[f64; 2]; 2]> {
        self.per_request(kinds, INSTRUCTIONS_OVER, |kind, requests| self.count_instructions(kind, requests))
    }

    pub fn allocations(&self) -> Result<Gate> {
        let kinds = [Kind::Bare, Kind::Pointsman];
        let count = |kind, requests| self.count_allocations(kind, requests).map(|count| [count]);
        let [[bare], [ours]] = self.per_request(kinds, ALLOCATIONS_OVER, count)?;
        let (expected, tolerance) = (self.limits.allocations_per_request, self.limits.allocations_tolerance);
        Ok(Gate {
            name: "allocations per request".to_owned(),
            ours,
            bare: Some(bare),
            limit: format!("<= {expected} + {tolerance}"),
            pass: ours <= expected + tolerance,
            detail: if ours < expected - tolerance {
                format!("fewer than the committed {expected}: lower it")
            } else {
                "stated, and not growing".to_owned()
            },
        })
    }

    pub fn syscalls(&self) -> Result<Gate> {
        let [bare, ours] = [self.syscalls_of(Kind::Bare)?, self.syscalls_of(Kind::Pointsman)?];
        let expected = self.limits.syscalls_per_request_of_the_data_thread;
        let total = |calls: &Calls| calls.values().sum::<f64>();
        Ok(Gate {
            name: "system calls per request, data thread".to_owned(),
            ours: total(&ours.data),
            bare: Some(total(&bare.data)),
            limit: format!("{expected} ± {}", self.limits.syscalls_tolerance),
            pass: (total(&ours.data) - expected).abs() <= self.limits.syscalls_tolerance,
            detail: format!("{}; other threads {:.3}", listed(&ours.data), total(&ours.others)),
        })
    }

    /// One after the other: the two are compared within one run.
    fn per_request<const COUNTS: usize>(
        &self,
        kinds: [Kind; 2],
        over: [u64; 2],
        count: impl Fn(Kind, u64) -> Result<[u64; COUNTS]>,
    ) -> Result<[[f64; COUNTS]; 2]> {
        let mut result = [[0.0; COUNTS]; 2];
        for (kind, result) in kinds.into_iter().zip(&mut result) {
            let [short, long] = [count(kind, over[0])?, count(kind, over[1])?];
            for ((long, short), result) in long.into_iter().zip(short).zip(result) {
                ensure!(
                    long > short,
                    "{} counted {long} over the long run and {short} over the short one",
                    kind.name()
                );
                *result = (long - short) as f64 / (over[1] - over[0]) as f64;
            }
        }
        Ok(result)
    }

    /// Of the data thread, and of all.
    fn count_instructions(&self, kind: Kind, requests: u64) -> Result<[u64; 2]> {
        let folder = self.folder.join(format!("instructions-{}-{requests}", kind.name()));
        let file = format!("--callgrind-out-file={}", folder.join("thread").display());
        let options = ["--tool=callgrind", "--separate-threads=yes", file.as_str()];
        self.under_valgrind(kind, requests, &folder, &options)?;
        let threads = by_thread(&folder)?;
        let data = threads.iter().copied().max().context("callgrind has written nothing")?;
        Ok([data, threads.iter().sum()])
    }

    fn count_allocations(&self, kind: Kind, requests: u64) -> Result<u64> {
        let folder = self.folder.join(format!("allocations-{}-{requests}", kind.name()));
        let profile = folder.join("calls");
        let file = format!("--callgrind-out-file={}", profile.display());
        let options = ["--tool=callgrind", "--compress-strings=no", file.as_str()];
        self.under_valgrind(kind, requests, &folder, &options)?;
        let profile = fs::read_to_string(&profile).context("callgrind has written nothing")?;
        Ok(allocations(&profile))
    }

    fn under_valgrind(&self, kind: Kind, requests: u64, folder: &Path, options: &[&str]) -> Result<String> {
        fs::create_dir_all(folder)?;
        let report = folder.join("valgrind.log");
        let mut wrapper: Vec<OsString> = vec!["valgrind".into()];
        wrapper.extend(options.iter().map(OsString::from));
        wrapper.push(format!("--log-file={}", report.display()).into());
        let target = self.programs.start(kind, &Placement::anywhere(), &wrapper, self.upstream, folder)?;
        load::closed(target.address, Prompt::Small, CONNECTIONS, requests)?.faultless()?;
        target.running.stop(None)?;
        fs::read_to_string(&report).with_context(|| format!("failed to read {}", report.display()))
    }

    fn syscalls_of(&self, kind: Kind) -> Result<Threads> {
        let [short, long] = [self.trace(kind, SYSCALLS_OVER[0])?, self.trace(kind, SYSCALLS_OVER[1])?];
        let requests = (SYSCALLS_OVER[1] - SYSCALLS_OVER[0]) as f64;
        let difference = |short: &Calls, long: &Calls| -> Calls {
            let names = short.keys().chain(long.keys());
            let rate =
                |name: &String| (long.get(name).unwrap_or(&0.0) - short.get(name).unwrap_or(&0.0)) / requests;
            names.map(|name| (name.clone(), rate(name))).filter(|(_, rate)| *rate != 0.0).collect()
        };
        Ok(Threads {
            data: difference(&short.data, &long.data),
            others: difference(&short.others, &long.others),
        })
    }

    fn trace(&self, kind: Kind, requests: u64) -> Result<Threads> {
        let folder = self.folder.join(format!("syscalls-{}-{requests}", kind.name()));
        fs::create_dir_all(&folder)?;
        let prefix = folder.join("thread");
        let wrapper: Vec<OsString> = vec![
            "strace".into(),
            "--follow-forks".into(),
            "--output-separately".into(),
            "--output".into(),
            prefix.into(),
        ];
        let target = self.programs.start(kind, &Placement::anywhere(), &wrapper, self.upstream, &folder)?;
        load::closed(target.address, Prompt::Small, CONNECTIONS, requests)?.faultless()?;
        // Both runs hold the end of the connection, or neither does.
        sleep(Duration::from_millis(300));
        // strace itself would let go of the program and leave it running.
        let traced = tree(target.running.pid()).get(1).copied().context("strace has started nothing")?;
        target.running.stop(Some(traced))?;
        Threads::read(&folder)
    }
}

/// How the allocator gives memory back.
const GIVES_BACK: &str = "madvise";

type Calls = BTreeMap<String, f64>;

/// System calls by name: of the thread that moves the bytes, and of all others.
#[derive(Default)]
struct Threads {
    data: Calls,
    others: Calls,
}

impl Threads {
    fn read(folder: &Path) -> Result<Self> {
        let mut threads = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path: PathBuf = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("thread.")) {
                threads.push(calls(&fs::read_to_string(path)?));
            }
        }
        let sent = |calls: &Calls| {
            ["sendto", "sendmsg", "write", "writev"].iter().filter_map(|name| calls.get(*name)).sum::<f64>()
        };
        threads.sort_by(|a, b| sent(b).total_cmp(&sent(a)));
        let mut rest = threads.into_iter();
        let data = rest.next().context("strace has written nothing")?;
        let mut others = Calls::new();
        for (name, count) in rest.flatten() {
            *others.entry(name).or_default() += count;
        }
        Ok(Self { data, others }.with_what_is_everybodys())
    }

    /// Memory that any thread has freed goes back through whichever comes by: all of it counts for the data thread.
    fn with_what_is_everybodys(mut self) -> Self {
        if let Some(count) = self.others.remove(GIVES_BACK) {
            *self.data.entry(GIVES_BACK.to_owned()).or_default() += count;
        }
        self
    }
}

/// Counts the lines of a trace by name. A wait that ended by its timeout counts time, not requests, and is left out;
/// so is the wake-up that the timer may send to its own thread, and the wait that receives it.
fn calls(trace: &str) -> Calls {
    const WAKE_UP: &str = "\"\\1\\0\\0\\0\\0\\0\\0\\0\", 8) = 8";
    let mut calls = Calls::new();
    let (mut timed_out, mut woken) = (false, false);
    for line in trace.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase())) {
        let Some((name, rest)) = line.split_once('(') else { continue };
        let wait = name.starts_with("epoll_") && name.contains("wait");
        let of_the_timer =
            if wait { rest.ends_with(" = 0") || woken } else { timed_out && rest.ends_with(WAKE_UP) };
        timed_out = wait && rest.ends_with(" = 0");
        woken = of_the_timer && !wait;
        if !of_the_timer {
            *calls.entry(name.to_owned()).or_default() += 1.0;
        }
    }
    calls
}

/// The instructions of each thread. The one that answers has most: 3000 requests are more work than the start. What the
/// others do, they do by the clock: on a slow machine that counts time, not requests.
fn by_thread(folder: &Path) -> Result<Vec<u64>> {
    let mut totals = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("thread-")) {
            let text = fs::read_to_string(&path)?;
            totals.push(figure_after(&text, "summary:")?);
        }
    }
    Ok(totals)
}

/// Sums the calls of functions that allocate in callgrind's list of calls, but not those that they make of one another.
fn allocations(profile: &str) -> u64 {
    const ALLOCATE: [&str; 11] = [
        "malloc",
        "calloc",
        "realloc",
        "posix_memalign",
        "aligned_alloc",
        "mi_malloc",
        "mi_malloc_aligned",
        "mi_zalloc",
        "mi_zalloc_aligned",
        "mi_realloc",
        "mi_realloc_aligned",
    ];
    let (mut caller, mut callee, mut total) = ("", "", 0);
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            caller = name;
        } else if let Some(name) = line.strip_prefix("cfn=") {
            callee = name;
        } else if let Some(calls) = line.strip_prefix("calls=")
            && ALLOCATE.contains(&callee)
            && !ALLOCATE.contains(&caller)
        {
            total += calls.split(' ').next().and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    total
}

fn listed(calls: &Calls) -> String {
    let one = |(name, rate): (&String, &f64)| format!("{name} {rate:.3}");
    calls.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The number with thousands separators that follows a label.
pub fn figure_after(text: &str, label: &str) -> Result<u64> {
    let rest = text.split(label).nth(1).with_context(|| format!("no {label:?} in the report:\n{text}"))?;
    let digits = rest.split_whitespace().next().unwrap_or_default().replace(',', "");
    digits.parse().with_context(|| format!("{digits:?} after {label:?} is not a number"))
}

#[cfg(test)]
mod tests {
    use super::{Threads, allocations, calls, figure_after};

    #[test]
    fn counts_allocations_but_not_those_of_allocators_among_themselves() {
        let profile = "fn=work\n10 20\ncfn=mi_malloc_aligned\ncalls=3 0\n10 30\ncfn=free\ncalls=9 0\n10 30\n\
                       fn=mi_malloc_aligned\ncfn=mi_malloc\ncalls=3 0\n10 30\nfn=other\ncfn=malloc\ncalls=4 12\n";
        assert_eq!(allocations(profile), 7);
    }

    #[test]
    fn reads_figures_with_thousands_separators() {
        assert_eq!(figure_after("==7== I   refs:      1,234,567\n", "I   refs:").unwrap(), 1_234_567);
        assert!(figure_after("nothing", "I   refs:").is_err());
    }

    #[test]
    fn counts_calls_but_no_waits_that_timed_out() {
        let trace = "recvfrom(7, \"a(b\", 8192, 0, NULL, NULL) = 3\nepoll_wait(4, [], 1024, 50) = 0\n\
                     epoll_wait(4, [{events=EPOLLIN}], 1024, 50) = 1\n--- SIGTERM {si_signo=SIGTERM} ---\n+++ exited with 0 +++\n";
        let counted: Vec<(String, f64)> = calls(trace).into_iter().collect();
        assert_eq!(counted, [("epoll_wait".to_owned(), 1.0), ("recvfrom".to_owned(), 1.0)]);
    }

    #[test]
    fn what_any_thread_gives_back_counts_for_the_data_thread() {
        let of = |counts: &[(&str, f64)]| counts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        let threads =
            Threads { data: of(&[("writev", 2.0)]), others: of(&[("madvise", 3.0), ("futex", 1.0)]) };
        let threads = threads.with_what_is_everybodys();
        assert_eq!(threads.data, of(&[("madvise", 3.0), ("writev", 2.0)]));
        assert_eq!(threads.others, of(&[("futex", 1.0)]));
    }

    #[test]
    fn counts_wake_ups_but_not_those_of_a_timer() {
        let wake_up = "write(12, \"\\1\\0\\0\\0\\0\\0\\0\\0\", 8) = 8\n";
        let wait = "epoll_wait(4, [{events=EPOLLIN}], 1024, 50) = 1\n";
        let of_a_timer = format!("epoll_wait(4, [], 1024, 50) = 0\n{wake_up}{wait}");
        assert!(calls(&of_a_timer).is_empty());
        let of_a_request = format!("{wait}{wake_up}{wait}");
        let counted: Vec<(String, f64)> = calls(&of_a_request).into_iter().collect();
        assert_eq!(counted, [("epoll_wait".to_owned(), 2.0), ("write".to_owned(), 1.0)]);
    }
}
