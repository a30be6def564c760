//! Calendar windows of limits: which window a moment falls into, when it ends.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
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
        let today = now.to_zoned(zone.clone()).date();
        let since_monday = i64::from(today.weekday().to_monday_zero_offset());
        let (first, span) = match self {
            Self::Minute => return by_the_clock(now, zone, 60),
            Self::Hour => return by_the_clock(now, zone, 3600),
            Self::Day => (today, 1.day()),
            Self::Week => (today.checked_sub(since_monday.days()).ok()?, 1.week()),
            Self::Month => (today.first_of_month(), 1.month()),
            Self::Total => return None,
        };
        Some((midnight(first, zone)?, midnight(first.checked_add(span).ok()?, zone)?))
    }
}

/// The first moment of a day. Where the clock skips midnight, that is later, and the day before ends there.
fn midnight(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    Some(day.to_zoned(zone.clone()).ok()?.start_of_day().ok()?.timestamp())
}

/// The window of so many seconds that `now` falls into, by the offset that holds now.
fn by_the_clock(now: Timestamp, zone: &TimeZone, seconds: i64) -> Option<(Timestamp, Timestamp)> {
    let local = now.as_second() + i64::from(zone.to_offset(now).seconds());
    let start = now.as_second() - local.rem_euclid(seconds);
    let at = |second| Timestamp::from_second(second).ok();
    Some((at(start)?, at(start + seconds)?))
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
    fn windows_of_a_calendar_meet_where_the_clock_skips_midnight() {
        // Cairo, Friday 2026-04-24: the clock goes from 00:00 to 01:00. Beirut, Sunday 2026-03-29, likewise.
        for (window, zone, now, start, end) in [
            (
                Window::Day,
                "Africa/Cairo",
                "2026-04-24T12:00:00Z",
                "2026-04-23T22:00:00Z",
                "2026-04-24T21:00:00Z",
            ),
            (
                Window::Day,
                "Africa/Cairo",
                "2026-04-24T21:30:00Z",
                "2026-04-24T21:00:00Z",
                "2026-04-25T21:00:00Z",
            ),
            (
                Window::Day,
                "Asia/Beirut",
                "2026-03-28T22:00:00Z",
                "2026-03-28T22:00:00Z",
                "2026-03-29T21:00:00Z",
            ),
            (
                Window::Week,
                "Africa/Cairo",
                "2026-04-24T12:00:00Z",
                "2026-04-19T22:00:00Z",
                "2026-04-26T21:00:00Z",
            ),
        ] {
            assert_eq!(span(window, zone, now), (start.to_owned(), Some(end.to_owned())), "{window} {zone}");
        }
    }

    #[test]
    fn every_moment_lies_in_its_window_and_windows_follow_each_other() {
        // Lord Howe changes its clock by half an hour, Berlin by a whole one.
        for (zone, from) in [
            ("Australia/Lord_Howe", "2026-04-04T10:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-03T10:00:00Z"),
            ("Europe/Berlin", "2026-10-24T20:00:00Z"),
            ("Africa/Cairo", "2026-04-23T20:00:00Z"),
        ] {
            let zone = time_zone(zone).unwrap();
            let from: Timestamp = from.parse().unwrap();
            for window in [Window::Minute, Window::Hour, Window::Day, Window::Week, Window::Month] {
                let mut last = window.at(from, &zone);
                for quarter in 1..200 {
                    let now = from + (quarter * 15).minutes();
                    let span = window.at(now, &zone);
                    let end = span.end.unwrap();
                    assert!(span.start <= now && now < end, "{window} {now}: {span:?}");
                    assert!(
                        span == last || span.start >= last.start,
                        "{window} {now}: {span:?} after {last:?}"
                    );
                    if window != Window::Minute && window != Window::Hour && span != last {
                        assert_eq!(Some(span.start), last.end, "{window} {now}");
                    }
                    last = span;
                }
            }
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
