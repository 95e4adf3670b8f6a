//! How the values of the configuration are written: durations, addresses, offsets, listeners, globs of event names.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::error::{nearest, quoted};
use crate::domain::event::EventName;
use crate::domain::glob::glob_matches;
use crate::domain::time::{Zone, offset_seconds};
use crate::{notifier, upstream};

/// Ten years: longer than anything here is meant to wait.
pub(crate) const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// Where the local API listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A unix socket, guarded by its permissions.
    Unix(PathBuf),
    /// A TCP address, guarded by the token.
    Tcp(SocketAddr),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration, or `0s`, which is none at all.
pub(crate) fn duration_or_none(text: &str) -> Result<Duration, String> {
    if text == "0s" { Ok(Duration::ZERO) } else { duration(text, LONGEST) }
}

/// Reads `300ms`, `15s`, `1h30m`: whole numbers, each unit at most once, the larger first.
pub(crate) fn duration(text: &str, longest: Duration) -> Result<Duration, String> {
    let expected = || {
        format!("expected a duration such as \"300ms\", \"15s\", \"5m\" or \"1h30m\", found {}", quoted(text))
    };
    let (mut rest, mut units, mut total) = (text, UNITS.iter(), 0_u64);
    while !rest.is_empty() {
        let (digits, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, after) = split_where(after, |c| !c.is_ascii_alphabetic());
        let (_, millis) = units.find(|(name, _)| *name == unit).ok_or_else(expected)?;
        if digits.is_empty() {
            return Err(expected());
        }
        let part = digits.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(*millis);
        total = total.saturating_add(part);
        rest = after;
    }
    match Duration::from_millis(total) {
        Duration::ZERO if text.is_empty() => Err(expected()),
        Duration::ZERO => Err(format!("expected a duration longer than zero, found {}", quoted(text))),
        span if span > longest => {
            Err(format!("expected a duration of at most {}, found {}", shown(longest), quoted(text)))
        }
        span => Ok(span),
    }
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at_checked(text.find(end).unwrap_or(text.len())).unwrap_or((text, ""))
}

/// A duration as a person would write it in the file.
pub(crate) fn shown(span: Duration) -> String {
    let mut rest = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in UNITS {
        let (count, left) = (rest.checked_div(millis).unwrap_or(0), rest.checked_rem(millis).unwrap_or(0));
        if count > 0 {
            text.push_str(&format!("{count}{unit}"));
        }
        rest = left;
    }
    text
}

/// A span of the day, which may go over midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayHours {
    /// Its first minute.
    pub from: u16,
    /// The minute at which it ends.
    pub to: u16,
}

/// Reads `22:00-07:00`.
pub(crate) fn day_hours(text: &str) -> Result<DayHours, String> {
    let expected = || format!("expected hours of the day such as \"22:00-07:00\", found {}", quoted(text));
    let minute = |text: &str| {
        let (hours, minutes) = text.trim().split_once(':')?;
        let two = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<u16>().ok()).flatten()
        };
        let (hours, minutes) = (two(hours)?, two(minutes)?);
        (hours < 24 && minutes < 60).then(|| hours.saturating_mul(60).saturating_add(minutes))
    };
    let (from, to) = text.split_once('-').ok_or_else(expected)?;
    let (from, to) = minute(from).zip(minute(to)).ok_or_else(expected)?;
    if from == to {
        return Err(format!("expected hours that begin and end at different times, found {}", quoted(text)));
    }
    Ok(DayHours { from, to })
}

/// Reads `+02:00`, `-05:30`, `Z` into seconds east of Greenwich.
pub(crate) fn utc_offset(text: &str) -> Result<i32, String> {
    offset_seconds(text).ok_or_else(|| {
        format!("expected an offset from UTC such as \"+00:00\" or \"-05:30\", found {}", quoted(text))
    })
}

