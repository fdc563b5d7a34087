//! How many of something, in words.

/// `1 send`, `2 sends`, `2 processes`.
pub fn plural(count: u64, one: &str) -> String {
    let ending = match one.ends_with('s') || one.ends_with('x') || one.ends_with("sh") || one.ends_with("ch")
    {
        _ if count == 1 => "",
        true => "es",
        false => "s",
    };
    format!("{count} {one}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_many() {
        let cases = [
            (1, "send", "1 send"),
            (0, "send", "0 sends"),
            (1, "flush", "1 flush"),
            (2, "process", "2 processes"),
        ];
        for (count, one, said) in cases {
            assert_eq!(plural(count, one), said);
        }
    }
}
