//! Calendar windows of limits: which window a moment falls into, when it ends.

use jiff::{Timestamp, ToSpan, Unit, ZonedRound, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// The length of a window. Windows follow the calendar of the limit's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Window {
    /// From second 0 to second 0.
    Minute,
    /// From minute 0 to minute 0.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday's midnight to Monday's midnight.
    Week,
    /// From the first of a month to the first of the next.
    Month,
    /// For ever.
    Total,
}

/// One window in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Names the window in ledgers: its start in UTC, or `total`.
    pub id: String,
    /// The first moment inside; the beginning of time for [`Window::Total`].
    pub start: Timestamp,
    /// The first moment after it; none for [`Window::Total`].
    pub end: Option<Timestamp>,
}

/// A time zone that the tz database does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" is not a time zone of the tz database: write Europe/Berlin or UTC")]
pub struct UnknownTimeZone {
    name: String,
}

/// Looks a time zone up by its name in the tz database.
pub fn time_zone(name: &str) -> Result<TimeZone, UnknownTimeZone> {
    TimeZone::get(name).map_err(|_| UnknownTimeZone { name: name.to_owned() })
}

impl Window {
    /// The window that `now` falls into, by the calendar of `zone`.
    pub fn at(self, now: Timestamp, zone: &TimeZone) -> Span {
        let Some((start, end)) = self.bounds(now, zone) else {
            return Span { id: "total".to_owned(), start: Timestamp::MIN, end: None };
        };
        Span { id: start.to_string(), start, end: Some(end) }
    }

    fn bounds(self, now: Timestamp, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let local = now.to_zoned(zone.clone());
        let floor = |unit| local.round(ZonedRound::new().smallest(unit).mode(jiff::RoundMode::Trunc));
        let midnight = || local.start_of_day();
        let (start, span) = match self {
            Self::Minute => (floor(Unit::Minute), 1.minute()),
            Self::Hour => (floor(Unit::Hour), 1.hour()),
            Self::Day => (midnight(), 1.day()),
            Self::Week => {
                let back = i64::from(local.weekday().to_monday_zero_offset());
                (midnight().and_then(|m| m.checked_sub(back.days())), 1.week())
            }
            Self::Month => (local.first_of_month().and_then(|d| d.start_of_day()), 1.month()),
            Self::Total => return None,
        };
        let start = start.ok()?;
        let end = start.checked_add(span).ok()?;
        Some((start.timestamp(), end.timestamp()))
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn span(window: Window, zone: &str, now: &str) -> (String, Option<String>) {
        let span = window.at(now.parse().unwrap(), &time_zone(zone).unwrap());
        (span.start.to_string(), span.end.map(|e| e.to_string()))
    }

    #[test]
    fn windows_follow_the_calendar_of_their_zone() {
        for (window, zone, now, start, end) in [
            (Window::Minute, "UTC", "2026-11-21T10:04:12Z", "2026-11-21T10:04:00Z", "2026-11-21T10:05:00Z"),
            (
                Window::Hour,
                "Asia/Kolkata",
                "2026-11-21T10:04:12Z",
                "2026-11-21T09:30:00Z",
                "2026-11-21T10:30:00Z",
            ),
            (
                Window::Day,
                "Europe/Berlin",
                "2026-11-21T23:30:00Z",
                "2026-11-21T23:00:00Z",
                "2026-11-22T23:00:00Z",
            ),
            (Window::Week, "UTC", "2026-11-21T10:04:12Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            (Window::Month, "UTC", "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ] {
            assert_eq!(span(window, zone, now), (start.to_owned(), Some(end.to_owned())), "{window} {zone}");
        }
    }

    #[test]
    fn days_with_a_clock_change_have_23_or_25_hours() {
        for (now, hours) in [("2026-03-29T12:00:00Z", 23), ("2026-10-25T12:00:00Z", 25)] {
            let span = Window::Day.at(now.parse().unwrap(), &time_zone("Europe/Berlin").unwrap());
            assert_eq!(span.end.unwrap().duration_since(span.start).as_hours(), hours);
        }
    }

    #[test]
    fn total_never_ends() {
        assert_eq!(Window::Total.at(Timestamp::UNIX_EPOCH, &TimeZone::UTC).end, None);
    }

    #[test]
    fn an_unknown_zone_says_what_to_write() {
        assert!(time_zone("Berlin").unwrap_err().to_string().contains("Europe/Berlin"));
    }
}
