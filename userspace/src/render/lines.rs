//! Lines of text: wrapped, coloured, and free of what could move a terminal.

use std::borrow::Cow;

/// Columns of a line, where no terminal says otherwise.
pub(super) const WIDTH: usize = 80;

/// The same of several lines, which stay lines.
pub(crate) fn harmless_lines(text: &str) -> String {
    text.split('\n').map(harmless).collect::<Vec<_>>().join("\n")
}

/// Makes a string that somebody else chose safe to print: control characters and those that change the
/// direction of writing come out as `\u{1b}`.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().fold(String::with_capacity(text.len() + 8), |mut escaped, character| {
        if is_dangerous(character) {
            escaped.extend(character.escape_unicode());
        } else {
            escaped.push(character);
        }
        escaped
    });
    Cow::Owned(escaped)
}

/// Whether a character does something to a terminal besides appearing.
pub(crate) fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Wraps text between words; the first line begins with `head`, the others are indented as far.
pub(crate) fn wrap(head: &str, text: &str) -> String {
    wrap_to(WIDTH, head, text)
}

/// The same onto lines of `width` columns. On narrow ones a long head does not indent what follows as far.
pub(super) fn wrap_to(width: usize, head: &str, text: &str) -> String {
    let mut column = head.chars().count();
    let indent = if width < 60 { column.min(width / 5) } else { column };
    let mut wrapped = head.to_owned();
    let mut begun = false;
    for word in text.split_ascii_whitespace() {
        let length = word.chars().count();
        let space = usize::from(begun);
        if column > indent && column + space + length > width {
            wrapped.truncate(wrapped.trim_end_matches(' ').len());
            wrapped.push('\n');
            wrapped.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if begun {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
        begun = true;
    }
    wrapped.push('\n');
    wrapped
}

/// How a piece of text stands out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Emphasis {
    /// Something is wrong.
    Bad,
    /// Something is undecided.
    Doubtful,
    /// All is well.
    Good,
    /// A heading.
    Heading,
}

/// Sets text off with colour, if there is to be any.
pub(crate) fn emphasize(text: &str, emphasis: Emphasis, color: bool) -> Cow<'_, str> {
    if !color {
        return Cow::Borrowed(text);
    }
    let code = match emphasis {
        Emphasis::Bad => "1;31",
        Emphasis::Doubtful => "1;33",
        Emphasis::Good => "32",
        Emphasis::Heading => "1",
    };
    Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
}

#[cfg(test)]
mod tests {
    use super::{harmless, wrap, wrap_to};

    #[test]
    fn names_cannot_move_the_terminal() {
        let cases = [
            ("dhclient", "dhclient"),
            ("Ünïcode 日本", "Ünïcode 日本"),
            ("a\x1b[2Jb", "a\\u{1b}[2Jb"),
            ("a\nb", "a\\u{a}b"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("\u{202e}txt", "\\u{202e}txt"),
        ];
        for (name, expected) in cases {
            assert_eq!(harmless(name), expected);
        }
    }

    #[test]
    fn lines_are_wrapped_and_indented() {
        let text = "word ".repeat(30);
        let wrapped = wrap("  why  ", &text);
        assert!(wrapped.lines().all(|line| line.chars().count() <= 80), "{wrapped}");
        assert!(wrapped.lines().skip(1).all(|line| line.starts_with("       word")), "{wrapped}");
        assert_eq!(wrap("a ", "b"), "a b\n");
        let long = "x".repeat(100);
        assert_eq!(wrap("a ", &long), format!("a {long}\n"), "a long word is not broken");
        let narrow = wrap_to(40, "  may not be enough alone: ", "at once, without a restart: mute it");
        assert_eq!(narrow, "  may not be enough alone: at once,\n        without a restart: mute it\n");
    }
}
