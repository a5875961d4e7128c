//! Text that is shown to people.

/// Whether a character may stand in a line of text that is shown to people: none that controls a screen (general category Cc), that reorders or hides what stands beside it (Cf, such as U+202E), or that
/// ends the line (Zl, Zp). Such a text could look like another one. It also rules out joiners, which some scripts and emoji use.
#[must_use]
pub fn is_shown(character: char) -> bool {
    !character.is_control() && !UNSEEN.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// The beginning of a text, of at most `size_max` bytes, with `?` for what is not shown.
pub(crate) fn cut(text: &str, size_max: usize) -> String {
    let mut kept = String::new();
    for character in text.chars().map(|character| if is_shown(character) { character } else { '?' }) {
        if kept.len() + character.len_utf8() > size_max {
            break;
        }
        kept.push(character);
    }
    kept
}

/// The categories Cf, Zl and Zp of Unicode 16.0 (<https://www.unicode.org/Public/16.0.0/ucd/extracted/DerivedGeneralCategory.txt>).
const UNSEEN: [(char, char); 21] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{2064}'),
    ('\u{2066}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0001}', '\u{e0001}'),
    ('\u{e0020}', '\u{e007f}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    // R-K21
    #[test]
    fn what_controls_reorders_or_hides_is_not_shown() {
        let hidden = [
            '\0',
            '\t',
            '\n',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{206f}',
            '\u{feff}',
            '\u{fffb}',
            '\u{1343f}',
            '\u{1d17a}',
            '\u{e0001}',
            '\u{e007f}',
        ];
        for character in hidden {
            assert!(!is_shown(character), "{character:?}");
        }
    }

    // R-K21
    #[test]
    fn text_of_any_script_is_shown() {
        let shown = "aZ09 ~\u{a0}éß\u{301}Жאبไ日本語한\u{2010}\u{202f}€😀\u{fe0f}\u{10ffff}";
        for character in shown.chars() {
            assert!(is_shown(character), "{character:?}");
        }
    }

    #[test]
    fn ranges_ascend_and_do_not_meet() {
        assert!(UNSEEN.iter().all(|(first, last)| first <= last));
        assert!(UNSEEN.is_sorted_by(|(_, last), (next, _)| last < next));
    }
}
