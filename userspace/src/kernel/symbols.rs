//! Names of kernel addresses, from `/proc/kallsyms`.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader},
    path::Path,
};

/// The kernel's symbol table.
#[derive(Debug, Default)]
pub struct Symbols {
    by_address: BTreeMap<u64, String>,
}

impl Symbols {
    /// Reads a file in the format of `/proc/kallsyms`. Without `CAP_SYSLOG` all addresses there are zero;
    /// then the table is empty.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(path: &Path) -> std::io::Result<Self> {
        Ok(Self::parse(&std::fs::read_to_string(path)?))
    }

    /// Whether a file in that format shows no function's address, or cannot be read. Stops at the first that it
    /// shows; per-CPU variables before it do lie at zero.
    pub fn hidden(path: &Path) -> bool {
        let lines = File::open(path).into_iter().flat_map(|file| BufReader::new(file).lines());
        lines.map_while(Result::ok).all(|line| Self::parse(&line).is_empty())
    }

    /// Keeps the functions; modules' names in brackets are dropped.
    pub fn parse(text: &str) -> Self {
        let mut by_address = BTreeMap::new();
        for line in text.lines() {
            let mut parts = line.split_ascii_whitespace();
            let (Some(address), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let Ok(address) = u64::from_str_radix(address, 16) else { continue };
            if address != 0 && matches!(kind, "t" | "T" | "w" | "W") {
                by_address.insert(address, name.to_owned());
            }
        }
        Self { by_address }
    }

    /// Whether the kernel shows no addresses.
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    /// The function an address lies in; the bare address where no name is known.
    pub fn name(&self, address: u64) -> String {
        match self.by_address.range(..=address).next_back() {
            Some((_, name)) => name.clone(),
            None => format!("{address:#x}"),
        }
    }

    /// Whether there is a function of exactly this name.
    pub fn has(&self, function: &str) -> bool {
        self.by_address.values().any(|name| name == function)
    }
}

/// A function's name without what the compiler adds to parts and clones of it (`.constprop.0`, `.isra.0`,
/// `.cold`).
pub fn base_name(function: &str) -> &str {
    function.split('.').next().unwrap_or(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KALLSYMS: &str = "\
ffffffff81000000 T _text
ffffffff81000100 t __netif_receive_skb_core.constprop.0
ffffffff81000200 D some_data
ffffffffc0000000 t tun_net_xmit\t[tun]
";

    #[test]
    fn an_address_within_a_function_has_its_name() {
        let symbols = Symbols::parse(KALLSYMS);
        assert_eq!(symbols.name(0xffff_ffff_8100_0142), "__netif_receive_skb_core.constprop.0");
        assert_eq!(symbols.name(0xffff_ffff_c000_0001), "tun_net_xmit");
        assert_eq!(symbols.name(0x10), "0x10");
        assert!(symbols.has("tun_net_xmit") && !symbols.has("some_data"));
    }

    #[test]
    fn hidden_addresses_leave_the_table_empty() {
        assert!(Symbols::parse("0000000000000000 T _text\n").is_empty());
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

    #[test]
    fn suffixes_of_the_compiler_are_dropped() {
        assert_eq!(base_name("__netif_receive_skb_core.constprop.0"), "__netif_receive_skb_core");
        assert_eq!(base_name("skb_copy_ubufs"), "skb_copy_ubufs");
    }
}
