//! Names of kernel addresses, from `/proc/kallsyms` and `/proc/modules`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    ops::Range,
    path::Path,
};

/// The kernel's symbol table: some 100,000 functions, so their names lie in one piece.
#[derive(Debug, Default)]
pub struct Symbols {
    /// By address.
    functions: Vec<Function>,
    names: String,
    /// Text of the kernel and of its modules. The table has no sizes, so this tells a function from what lies
    /// behind the last one: programs that BPF has compiled and unloaded again.
    texts: Vec<Range<u64>>,
}

#[derive(Debug)]
struct Function {
    address: u64,
    /// Where its name begins, and how long that is.
    name: u32,
    length: u16,
    /// Written by the kernel itself: BPF programs and trampolines.
    generated: bool,
}

impl Symbols {
    /// Reads files in the formats of `/proc/kallsyms` and `/proc/modules`. Without `CAP_SYSLOG` all addresses there
    /// are zero; then the table is empty. Where there are no modules there need be no file of them.
    ///
    /// # Errors
    /// If the symbols cannot be read.
    pub fn read(kallsyms: &Path, modules: &Path) -> io::Result<Self> {
        let modules = std::fs::read_to_string(modules).unwrap_or_default();
        Self::parse(BufReader::new(File::open(kallsyms)?), &modules)
    }

    /// Whether a file in the format of `/proc/kallsyms` shows no function's address, or cannot be read. Stops at the
    /// first that it shows; per-CPU variables before it do lie at zero.
    pub fn hidden(path: &Path) -> bool {
        let lines = File::open(path).into_iter().flat_map(|file| BufReader::new(file).lines());
        lines.map_while(Result::ok).all(|line| !Symbol::parse(&line).is_some_and(|symbol| symbol.function))
    }

    /// Keeps the functions; modules' names in brackets are dropped.
    fn parse(mut kallsyms: impl BufRead, modules: &str) -> io::Result<Self> {
        let mut symbols = Self::default();
        let (mut begin, mut end) = (None, None);
        let mut line = String::new();
        while kallsyms.read_line(&mut line)? > 0 {
            if let Some(symbol) = Symbol::parse(&line) {
                // On arm64 the end counts as data.
                match symbol.name {
                    "_stext" => begin = Some(symbol.address),
                    "_etext" => end = Some(symbol.address),
                    _ => (),
                }
                if symbol.function {
                    symbols.push(&symbol);
                }
            }
            line.clear();
        }
        // Stable: of several names for one address the last one counts.
        symbols.functions.sort_by_key(|function| function.address);
        symbols.functions.shrink_to_fit();
        symbols.names.shrink_to_fit();
        // Unless all texts are told, nothing can be said of what lies outside of some.
        if let Some((begin, end)) = begin.zip(end).filter(|_| !modules.is_empty()) {
            symbols.texts =
                modules.lines().filter_map(text_of_module).chain(std::iter::once(begin..end)).collect();
        }
        Ok(symbols)
    }

    fn push(&mut self, &Symbol { address, name, generated, .. }: &Symbol<'_>) {
        // Neither is ever so long.
        let (Ok(begin), Ok(length)) = (u32::try_from(self.names.len()), u16::try_from(name.len())) else {
            return;
        };
        self.names.push_str(name);
        self.functions.push(Function { address, name: begin, length, generated });
    }

    fn name_of(&self, function: &Function) -> &str {
        let begin = function.name as usize;
        &self.names[begin..begin + usize::from(function.length)]
    }

    /// Whether the kernel shows no addresses.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// The function an address lies in; the bare address where no name is known.
    pub fn name(&self, address: u64) -> String {
        let behind = self.functions.partition_point(|function| function.address <= address);
        match behind.checked_sub(1).map(|last| &self.functions[last]) {
            Some(function) if function.generated || self.same_text(function.address, address) => {
                self.name_of(function).to_owned()
            }
            _ => format!("{address:#x}"),
        }
    }

    /// Whether no end of a text lies between two addresses, as far as is known.
    fn same_text(&self, start: u64, address: u64) -> bool {
        self.texts.is_empty()
            || self.texts.iter().any(|text| text.contains(&start) && text.contains(&address))
    }

    /// Whether there is a function of exactly this name.
    pub fn has(&self, function: &str) -> bool {
        self.functions.iter().any(|found| self.name_of(found) == function)
    }
}

/// A line of `/proc/kallsyms`.
struct Symbol<'a> {
    address: u64,
    name: &'a str,
    function: bool,
    /// As [`Function::generated`].
    generated: bool,
}

