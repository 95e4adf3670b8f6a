//! Figures as a picture: where each bar or point lies, in the units of an SVG that its template draws.

use serde::Serialize;

/// The picture's size without its margins.
const WIDTH: i64 = 640;
const HEIGHT: i64 = 160;
/// The part of its place that a bar takes, in hundredths.
const BAR: i64 = 70;

/// A figure with what it is called.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    pub(super) label: String,
    /// As a person reads it.
    pub(super) text: String,
    pub(super) value: i64,
}

/// A picture of figures, which stand beside it.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    width: i64,
    height: i64,
    /// Where nothing lies.
    zero: i64,
    /// The corners of the line, as SVG writes them; empty for bars.
    line: String,
    points: Vec<Point>,
}

#[derive(Debug, Serialize)]
struct Point {
    label: String,
    text: String,
    x: i64,
    y: i64,
    width: i64,
    height: i64,
}

/// Bars from nothing up, or down where there is less; `None` for no figures.
pub(super) fn bars(figures: &[Figure]) -> Option<Chart> {
    chart(figures, true)
}

/// A line over time; `None` for fewer than two figures.
pub(super) fn line(figures: &[Figure]) -> Option<Chart> {
    chart(figures, false).filter(|chart| chart.points.len() > 1)
}

fn chart(figures: &[Figure], is_bars: bool) -> Option<Chart> {
    let (low, high) =
        (figures.iter().map(|figure| figure.value).min()?, figures.iter().map(|figure| figure.value).max()?);
    // A balance may move little: its line begins near its least. Bars stand for what they are.
    let air = high.saturating_sub(low).checked_div(10).unwrap_or(0);
    let bottom = if is_bars || low <= 0 { low.min(0) } else { low.saturating_sub(air).max(0) };
    let top = high.max(if is_bars { 0 } else { low.saturating_add(1) });
    let span = i128::from(top).saturating_sub(i128::from(bottom)).max(1);
    let level = |value: i64| {
        let above = i128::from(value).saturating_sub(i128::from(bottom)).saturating_mul(i128::from(HEIGHT));
        HEIGHT.saturating_sub(i64::try_from(above.checked_div(span).unwrap_or(0)).unwrap_or(HEIGHT))
    };
    let count = i64::try_from(figures.len()).ok()?;
    let zero = level(bottom.max(0));
    let place = |index: i64, of: i64| WIDTH.saturating_mul(index).checked_div(of.max(1)).unwrap_or(0);
    let mut points = Vec::with_capacity(figures.len());
    for (figure, index) in figures.iter().zip(0_i64..) {
        let y = level(figure.value);
        let room = place(1, count);
        let width = room.saturating_mul(BAR).checked_div(100).unwrap_or(1).clamp(1, 60);
        let x = if is_bars {
            let middle = place(index, count).saturating_add(room.checked_div(2).unwrap_or(0));
            middle.saturating_sub(width.checked_div(2).unwrap_or(0))
        } else {
            place(index, count.saturating_sub(1))
        };
        let height = zero.saturating_sub(y).abs().max(1);
        let (label, text) = (figure.label.clone(), figure.text.clone());
        points.push(Point { label, text, x, y: if is_bars { y.min(zero) } else { y }, width, height });
    }
    let corner = |point: &Point| format!("{},{}", point.x, point.y);
    let line = if is_bars { String::new() } else { points.iter().map(corner).collect::<Vec<_>>().join(" ") };
    Some(Chart { width: WIDTH, height: HEIGHT, zero, line, points })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(values: &[i64]) -> Vec<Figure> {
        let figure =
            |value: &i64| Figure { label: value.to_string(), text: value.to_string(), value: *value };
        values.iter().map(figure).collect()
    }

    #[test]
    fn the_largest_reaches_the_top_and_what_is_less_than_nothing_hangs() {
        let chart = bars(&figures(&[0, 50, 100])).unwrap();
        let tops: Vec<_> = chart.points.iter().map(|point| (point.y, point.height)).collect();
        assert_eq!((tops, chart.zero), (vec![(160, 1), (80, 80), (0, 160)], 160));
        let chart = bars(&figures(&[-100, 100])).unwrap();
        let tops: Vec<_> = chart.points.iter().map(|point| (point.y, point.height)).collect();
        assert_eq!((tops, chart.zero), (vec![(80, 80), (0, 80)], 80));
        assert!(bars(&[]).is_none());
    }

    #[test]
    fn a_line_needs_two_points_and_takes_any_figures() {
        assert!(line(&figures(&[5])).is_none());
        let chart = line(&figures(&[100, 200])).unwrap();
        assert_eq!(chart.line, format!("0,{} 640,0", 160 - 160 * 10 / 110));
        for values in [&[7, 7][..], &[0, 0], &[i64::MIN, i64::MAX], &[-5, -5, -9]] {
            let chart = line(&figures(values)).unwrap();
            assert!(chart.points.iter().all(|point| (0..=160).contains(&point.y)), "{chart:?}");
            assert!(bars(&figures(values)).is_some());
        }
    }
}
