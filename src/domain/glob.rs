//! Patterns in which `*` stands for any run of letters.

/// True where `pattern` fits the whole of `word`. `*` stands for any letters, none included; everything else for
/// itself. The time grows with the product of both lengths at most, however many stars there are.
#[must_use]
pub fn glob_matches(pattern: &str, word: &str) -> bool {
    let Some((head, others)) = pattern.split_once('*') else { return pattern == word };
    let (middle, tail) = others.rsplit_once('*').unwrap_or(("", others));
    let Some(mut rest) = word.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)) else {
        return false;
    };
    // The first place where a part fits leaves the most for the parts behind it.
    for part in middle.split('*') {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_run_of_letters() {
        for (pattern, word) in [
            ("*", ""),
            ("**", "a"),
            ("a*", "a"),
            ("*a", "ba"),
            ("a*b*c", "a-b-c"),
            ("a*b*c", "abc"),
            ("*ab*ab*", "abab"),
            ("*öl*", "heizöl"),
            ("", ""),
        ] {
            assert!(glob_matches(pattern, word), "{pattern} {word}");
        }
        for (pattern, word) in [
            ("", "a"),
            ("a", "ab"),
            ("a*a", "a"),
            ("*ab*ab*", "ab"),
            ("ab*ba", "aba"),
            ("a*b*c", "acb"),
            ("A*", "a"),
        ] {
            assert!(!glob_matches(pattern, word), "{pattern} {word}");
        }
    }

    #[test]
    fn many_stars_take_no_longer() {
        let pattern = format!("{}b", "*a".repeat(2_000));
        assert!(!glob_matches(&pattern, &"a".repeat(4_000)));
    }
}