/// Reads an offset, or the name of a place, which knows when clocks there are changed.
pub(crate) fn zone(text: &str) -> Result<Zone, String> {
    Zone::parse(text).map_err(|_| {
        format!(
            "expected an offset from UTC such as \"+00:00\", or a zone such as \"Europe/Berlin\", found {}",
            quoted(text)
        )
    })
}

/// Checks a mail address, with or without a name before it.
pub(crate) fn mail_address(text: &str) -> Result<(), String> {
    recipient(text).map(drop)
}

/// Reads a mail address, with or without a name before it, and gives it back without the name.
pub(crate) fn recipient(text: &str) -> Result<String, String> {
    notifier::parse_recipient(text).map_err(|error| match error {
        // It says how a name is quoted.
        notifier::AddressError::Name => format!("{error}, found {}", quoted(text)),
        _ => format!(
            "expected a mail address such as \"finance@example.com\" or \"Name <finance@example.com>\", found {}",
            quoted(text)
        ),
    })
}

/// Checks a base URL and takes off the slashes at its end. Its errors do not repeat it: a URL may carry a password.
pub(crate) fn base_url(text: &str) -> Result<String, String> {
    upstream::parse_base_url(text).map_err(|error| error.to_string())?;
    Ok(text.trim_end_matches('/').to_owned())
}

/// The host of a base URL that was checked, with its port.
pub(crate) fn host_of(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default()
}

/// A colon is right in an IPv6 address only.
pub(crate) fn has_no_port(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    !host.contains([':', '[', ']']) || bare.parse::<std::net::Ipv6Addr>().is_ok()
}

/// Reads `unix:PATH` or `IP:PORT`.
pub(crate) fn listen(text: &str) -> Result<Listen, String> {
    let expected = || {
        format!("expected \"unix:PATH\" or \"IP:PORT\" such as \"127.0.0.1:8787\", found {}", quoted(text))
    };
    match text.strip_prefix("unix:") {
        Some("") => Err(expected()),
        Some(path) => Ok(Listen::Unix(PathBuf::from(path))),
        None => text.parse().map(Listen::Tcp).map_err(|_| expected()),
    }
}

/// The mailable events that a word or a glob (`*`, `discrepancy_*`) names.
pub(crate) fn events(pattern: &str) -> Result<Vec<EventName>, String> {
    let mailable = || EventName::ALL.iter().copied().filter(|name| name.is_mailable());
    let found: Vec<_> = mailable().filter(|name| glob_matches(pattern, name.as_str())).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if EventName::parse(pattern).is_some() {
        return Err(format!("expected an event that is mailed; {} never is", quoted(pattern)));
    }
    let meant = nearest(pattern, mailable().map(EventName::as_str));
    let hint = meant.map(|name| format!(" (did you mean {name:?}?)")).unwrap_or_default();
    let all: Vec<_> = mailable().map(EventName::as_str).collect();
    Err(format!(
        "expected the name of an event or a glob that matches one, found {}{hint}; events: {}",
        quoted(pattern),
        all.join(", ")
    ))
}

/// The words for how much is logged.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Checks what is to be logged: a level, or levels by the part that they are for, as `$DEPOSITD_LOG` takes them too.
pub(crate) fn log_levels(text: &str) -> Result<String, String> {
    let fits = |part: &str| {
        let (target, level) =
            part.split_once('=').map_or((None, part), |(target, level)| (Some(target), level));
        let is_target = |target: &str| {
            let mut names = target.split("::");
            names.all(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        };
        LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) && target.is_none_or(is_target)
    };
    let mut parts = text.split(',').map(str::trim).filter(|part| !part.is_empty()).peekable();
    let wrong = if parts.peek().is_none() { Some(text) } else { parts.find(|part| !fits(part)) };
    match wrong {
        None => Ok(text.to_owned()),
        Some(part) => Err(format!(
            "expected a level (error, warn, info, debug, trace, off), or part=level with commas between, such as \"info\" or \"depositd::flow=debug\"; found {}",
            quoted(part)
        )),
    }
}

#[cfg(test)]
#[path = "values_tests.rs"]
mod tests;
