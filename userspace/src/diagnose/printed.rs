//! Kernel stacks as other tools print them: bpftrace (also its maps), perf script, ftrace, trace-cmd, retis, the kernel's log,
//! folded stacks, and functions joined by `<`, as zcdiag does.

use std::iter;

/// A stack, innermost function first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// Names of the functions, without offsets and modules.
    pub frames: Vec<String>,
    /// How often it was seen, if that stands with it.
    pub count: Option<u64>,
}

/// What a line is.
enum Line<'a> {
    /// A function, or several, innermost first.
    Frames(Vec<&'a str>),
    /// A function whose name is not known, or one that the kernel only found on the stack by chance.
    Noise,
    /// A whole stack.
    Stack(Vec<&'a str>, Option<u64>),
    /// The end of an entry of a map, with how often it was seen.
    Count(u64),
    /// Something else: here one stack ends, and another may begin.
    Other,
}

/// The stacks in a text, in their order.
pub fn stacks(text: &str) -> Vec<Printed> {
    let mut found = Vec::new();
    let mut current = Printed::default();
    let mut end = |current: &mut Printed| {
        let ended = std::mem::take(current);
        if !ended.frames.is_empty() {
            found.push(ended);
        }
    };
    for line in text.lines() {
        match kind(line.trim()) {
            Line::Frames(frames) => current.frames.extend(frames.into_iter().map(str::to_owned)),
            Line::Noise => {}
            Line::Stack(frames, count) => {
                end(&mut current);
                current = Printed { frames: frames.into_iter().map(str::to_owned).collect(), count };
                end(&mut current);
            }
            Line::Count(count) => {
                current.count = Some(count);
                end(&mut current);
            }
            Line::Other => end(&mut current),
        }
    }
    end(&mut current);
    found
}

fn kind(line: &str) -> Line<'_> {
    // An entry of a bpftrace map, `@name[`, may have its first function on the same line.
    if let Some((_, first)) = line.strip_prefix('@').and_then(|entry| entry.split_once('[')) {
        return match first.rsplit_once("]:") {
            Some((_, count)) => count.trim().parse().map_or(Line::Other, Line::Count),
            None if first.is_empty() => Line::Other,
            None => frame(first),
        };
    }
    if let Some((_, count)) = line.rsplit_once("]:")
        && let Ok(count) = count.trim().parse()
    {
        return Line::Count(count);
    }
    if line.contains(';') {
        return folded(line);
    }
    for arrow in [" < ", " <- "] {
        if line.contains(arrow) {
            let frames: Option<Vec<&str>> = line.split(arrow).map(|frame| name(frame.trim())).collect();
            return frames.map_or(Line::Other, |frames| Line::Stack(frames, None));
        }
    }
    frame(line)
}

/// `comm;outermost;..;innermost 42`
fn folded(line: &str) -> Line<'_> {
    let (stack, count) = match line.rsplit_once(char::is_whitespace) {
        Some((stack, count)) if count.parse::<u64>().is_ok() => (stack, count.parse().ok()),
        _ => (line, None),
    };
    let frames: Vec<&str> = stack.trim().rsplit(';').filter_map(|frame| name(frame.trim())).collect();
    Line::Stack(frames, count)
}

/// `ffffffff81a3 skb_copy_ubufs+0x42/0x3a0 [kernel.kallsyms]` and the like.
fn frame(line: &str) -> Line<'_> {
    let line = after_time(line).trim_end_matches(',');
    let mut words = line.split_whitespace().skip_while(|word| is_lead(word)).peekable();
    let Some(word) = words.next() else {
        return if line.is_empty() { Line::Other } else { Line::Noise };
    };
    // What the unwinder of the kernel's log only guesses at.
    if word == "?" {
        return Line::Noise;
    }
    let in_brackets = |word: &str| word.starts_with(['[', '(']) || word.ends_with([']', ')']);
    match name(word) {
        Some(name) if words.all(in_brackets) => Line::Frames(iter::once(name).collect()),
        _ if word == "[unknown]" => Line::Noise,
        _ => Line::Other,
    }
}

/// Without the time that the kernel's log begins lines with.
fn after_time(line: &str) -> &str {
    let is_time = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ' ');
    match line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((time, rest)) if !time.is_empty() && is_time(time) => rest.trim_start(),
        _ => line,
    }
}

/// What may stand before a function: its number, an arrow, its address.
fn is_lead(word: &str) -> bool {
    let number = word.trim_start_matches('#').trim_end_matches(['.', ':', ')']);
    ["=>", "->", "|", "-", "--", "at"].contains(&word)
        || !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
        || is_address(word)
}

