//! What did the provider answer, and what does it bill for it?
//!
//! Its own figures, by its own arithmetic ([`crate::SimulatedModel::cost_nano`]). The rule of billing is one: the input and
//! every output token handed to the connection are billed, however the call ended; a call that got no token of an answer
//! is billed nothing. Totals count every call; the rows keep the latest [`ROWS_KEPT`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::config::SimulatedModel;

/// How many calls are kept one by one.
const ROWS_KEPT: usize = 100_000;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallEnd {
    /// Answered to the end.
    Answered,
    /// The client went away, or the server was stopped.
    Cancelled,
    /// The provider went dark in the middle.
    Cut,
    /// Answered with the configured failure.
    Failed,
}

/// One call in the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRow {
    /// The `id` of the answer.
    pub id: String,
    /// The model that answered.
    pub model: String,
    /// The id of the recorded prompt; none for a prompt that is not in the outcomes.
    pub prompt_id: Option<String>,
    /// How it ended.
    pub end: CallEnd,
    /// Input tokens billed.
    pub input_tokens: u64,
    /// Output tokens billed.
    pub output_tokens: u64,
    /// What it bills, in nano-USD.
    pub cost_nano: u64,
    /// Whether a whole answer was right; none where nothing is recorded.
    pub right: Option<bool>,
}

/// Sums over calls.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub answered: u64,
    pub cancelled: u64,
    pub cut: u64,
    pub failed: u64,
    pub right: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost_nano: u64,
}

/// The books as they stand.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BooksReport {
    /// Over all models.
    pub total: Totals,
    /// By model.
    pub models: BTreeMap<String, Totals>,
    /// The latest calls, oldest first.
    pub calls: VecDeque<CallRow>,
    /// How many older calls are in the totals only.
    pub calls_left_out: u64,
    /// Calls being answered at this moment; they are in none of the figures above.
    pub in_flight: u64,
}

/// The books, shared by all calls.
#[derive(Debug, Default)]
pub(crate) struct Books(Mutex<BooksReport>);

/// A call being answered. Dropping it writes it down, so that no way of ending a call escapes the books.
#[derive(Debug)]
pub(crate) struct OpenCall {
    books: Arc<Books>,
    model: SimulatedModel,
    row: CallRow,
    input_tokens: u64,
}

impl Books {
    pub(crate) fn report(&self) -> BooksReport {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BooksReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, row: CallRow) {
        let mut report = self.lock();
        report.in_flight -= 1;
        report.total.add(&row);
        report.models.entry(row.model.clone()).or_default().add(&row);
        if report.calls.len() == ROWS_KEPT {
            report.calls.pop_front();
            report.calls_left_out += 1;
        }
        report.calls.push_back(row);
    }
}

impl Totals {
    fn add(&mut self, row: &CallRow) {
        let count = match row.end {
            CallEnd::Answered => &mut self.answered,
            CallEnd::Cancelled => &mut self.cancelled,
            CallEnd::Cut => &mut self.cut,
            CallEnd::Failed => &mut self.failed,
        };
        *count += 1;
        self.right += u64::from(row.right == Some(true));
        self.input_tokens += row.input_tokens;
        self.output_tokens += row.output_tokens;
        self.cost_nano += row.cost_nano;
    }
}

impl OpenCall {
    pub(crate) fn open(
        books: &Arc<Books>,
        model: &SimulatedModel,
        id: &str,
        input_tokens: u64,
        prompt_id: Option<String>,
    ) -> OpenCall {
        books.lock().in_flight += 1;
        let row = CallRow {
            id: id.to_owned(),
            model: model.name.clone(),
            prompt_id,
            end: CallEnd::Cancelled,
            input_tokens: 0,
            output_tokens: 0,
            cost_nano: 0,
            right: None,
        };
        OpenCall { books: books.clone(), model: model.clone(), row, input_tokens }
    }

    /// Tokens were handed to the connection: from here on the call is billed.
    pub(crate) fn deliver(&mut self, output_tokens: u64) {
        self.row.input_tokens = self.input_tokens;
        self.row.output_tokens += output_tokens;
    }

    /// The whole answer was handed over.
    pub(crate) fn answer(mut self, right: Option<bool>) {
        self.row.right = right;
        self.row.end = CallEnd::Answered;
    }

    /// The call ended in another way.
    pub(crate) fn end(mut self, end: CallEnd) {
        self.row.end = end;
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let mut row = self.row.clone();
        row.cost_nano = self.model.cost_nano(row.input_tokens, row.output_tokens);
        self.books.write(row);
    }
}
