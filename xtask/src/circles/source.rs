//! A Rust file as far as its imports go: what it defines, what it imports, and which paths it names. Tests are left out.

/// What a file, or an inline module of one, says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    /// Items at its top level.
    pub(super) items: Vec<String>,
    /// Modules that have files of their own.
    pub(super) children: Vec<String>,
    /// Inline modules.
    pub(super) inline: Vec<(String, Source)>,
    pub(super) uses: Vec<Use>,
    /// Paths of several words outside of imports.
    pub(super) paths: Vec<Vec<String>>,
}

/// One name that a `use` brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Use {
    pub(super) path: Vec<String>,
    /// What it is called from then on; `None` where it is everything that the path has.
    pub(super) name: Option<String>,
}

/// Words that an item's name stands behind.
const ITEMS: [&str; 8] = ["fn", "struct", "enum", "union", "const", "static", "type", "trait"];

pub(super) fn parse(text: &str) -> Source {
    Parser { tokens: &tokens(text), at: 0 }.module()
}

/// Words and single signs, without comments, literals and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    let mut tokens = Vec::new();
    let mut index = 0;
    while index < chars.len() {
        let end = match (at(index), at(index + 1)) {
            ('/', '/') => (index..chars.len()).find(|&end| at(end) == '\n').unwrap_or(chars.len()),
            ('/', '*') => (index + 2..chars.len())
                .find(|&end| (at(end), at(end + 1)) == ('*', '/'))
                .map_or(chars.len(), |end| end + 2),
            ('"', _) => end_of_string(&chars, index),
            ('\'', '\\') => {
                (index + 3..chars.len()).find(|&end| at(end) == '\'').map_or(chars.len(), |end| end + 1)
            }
            ('\'', _) if at(index + 2) == '\'' => index + 3,
            ('\'', _) => index + 1 + chars[index + 1..].iter().take_while(|char| is_word(**char)).count(),
            (first, _) if is_word(first) => {
                let end = index + chars[index..].iter().take_while(|char| is_word(**char)).count();
                let word: String = chars[index..end].iter().collect();
                match (word.as_str(), at(end)) {
                    ("b" | "c", '"') => end_of_string(&chars, end),
                    ("b", '\'') => end,
                    ("r" | "br" | "cr", '"' | '#')
                        if at(end + chars[end..].iter().take_while(|char| **char == '#').count()) == '"' =>
                    {
                        end_of_raw(&chars, end)
                    }
                    _ => {
                        tokens.push(word);
                        end
                    }
                }
            }
            (':', ':') => {
                tokens.push("::".into());
                index + 2
            }
            (first, _) => {
                tokens.extend((!first.is_whitespace()).then(|| first.to_string()));
                index + 1
            }
        };
        index = end;
    }
    tokens
}

fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut index = start + 1;
    while index < chars.len() && chars[index] != '"' {
        index += if chars[index] == '\\' { 2 } else { 1 };
    }
    index + 1
}

fn end_of_raw(chars: &[char], start: usize) -> usize {
    let hashes = chars[start..].iter().take_while(|char| **char == '#').count();
    let closes = |index: &usize| {
        chars[*index] == '"' && chars[index + 1..].iter().take_while(|char| **char == '#').count() >= hashes
    };
    (start + hashes + 1..chars.len()).find(closes).map_or(chars.len(), |index| index + 1 + hashes)
}

