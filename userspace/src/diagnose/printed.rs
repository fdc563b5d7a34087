//! Kernel stacks as other tools print them: bpftrace (also its maps), perf script, ftrace, trace-cmd, retis, the kernel's log,
//! folded stacks, and functions joined by `<`, as zcdiag does.

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
    /// A function.
    Frame(&'a str),
    /// Nothing of a stack, in the middle of one: a function without a name, a place in the source, a marker.
    Noise,
    /// A whole stack.
    Stack(Vec<&'a str>, Option<u64>),
    /// The function that was interrupted: the stack that comes then lacks it.
    Interrupted(&'a str),
    /// Between the parts of an entry of a map.
    Comma,
    /// The end of an entry of a map, with how often it was seen.
    Count(u64),
    /// Something else: here one stack ends, and another may begin.
    Other,
}

/// Frames that are kept of a stack. The kernel's own limit is 127 (`kernel.perf_event_max_stack`).
const MOST_FRAMES: usize = 512;

#[derive(Default)]
struct Reader<'a> {
    found: Vec<Printed>,
    current: Vec<&'a str>,
    /// Parts of an entry of a map that is not complete.
    entry: Vec<Vec<&'a str>>,
    interrupted: Option<&'a str>,
}

impl<'a> Reader<'a> {
    fn take_in(&mut self, line: Line<'a>) {
        match line {
            Line::Frame(frame) => {
                if self.current.is_empty()
                    && let Some(first) = self.interrupted.take().filter(|first| *first != frame)
                {
                    self.current.push(first);
                }
                if self.current.len() < MOST_FRAMES {
                    self.current.push(frame);
                }
            }
            Line::Noise => {}
            Line::Interrupted(frame) => self.interrupted = Some(frame),
            Line::Stack(mut frames, count) => {
                self.end(None);
                frames.truncate(MOST_FRAMES);
                self.current = frames;
                self.end(count);
            }
            Line::Comma => self.entry.push(std::mem::take(&mut self.current)),
            Line::Count(count) => self.end(Some(count)),
            Line::Other => self.end(None),
        }
    }

    fn end(&mut self, count: Option<u64>) {
        self.entry.push(std::mem::take(&mut self.current));
        for frames in self.entry.drain(..).filter(|frames| !frames.is_empty()) {
            self.found.push(Printed { frames: frames.into_iter().map(str::to_owned).collect(), count });
        }
    }
}

/// The stacks in a text, in their order.
pub fn stacks(text: &str) -> Vec<Printed> {
    let mut reader = Reader::default();
    for line in text.trim_start_matches('\u{feff}').lines() {
        reader.take_in(kind(line));
    }
    reader.end(None);
    reader.found
}

fn kind(line: &str) -> Line<'_> {
    // As it is quoted in mail, and as the journal has it.
    let line = line.trim_start_matches(['>', ' ', '\t']).trim_end();
    let line = line.split_once(" kernel: ").map_or(line, |(_, message)| message.trim());
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
    if line.starts_with(',') {
        return Line::Comma;
    }
    if line.contains(';') {
        return folded(line);
    }
    let line = after_time(line);
    if let Some(at) = line.strip_prefix("RIP:").or(line.strip_prefix("pc :")) {
        let function = at.trim().rsplit(':').next().and_then(|word| name(word.split_whitespace().next()?));
        return function.map_or(Line::Noise, Line::Interrupted);
    }
    let is_quiet = line.starts_with('<') || line.ends_with("race:");
    for arrow in ["<-", "<"] {
        if !is_quiet && line.contains(arrow) && !line.contains("[<") {
            let frames: Option<Vec<&str>> = line.split(arrow).map(|frame| name(frame.trim())).collect();
            return frames.map_or(Line::Other, |frames| Line::Stack(frames, None));
        }
    }
    if is_quiet && !line.is_empty() { Line::Noise } else { frame(line) }
}

/// `comm;outermost;..;innermost 42`
fn folded(line: &str) -> Line<'_> {
    let (mut stack, mut count) = (line.trim_end(), None);
    while let Some((rest, word)) = stack.rsplit_once(char::is_whitespace) {
        if !word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit()) {
            break;
        }
        let digits = word.chars().all(|c| c.is_ascii_digit());
        count = if digits { Some(word.parse().unwrap_or(u64::MAX)) } else { None };
        stack = rest.trim_end();
    }
    let frames: Vec<&str> = stack.rsplit(';').filter_map(|frame| name(frame.trim())).collect();
    Line::Stack(frames, count)
}

/// `ffffffff81a3 skb_copy_ubufs+0x42/0x3a0 [kernel.kallsyms] net/core/skbuff.c:1700` and the like.
fn frame(line: &str) -> Line<'_> {
    let mut words = line.trim_end_matches(',').split_whitespace().skip_while(|word| is_lead(word)).peekable();
    let Some(word) = words.next() else {
        return if line.is_empty() { Line::Other } else { Line::Noise };
    };
    // What the unwinder of the kernel's log only guesses at, and places in the source.
    if word == "?" || word == "[unknown]" || is_source(word) {
        return Line::Noise;
    }
    // As `perf report` draws its trees.
    let word = word.rsplit("--").next().unwrap_or(word).trim_start_matches(['-', '|']);
    let rest: Vec<&str> = words.collect();
    // What the compiler has made part of its caller has no symbol, and the rules go by symbols.
    if rest.iter().any(|word| word.contains("inline")) {
        return Line::Noise;
    }
    let is_about =
        |word: &&str| word.starts_with(['[', '(']) || word.ends_with([']', ')']) || is_source(word);
    match name(word) {
        // What a tracer puts on the stack itself.
        Some(name) if name.starts_with("ftrace_") => Line::Noise,
        Some(name) if rest.iter().all(is_about) => Line::Frame(name),
        _ => Line::Other,
    }
}