fn is_address(word: &str) -> bool {
    let digits = word.trim_matches(['[', ']', '<', '>', ':', '(', ')']);
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    digits.len() >= 8 && digits.chars().all(|c| c.is_ascii_hexdigit())
}

/// The name of a function, if it is one.
fn name(word: &str) -> Option<&str> {
    let name = word.split('+').next()?;
    let name = name.strip_suffix("()").unwrap_or(name);
    // As in flame graphs.
    let name = name.strip_suffix("_[k]").unwrap_or(name);
    let first = name.chars().next()?;
    let is_name = (first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$'));
    (is_name && !is_address(name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAP: [&str; 3] = ["skb_copy_ubufs", "dev_queue_xmit_nit", "dev_hard_start_xmit"];

    #[track_caller]
    fn reads(text: &str, expected: &[(&[&str], Option<u64>)]) {
        let found = stacks(text);
        let found: Vec<(Vec<&str>, Option<u64>)> = found
            .iter()
            .map(|stack| (stack.frames.iter().map(String::as_str).collect(), stack.count))
            .collect();
        let expected: Vec<(Vec<&str>, Option<u64>)> =
            expected.iter().map(|(frames, count)| (frames.to_vec(), *count)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn stacks_of_bpftrace() {
        reads(
            "Attaching 1 probe...\n\n        skb_copy_ubufs+5\n        dev_queue_xmit_nit+654\n        \
             dev_hard_start_xmit+132\n\n",
            &[(&TAP, None)],
        );
        reads(
            "@[\n    skb_copy_ubufs+1\n    dev_queue_xmit_nit+654\n    dev_hard_start_xmit+132\n]: 37\n@[\n    \
             skb_copy_ubufs+1\n    tun_net_xmit+99\n, nginx, 812]: 4\n",
            &[(&TAP, Some(37)), (&["skb_copy_ubufs", "tun_net_xmit"], Some(4))],
        );
        reads(
            "@copies[812, nginx,\n    skb_copy_ubufs+1\n    dev_queue_xmit_nit+654\n    dev_hard_start_xmit+132\n]: 2",
            &[(&TAP, Some(2))],
        );
    }

    #[test]
    fn stacks_of_perf_ftrace_and_the_kernels_log() {
        reads(
            "zq  1234 [000]  12.345678: probe:skb_copy_ubufs: (ffffffff81a2b3c0)\n\
             \tffffffff81a2b3c1 skb_copy_ubufs+0x1 ([kernel.kallsyms])\n\
             \tffffffff81a5c1de dev_queue_xmit_nit+0x28e ([kernel.kallsyms])\n\
             \tffffffff81a5c2f0 dev_hard_start_xmit+0x84 ([kernel.kallsyms])\n\n",
            &[(&TAP, None)],
        );
        reads(
            " zq-123 [000] ..... 12.3: <stack trace>\n => skb_copy_ubufs\n => dev_queue_xmit_nit\n => dev_hard_start_xmit\n",
            &[(&TAP, None)],
        );
        reads(
            "[   12.345678] Call Trace:\n[   12.345679]  <TASK>\n[   12.345680]  skb_copy_ubufs+0x42/0x3a0\n\
             [   12.345681]  ? __pfx_packet_rcv+0x10/0x10\n[   12.345682]  dev_queue_xmit_nit+0x28e/0x2d0\n\
             [   12.345683]  dev_hard_start_xmit+0x84/0x1f0 [veth]\n",
            &[(&TAP, None)],
        );
    }

    #[test]
    fn folded_stacks_and_those_on_one_line() {
        reads(
            "nginx;entry_SYSCALL_64;dev_hard_start_xmit_[k];dev_queue_xmit_nit_[k];skb_copy_ubufs_[k] 12\n",
            &[(
                &["skb_copy_ubufs", "dev_queue_xmit_nit", "dev_hard_start_xmit", "entry_SYSCALL_64", "nginx"],
                Some(12),
            )],
        );
        reads("skb_copy_ubufs < dev_queue_xmit_nit < dev_hard_start_xmit", &[(&TAP, None)]);
    }

    #[test]
    fn what_is_no_stack_is_none() {
        for text in
            ["", "\n\n", "this is prose, and no stack", "0xffffffff81a2b3c1\n", "a; b c", "]: x", "@["]
        {
            let found = stacks(text);
            assert!(found.iter().all(|stack| stack.frames.len() < 3), "{text}: {found:?}");
        }
    }
}
