//! The whole account: the drift, the baseline, and what is not listed yet.

use super::*;

fn account() -> AccountFigures {
    AccountFigures {
        total: 1_000,
        total_before: Some(1_000),
        baseline: Some(300),
        accepted: 0,
        listed: 700,
        listed_before: 700,
        not_listed: 0,
    }
}

#[test]
fn the_drift_is_what_is_left_of_the_identity() {
    let stands = |cents, beyond_lag| Drift::Stands { cents, beyond_lag };
    let table = [
        ("exact", account(), Drift::None),
        ("no baseline", AccountFigures { baseline: None, ..account() }, Drift::NotYet),
        (
            "accepted",
            AccountFigures { total: 1_250, accepted: 250, total_before: Some(1_250), ..account() },
            Drift::None,
        ),
        ("taken back", AccountFigures { accepted: 250, ..account() }, stands(-250, true)),
        (
            "more, long ago",
            AccountFigures { total: 1_001, total_before: Some(1_001), ..account() },
            stands(1, true),
        ),
        ("more, just now", AccountFigures { total: 1_001, ..account() }, stands(1, false)),
        (
            "more, never seen before",
            AccountFigures { total: 1_001, total_before: None, ..account() },
            stands(1, false),
        ),
        ("a new row ahead of the total", AccountFigures { listed: 900, ..account() }, Drift::OnItsWay(-200)),
        (
            "a part of the new rows",
            AccountFigures { listed: 900, total: 1_100, ..account() },
            Drift::OnItsWay(-100),
        ),
        (
            "an old row that the total lacks",
            AccountFigures { listed: 900, listed_before: 900, ..account() },
            stands(-200, true),
        ),
        (
            "booked and not listed",
            AccountFigures { total: 1_200, not_listed: 200, ..account() },
            Drift::OnItsWay(200),
        ),
        (
            "more than is on its way",
            AccountFigures { total: 1_201, not_listed: 200, ..account() },
            stands(201, false),
        ),
        (
            "a row that is gone",
            AccountFigures { listed: 600, listed_before: 600, ..account() },
            stands(100, true),
        ),
    ];
    for (say, account, expected) in table {
        assert_eq!(account.drift(0), expected, "{say}");
    }
    let little = AccountFigures { total: 1_003, total_before: Some(1_003), ..account() };
    assert_eq!(
        (little.drift(3), little.drift(-3), little.drift(2)),
        (Drift::None, Drift::None, stands(3, true))
    );
    // Up to the tolerance of a lag ago tells nothing either.
    for (before, told) in [(3, false), (4, true)] {
        let more = AccountFigures { total: 1_010, total_before: Some(1_000 + before), ..account() };
        let less = AccountFigures { listed: 900, listed_before: 700 + before, ..account() };
        assert_eq!((more.drift(3), less.drift(3)), (stands(10, told), stands(-200, told)), "{before}");
    }
    let most = AccountFigures {
        total: i64::MAX,
        total_before: None,
        baseline: Some(i64::MIN),
        listed: i64::MIN,
        ..account()
    };
    assert!(matches!(most.drift(0), Drift::Stands { .. }), "and no overflow");
}

#[test]
fn the_baseline_is_what_spaced_runs_agree_on() {
    let run = |minutes, total, listed| BaselineCandidate { at: at(minutes), total, listed };
    let agree = |earlier: &[BaselineCandidate], now, lag| agree_on_baseline(earlier, now, lag);
    let now = run(0, 1_000, 700);
    assert_eq!(now.baseline(), 300);
    assert_eq!(agree(&[], now, Duration::ZERO), None, "one is no proof");
    assert_eq!(agree(&[now], now, Duration::ZERO), Some(300));
    assert_eq!(
        agree(&[run(-9, 500, 200)], now, Duration::ZERO),
        Some(300),
        "other figures, the same difference"
    );
    assert_eq!(agree(&[run(-9, 1_000, 701)], now, Duration::ZERO), None);
    // Where things lag, they must be spaced, and nothing may have moved.
    assert_eq!(agree(&[run(-59, 1_000, 700)], now, HOUR), None);
    assert_eq!(agree(&[run(-60, 1_000, 700)], now, HOUR), Some(300));
    assert_eq!(agree(&[run(-60, 900, 600)], now, HOUR), None, "it moved meanwhile");
    assert_eq!(agree(&[run(-120, 900, 600)], now, HOUR), None, "two, however far apart, where it moved");
    // Or three, each spaced.
    assert_eq!(agree(&[run(-120, 900, 600), run(-60, 950, 650)], now, HOUR), Some(300));
    assert_eq!(agree(&[run(-120, 900, 600), run(-90, 950, 650)], now, HOUR), Some(300));
    assert_eq!(agree(&[run(-150, 900, 600), run(-130, 950, 650)], now, HOUR), None, "none between");
    assert_eq!(agree(&[run(-90, 900, 600), run(-60, 950, 650)], now, HOUR), None, "not long enough");
    assert_eq!(agree(&[run(-120, 900, 601), run(-60, 950, 650)], now, HOUR), None);
    assert_eq!(agree(&[run(60, 1_000, 700)], now, HOUR), None, "a run of the future proves nothing");
}

#[test]
fn what_is_booked_and_credited_by_no_row_is_not_listed() {
    let accepted = |listed_cents, counted_cents| Some(Accepted { listed_cents, counted_cents });
    let none = |pair: &mut DepositRows| (pair.rows, pair.paid_cents) = (0, 0);
    for (why, pair, not_listed) in [
        ("a row credits it", pair(), false),
        ("no row", with(none), true),
        ("a row of another word", with(|it| it.paid_cents = 0), true),
        (
            "a short one's row counts what is booked",
            with(|it| (it.paid_cents, it.follows) = (0, true)),
            false,
        ),
        ("nothing is booked", unbooked(State::Expired, none), false),
        ("a person let it count", with(|it| (none(it), it.accepted = accepted(0, 5_000)).1), false),
        ("a person let it count nothing", with(|it| (none(it), it.accepted = accepted(0, 0)).1), true),
    ] {
        assert_eq!(pair.is_not_listed(), not_listed, "{why}");
    }
}