struct Parser<'text> {
    tokens: &'text [String],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned().unwrap_or_default()
    }

    /// Up to the end of the text, or of the braces that were open.
    fn module(&mut self) -> Source {
        let mut source = Source::default();
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.peek(0) {
                "#" if self.is_for_tests() => {
                    self.skip_attribute();
                    self.skip_item();
                }
                "{" => {
                    depth += 1;
                    self.at += 1;
                }
                "}" if depth == 0 => {
                    self.at += 1;
                    return source;
                }
                "}" => {
                    depth -= 1;
                    self.at += 1;
                }
                "use" => {
                    self.at += 1;
                    self.tree(&[], &mut source.uses);
                }
                "mod" if depth == 0 && is_name(self.peek(1)) => {
                    self.at += 1;
                    let name = self.next();
                    match self.next().as_str() {
                        "{" => source.inline.push((name, self.module())),
                        _ => source.children.push(name),
                    }
                }
                "macro_rules" if self.peek(1) == "!" => {
                    source.items.push(self.peek(2).to_owned());
                    self.at += 3;
                }
                word if ITEMS.contains(&word) && depth == 0 && is_name(self.peek(1)) => {
                    let name = self.peek(1).to_owned();
                    self.at += 1;
                    // `const fn` and the like: the name stands behind the next word.
                    if !ITEMS.contains(&name.as_str())
                        && !["unsafe", "extern", "async", "mut"].contains(&name.as_str())
                    {
                        source.items.push(name);
                        self.at += 1;
                    }
                }
                word if is_name(word) => source.paths.extend(self.path()),
                _ => self.at += 1,
            }
        }
        source
    }

    /// The words of a path; nothing if it is one word.
    fn path(&mut self) -> Option<Vec<String>> {
        let mut path = vec![self.next()];
        while self.peek(0) == "::" && is_name(self.peek(1)) {
            self.at += 1;
            path.push(self.next());
        }
        (path.len() > 1).then_some(path)
    }

    /// One branch of a `use`, behind `before`.
    fn tree(&mut self, before: &[String], uses: &mut Vec<Use>) {
        let mut path = before.to_vec();
        loop {
            match self.next().as_str() {
                "{" => {
                    while !matches!(self.peek(0), "}" | "") {
                        self.tree(&path, uses);
                        if self.peek(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => return uses.push(Use { path, name: None }),
                // `a::{self}` is `a`.
                "self" if !path.is_empty() => {}
                word => path.push(word.to_owned()),
            }
            if self.peek(0) != "::" {
                break;
            }
            self.at += 1;
        }
        let mut name = path.last().cloned();
        if self.peek(0) == "as" {
            self.at += 1;
            name = Some(self.next());
        }
        uses.push(Use { path, name: Some(name.unwrap_or_default()) });
    }

    /// Whether an attribute says that what follows is compiled for tests only.
    fn is_for_tests(&self) -> bool {
        self.tokens[self.at..].iter().take(7).map(String::as_str).eq(["#", "[", "cfg", "(", "test", ")", "]"])
    }

    fn skip_attribute(&mut self) {
        self.at += 7;
    }

    /// Up to the end of an item: its last brace, or a semicolon outside of brackets.
    fn skip_item(&mut self) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.next().as_str() {
                "{" | "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                "}" => {
                    depth -= 1;
                    // A `use` goes on behind its braces, to the semicolon.
                    if depth == 0 && self.peek(0) != ";" {
                        return;
                    }
                }
                ";" if depth == 0 => return,
                _ => {}
            }
        }
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

#[test]
fn a_file_is_read_as_far_as_its_imports_go() {
    let text = r##"
        //! use super::comment;
        mod child;
        pub(crate) mod inner { pub(crate) use super::Deep; }
        use std::{fs, io::{self, Read as _}};
        pub(crate) use self::child::{Kind as Sort, other::*};
        /* super::comment::too */
        pub(super) const fn made<'a>(of: &'a str) -> char { '"' }
        #[cfg(test)]
        use super::{left, out};
        #[derive(Debug)]
        struct Data { field: super::parent::Type }
        fn body() { const INNER: &str = r#"super::text::inside"#; b'x'; ensure!(crate::far::away("super::a::b") > 0); }
        #[cfg(test)]
        mod tests { use super::*; fn test() {} }
        enum Last { A }
    "##;
    let source = parse(text);
    assert_eq!(source.items, ["made", "Data", "body", "Last"]);
    assert_eq!(source.children, ["child"]);
    let uses: Vec<_> = source
        .uses
        .iter()
        .map(|one| format!("{} {}", one.path.join("::"), one.name.as_deref().unwrap_or("*")))
        .collect();
    assert_eq!(
        uses,
        ["std::fs fs", "std::io io", "std::io::Read _", "self::child::Kind Sort", "self::child::other *"]
    );
    let paths: Vec<_> = source.paths.iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["super::parent::Type", "crate::far::away"]);
    assert_eq!(source.inline[0].1.uses[0].path, ["super", "Deep"]);
}
