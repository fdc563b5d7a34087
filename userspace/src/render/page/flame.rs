//! A flame graph of where bytes were copied: each box is as wide as its share of the bytes, and stands on
//! what called it.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::percent::percent;
use crate::{
    model::report::CauseReport,
    render::{
        folded::{Weight, fold},
        words::bytes,
    },
};

/// Height of a box.
const ROW: usize = 20;
/// Boxes narrower than this, in percent, are left out.
const NARROWEST: f64 = 0.1;

/// A frame with the frames that it called.
#[derive(Default)]
struct Node {
    bytes: u64,
    callees: BTreeMap<String, Node>,
}

impl Node {
    fn of(copies: &[CauseReport]) -> Self {
        let mut root = Self::default();
        for (frames, bytes) in fold(copies, Weight::Bytes) {
            let mut node = &mut root;
            node.bytes = node.bytes.saturating_add(bytes);
            for frame in frames {
                node = node.callees.entry(frame).or_default();
                node.bytes = node.bytes.saturating_add(bytes);
            }
        }
        root
    }

    fn depth(&self) -> usize {
        self.callees.values().map(|callee| 1 + callee.depth()).max().unwrap_or(0)
    }
}

pub(super) fn section(copies: &[CauseReport]) -> Markup {
    let root = Node::of(copies);
    let rows = root.depth();
    html! {
        @if root.bytes > 0 {
            section {
                h2 { "Where bytes were copied" }
                p.small {
                    "By sender, cause and kernel function; each box is as wide as its share of the "
                    (bytes(root.bytes)) "."
                }
                svg.flame role="img" aria-label="Flame graph of copied bytes" width="100%" height=(rows * ROW) {
                    (boxes(&root, &root, 0, 0.0, rows))
                }
            }
        }
    }
}

/// The boxes above `node`, which begins at `left` percent.
fn boxes(node: &Node, root: &Node, level: usize, left: f64, rows: usize) -> Markup {
    let callees = node.callees.iter().scan(left, |left, (name, callee)| {
        let (begin, width) = (*left, percent(callee.bytes, root.bytes));
        *left += width;
        Some((name, callee, begin, width))
    });
    html! {
        @for (name, callee, left, width) in callees.filter(|(_, _, _, width)| *width >= NARROWEST) {
            svg x=(format!("{left:.2}%")) y=((rows - level - 1) * ROW) width=(format!("{width:.2}%"))
                height=(ROW) {
                title { (name) ": " (bytes(callee.bytes)) (format!(", {width:.1} %")) }
                rect class=(shade(name, level)) width="100%" height=(ROW - 1) {}
                text x="5" y="14" { (name) }
            }
            (boxes(callee, root, level + 1, left, rows))
        }
    }
}

/// Senders and causes have a colour of their own; functions get one of five by their name.
fn shade(name: &str, level: usize) -> String {
    match level {
        0 => "sender".to_owned(),
        1 => "cause".to_owned(),
        _ => format!("f{}", name.bytes().map(usize::from).sum::<usize>() % 5),
    }
}
