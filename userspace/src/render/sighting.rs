//! What was seen of a tap, in words.

use super::words::{plural, time};
use crate::model::sighting::{Lifetime, Sighting};

/// A clause that follows the tap's holder: `was given 20 copied packets, from 510 ms to 2.0 s of the watch; ..`
pub(crate) fn clause(sighting: &Sighting) -> String {
    let Sighting { packets, first, last, lifetime } = sighting;
    let packets = plural(*packets, "copied packet");
    let when = if first == last {
        format!("at {}", time(*first))
    } else {
        format!("from {} to {}", time(*first), time(*last))
    };
    let open = match *lifetime {
        Lifetime { opened: None, closed: None } => String::new(),
        Lifetime { opened: Some(opened), closed: None } => format!("; opened at {}", time(opened)),
        Lifetime { opened: None, closed: Some(closed) } => format!("; closed at {}", time(closed)),
        Lifetime { opened: Some(opened), closed: Some(closed) } => {
            format!("; open from {} to {}", time(opened), time(closed))
        }
    };
    format!("was given {packets}, {when} of the watch{open}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn when_a_tap_was_there_is_told_as_far_as_it_was_seen() {
        let second = |seconds| Some(Duration::from_secs(seconds));
        let told = |opened, closed| {
            let lifetime = Lifetime { opened, closed };
            clause(&Sighting {
                packets: 20,
                first: Duration::from_secs(2),
                last: Duration::from_secs(3),
                lifetime,
            })
        };
        let given = "was given 20 copied packets, from 2.0 s to 3.0 s of the watch";
        assert_eq!(told(None, None), given);
        assert_eq!(told(second(1), None), format!("{given}; opened at 1.0 s"));
        assert_eq!(told(second(1), second(4)), format!("{given}; open from 1.0 s to 4.0 s"));
        assert_eq!(told(None, second(4)), format!("{given}; closed at 4.0 s"));
    }
}