/// `net/core/skbuff.c:1700`
fn is_source(word: &str) -> bool {
    word.split_once(':').is_some_and(|(file, line)| {
        file.contains('.') && line.starts_with(|c: char| c.is_ascii_digit()) && !file.contains('+')
    })
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
    ["=>", "->", "at"].contains(&word)
        || word.chars().all(|c| matches!(c, '|' | '-'))
        || !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
        || is_address(word)
}

fn is_address(word: &str) -> bool {
    let digits = word.trim_matches(['[', ']', '<', '>', ':', '(', ')']);
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let is_long = digits.len() >= 8 || word.starts_with("[<");
    is_long && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit())
}

/// The name of a function, if it is one.
fn name(word: &str) -> Option<&str> {
    let name = word.split('+').next()?;
    let name = name.strip_suffix("()").unwrap_or(name);
    // As in flame graphs.
    let name = name.strip_suffix("_[k]").unwrap_or(name);
    let first = name.chars().next()?;
    let is_name = (first.is_ascii_alphabetic() || first == '_')
        && !name.ends_with('.')
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
    fn what_stands_beside_the_functions_is_passed_over() {
        for text in [
            "RIP: 0010:skb_copy_ubufs+0x217/0x3a0\nCode: 48 8b\nCall Trace:\n <IRQ>\n dev_queue_xmit_nit+0x1/0x2\n \
             dev_hard_start_xmit+0x1/0x2\n </IRQ>\n",
            "  skb_copy_ubufs+0x96/0xe0 net/core/skbuff.c:1700\n  dev_queue_xmit_nit+0x1/0x2 net/core/dev.c:2300\n  \
             dev_hard_start_xmit+0x1/0x2\n",
            "\tffffffff81a2b3c1 skb_copy_ubufs+0x1 ([kernel.kallsyms])\n  skbuff.c:1700\n\tffffffff81a2b3c2 \
             deliver_skb (inlined)\n\tffffffff81a2b3c3 dev_queue_xmit_nit+0x1 ([kernel.kallsyms])\n  dev.c:2300\n\t\
             ffffffff81a2b3c4 dev_hard_start_xmit+0x1 ([kernel.kallsyms])\n",
            "   100.00%  python3  [kernel.kallsyms]  [k] skb_copy_ubufs\n            |\n            ---skb_copy_ubufs\n            \
             |--60.00%--dev_queue_xmit_nit\n                      dev_hard_start_xmit\n",
            "skb_copy_ubufs<dev_queue_xmit_nit<dev_hard_start_xmit",
            "[<0>] skb_copy_ubufs+0x1/0x20\n[<0>] dev_queue_xmit_nit+0x1/0x2\n[<0>] dev_hard_start_xmit+0x1/0x2\n",
            "Nov 30 10:00:00 host kernel:  skb_copy_ubufs+0x1/0x2\nNov 30 10:00:00 host kernel:  \
             dev_queue_xmit_nit+0x1/0x2\nNov 30 10:00:00 host kernel:  dev_hard_start_xmit+0x1/0x2\n",
            "> skb_copy_ubufs+0x1\n> dev_queue_xmit_nit+0x1\n> dev_hard_start_xmit+0x1\n",
            "\u{feff}skb_copy_ubufs+1\nftrace_trampoline+10\ndev_queue_xmit_nit+1\ndev_hard_start_xmit+1\n",
        ] {
            reads(text, &[(&TAP, None)]);
        }
    }

    #[test]
    fn a_user_stack_in_an_entry_leaves_the_count_to_the_kernels() {
        reads(
            "@[\n    skb_copy_ubufs+1\n    dev_queue_xmit_nit+400\n    dev_hard_start_xmit+100\n, \n    \
             __libc_sendmsg+20\n    main+5\n, python3]: 7\n",
            &[(&TAP, Some(7)), (&["__libc_sendmsg", "main"], Some(7))],
        );
    }

    #[test]
    fn counts_that_are_none_leave_the_stack_whole() {
        let tap = "dev_hard_start_xmit;dev_queue_xmit_nit;skb_copy_ubufs";
        for (count, expected) in
            [("99999999999999999999999999", Some(u64::MAX)), ("-5", None), ("5.5", None), ("5 7", Some(5))]
        {
            reads(&format!("{tap} {count}"), &[(&TAP, expected)]);
        }
    }

    #[test]
    fn a_stack_has_an_end() {
        let found = stacks(&"skb_copy_ubufs+1\n".repeat(100_000));
        assert_eq!(found.iter().map(|stack| stack.frames.len()).collect::<Vec<_>>(), [MOST_FRAMES]);
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
