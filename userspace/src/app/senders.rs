//! Senders as a filter names them: by the name of a user or of a network namespace, where there are names.

use super::{
    netns::{NetnsFilter, no_such, resolve},
    outcome::{Failure, with_sources},
};
use crate::{process::ProcRoot, taps::inventory};

/// Where this machine keeps its own users.
const USERS: &str = "/etc/passwd";

/// Whose names they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This machine's.
    Here,
    /// Those of the machine of a recording, which has numbers only.
    Recorded,
}

/// The user ids of names and numbers; a number need not have a name.
///
/// # Errors
/// If there is no user of a name, or the place has no names.
pub fn uids(users: &[String], place: Place) -> Result<Vec<u32>, Failure> {
    let of = |user: &String| match (user.parse(), place) {
        (Ok(uid), _) => Ok(uid),
        (Err(_), Place::Recorded) => Err(Failure::new(
            format!("a recording has no names of users, so '{user}' may be another one there"),
            format!("give the number; `id -u {user}` says it on the machine of the recording"),
        )),
        (Err(_), Place::Here) => {
            let known = std::fs::read_to_string(USERS)
                .map_err(|error| Failure::new(format!("cannot read {USERS}: {error}"), "give a number"))?;
            uid_of(user, &known).ok_or_else(|| {
                Failure::new(
                    format!("there is no user '{user}' in {USERS}"),
                    format!("give the number; `id -u {user}` says it for users that are kept elsewhere"),
                )
            })
        }
    };
    users.iter().map(of).collect()
}

/// The id of a user in the text of `/etc/passwd`.
fn uid_of(user: &str, known: &str) -> Option<u32> {
    known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let uid = (fields.next() == Some(user)).then(|| fields.nth(1))??;
        uid.parse().ok()
    })
}

/// The numbers of network namespaces that are named as in `zcdiag taps --netns`.
///
/// # Errors
/// If there is no such namespace, or the place has no names. A number is taken as it is if not all can be seen.
pub fn namespaces(names: &[String], place: Place) -> Result<Vec<u32>, Failure> {
    let of_recording = |name: &String| {
        name.parse().map_err(|_| {
            Failure::new(
                format!("a recording knows network namespaces by their numbers, not as '{name}'"),
                "give the number, which `netns` of its senders is in `zcdiag report --json`",
            )
        })
    };
    match (names, place) {
        ([], _) => return Ok(Vec::new()),
        (_, Place::Recorded) => return names.iter().map(of_recording).collect(),
        (_, Place::Here) => {}
    }
    let proc = ProcRoot::system();
    let seen = inventory::collect(&proc).map_err(|error| {
        Failure::new(format!("cannot look for network namespaces: {}", with_sources(&error)), "")
    })?;
    let of = |name: &String| {
        let filter = NetnsFilter::from(name.as_str());
        let hidden = || name.parse().ok().filter(|_| !seen.complete);
        resolve(&filter, &seen.namespaces, &proc).or_else(hidden).ok_or_else(|| no_such(&filter))
    };
    names.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users() {
        let known = "root:x:0:0:root:/root:/bin/sh\nbroken\nme:x:1000:1000::/home/me:/bin/sh\nodd:x:many\n";
        let cases = [("root", Some(0)), ("me", Some(1000)), ("broken", None), ("odd", None), ("", None)];
        for (user, uid) in cases {
            assert_eq!(uid_of(user, known), uid, "{user}");
        }
        let words = |word: &str| [word.to_owned()];
        for place in [Place::Here, Place::Recorded] {
            assert_eq!(uids(&words("4242"), place).expect("a number"), [4242]);
            assert!(uids(&words("no such user"), place).is_err());
        }
        assert_eq!(uids(&words("root"), Place::Here).expect("it is there"), [0]);
        assert!(uids(&words("root"), Place::Recorded).is_err(), "whose root?");
    }

    #[test]
    fn namespaces_of_recordings_have_numbers() {
        let words = |word: &str| [word.to_owned()];
        assert_eq!(namespaces(&words("7"), Place::Recorded).expect("a number"), [7]);
        let failure = namespaces(&words("blue"), Place::Recorded).expect_err("whose blue?");
        assert!(failure.to_string().contains("'blue'\n  cure: give the number"), "{failure}");
        let own = namespaces(&words("/proc/self/ns/net"), Place::Here).expect("it is there");
        assert_eq!(namespaces(&[own[0].to_string()], Place::Here).expect("by number"), own);
        assert!(namespaces(&words("no-such-netns"), Place::Here).is_err());
    }
}
