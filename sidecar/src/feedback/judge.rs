//! Takes feedback on a call that this process has served: notes it where the call is remembered, and teaches the guard.

use super::CallRow;
use crate::data::Data;
use crate::records::Lesson;

/// Feedback that was taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judged {
    /// The request id.
    pub(crate) id: String,
    /// Whether it will outlive the process.
    pub(crate) kept: bool,
    /// What was said of the call before.
    pub(crate) before: Option<f64>,
}

/// Looks among the last calls in memory, then in the store. None where neither knows the call.
pub(crate) async fn judge(data: &Data, id: &str, score: f64) -> Result<Option<Judged>, String> {
    let lesson = data.records.borrow().lesson(id);
    let recent = data.records.borrow_mut().rate(id, score);
    let name = recent.map_or_else(|| id.to_owned(), |(known, _)| known.to_string());
    let row = data.desk.note(&name, score).await?;
    let lesson = match recent {
        Some(_) => lesson,
        None => row.as_ref().filter(|row| row.feedback.is_none()).and_then(CallRow::lesson),
    };
    let judged = match (recent, row) {
        (Some((id, before)), row) => {
            let before = before.or_else(|| row.as_ref()?.feedback);
            Judged { id: id.to_string(), kept: row.is_some(), before }
        }
        (None, Some(row)) => Judged { id: row.id, kept: true, before: row.feedback },
        (None, None) => return Ok(None),
    };
    if let Some(lesson) = lesson {
        learn(data, &lesson, score);
    }
    data.shared.telemetry.feedback.inc();
    Ok(Some(judged))
}

/// Tells the guard of the policy's scorer.
fn learn(data: &Data, lesson: &Lesson, score: f64) {
    let Some(plane) = data.shared.plane.load_full() else { return };
    let policies = plane.snapshot.policies.iter().zip(&plane.policies);
    for (_, beside) in policies.filter(|(policy, _)| policy.name == lesson.policy) {
        beside.live.learn(lesson, score);
    }
}
