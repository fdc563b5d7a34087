//! Names of users.

use std::{fs, path::Path};

/// Where they stand. Those of a directory service are not looked up.
const FILE: &str = "/etc/passwd";

/// The name of a user of this machine; `None` if it is not known here.
pub fn user_name(uid: u32) -> Option<String> {
    name_in(Path::new(FILE), uid)
}

fn name_in(file: &Path, uid: u32) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let name = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_name_that_the_machine_knows() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "root:x:0:0::/root:/bin/sh\nbroken\nalice:x:1000:100:Alice,,:/:\n")
            .expect("write");
        let name = |uid| name_in(file.path(), uid);
        assert_eq!(
            (name(0).as_deref(), name(1000).as_deref(), name(100)),
            (Some("root"), Some("alice"), None)
        );
        assert_eq!(name_in(Path::new("/nonexistent/passwd"), 0), None);
    }
}