impl<'a> Symbol<'a> {
    /// Reads a line; none whose address is hidden, or zero as that of per-CPU variables is.
    fn parse(line: &'a str) -> Option<Self> {
        let mut parts = line.split_ascii_whitespace();
        let (address, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
        let address = u64::from_str_radix(address, 16).ok().filter(|address| *address != 0)?;
        let function = matches!(kind, "t" | "T" | "w" | "W");
        let generated =
            parts.next().is_some_and(|module| module == "[bpf]" || module.starts_with("[__builtin"));
        Some(Self { address, name, function, generated })
    }
}

/// A line of `/proc/modules`: name, size, users, who they are, state, address. The size may be that of the data
/// as well, so that the text ends somewhere before.
fn text_of_module(line: &str) -> Option<Range<u64>> {
    let mut parts = line.split_ascii_whitespace();
    let size: u64 = parts.nth(1)?.parse().ok()?;
    let start = u64::from_str_radix(parts.nth(3)?.strip_prefix("0x")?, 16).ok()?;
    (start != 0).then_some(start..start + size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KALLSYMS: &str = "\
ffffffff81000000 T _text
ffffffff81000100 t __netif_receive_skb_core.constprop.0
ffffffff81000200 D some_data
ffffffffc0000000 t tun_net_xmit\t[tun]
ffffffffc0009000 t bpf_prog_6deef7357e7b4530\t[bpf]
";

    fn parse(kallsyms: &str, modules: &str) -> Symbols {
        Symbols::parse(kallsyms.as_bytes(), modules).expect("read from memory")
    }

    #[test]
    fn an_address_within_a_function_has_its_name() {
        let symbols = parse(KALLSYMS, "");
        assert_eq!(symbols.name(0xffff_ffff_8100_0142), "__netif_receive_skb_core.constprop.0");
        assert_eq!(symbols.name(0xffff_ffff_c000_0001), "tun_net_xmit");
        assert_eq!(symbols.name(0x10), "0x10");
        assert!(symbols.has("tun_net_xmit") && !symbols.has("some_data"));
    }

    #[test]
    fn what_lies_behind_a_text_has_no_name() {
        let kallsyms = format!("ffffffff81000000 T _stext\nffffffff81000300 T _etext\n{KALLSYMS}");
        let modules = "tun 8192 0 - Live 0xffffffffc0000000\nhidden 4096 0 - Live 0x0000000000000000 (OE)\n";
        let symbols = parse(&kallsyms, modules);
        for (address, name) in [
            (0xffff_ffff_8100_0142, "__netif_receive_skb_core.constprop.0"),
            (0xffff_ffff_8100_0342, "0xffffffff81000342"),
            (0xffff_ffff_c000_1fff, "tun_net_xmit"),
            (0xffff_ffff_c000_2000, "0xffffffffc0002000"),
            (0xffff_ffff_c000_9042, "bpf_prog_6deef7357e7b4530"),
        ] {
            assert_eq!(symbols.name(address), name);
        }
    }

    #[test]
    fn functions_of_the_kernel_have_names_wherever_its_end_is_told() {
        let modules = "tun 8192 0 - Live 0xffffffffc0000000\n";
        for end in ["ffffffff81000300 D _etext\n", ""] {
            let symbols = parse(&format!("ffffffff81000000 T _stext\n{end}{KALLSYMS}"), modules);
            let name = symbols.name(0xffff_ffff_8100_0142);
            assert_eq!(name, "__netif_receive_skb_core.constprop.0", "{end:?}");
        }
    }

    #[test]
    fn of_several_names_for_one_address_the_last_one_counts() {
        let symbols = parse("ffffffff81000200 T other\nffffffff81000100 t one\nffffffff81000100 T two\n", "");
        assert_eq!(symbols.name(0xffff_ffff_8100_0110), "two");
    }

    #[test]
    fn hidden_addresses_leave_the_table_empty() {
        assert!(parse("0000000000000000 T _text\n", "").is_empty());
    }

    #[test]
    fn per_cpu_variables_at_zero_do_not_make_the_functions_hidden() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let hidden = |text: &str| {
            std::fs::write(dir.path().join("kallsyms"), text).expect("write kallsyms");
            Symbols::hidden(&dir.path().join("kallsyms"))
        };
        assert!(!hidden(&format!("0000000000000000 A fixed_percpu_data\n{KALLSYMS}")));
        assert!(hidden("0000000000000000 A fixed_percpu_data\n0000000000000000 T _text\n"));
        assert!(Symbols::hidden(&dir.path().join("missing")));
    }
}
