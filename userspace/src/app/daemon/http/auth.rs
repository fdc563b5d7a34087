//! Basic authentication with bcrypt hashes, as Prometheus' web configuration has it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

/// bcrypt takes no more.
const LONGEST: usize = 72;
/// A hash of nothing that anybody knows: names that do not exist take as long as those that do.
const NOBODY: &str = "$2b$10$C6UzMDM.H6dfI/f/IKcEeO7ZBGm4nAvRD4Ky2sGVmFQ0Z0hKnnkeS";

/// Who may ask.
pub(super) struct Users {
    hashes: BTreeMap<String, String>,
    /// The last credentials that were right: a scraper comes every few seconds, and a hash takes a while.
    known: Mutex<Option<String>>,
    /// One hash at a time: guessing takes one CPU at most.
    checking: tokio::sync::Mutex<()>,
}

impl Users {
    /// Names and hashes; none: anybody may ask.
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Self {
        Self { hashes, known: Mutex::new(None), checking: tokio::sync::Mutex::new(()) }
    }

    /// Whether a request with this `Authorization` header is answered.
    pub(super) async fn let_in(&self, authorization: Option<&str>) -> bool {
        if self.hashes.is_empty() {
            return true;
        }
        let Some(authorization) = authorization else { return false };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if known.is_some_and(|known| same(known.as_bytes(), authorization.as_bytes())) {
            return true;
        }
        let Some((name, password)) = credentials(authorization) else { return false };
        let _one = self.checking.lock().await;
        let hash = self.hashes.get(&name).cloned();
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
        let right = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash).unwrap_or(false));
        let right = right.await.unwrap_or(false) && exists;
        if right {
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization.to_owned());
        }
        right
    }
}

fn credentials(authorization: &str) -> Option<(String, String)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (name, password) = decoded.split_once(':')?;
    (scheme.eq_ignore_ascii_case("basic") && password.len() <= LONGEST)
        .then(|| (name.to_owned(), password.to_owned()))
}

/// Takes as long for a near miss as for any other.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(credentials: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(credentials))
    }

    #[tokio::test]
    async fn the_right_password_and_no_other() {
        let hash = bcrypt::hash("secret", 4).expect("hash a password");
        let users = Users::new(BTreeMap::from([("prometheus".to_owned(), hash)]));
        assert!(!users.let_in(None).await);
        for wrong in
            ["prometheus:wrong", "nobody:secret", "prometheus", ":", &format!("prometheus:{:80}", "")]
        {
            assert!(!users.let_in(Some(&header(wrong))).await, "{wrong}");
        }
        for _ in 0..2 {
            assert!(users.let_in(Some(&header("prometheus:secret"))).await);
            assert!(!users.let_in(Some(&header("prometheus:secreT"))).await, "the right one is remembered");
        }
        for nonsense in ["", "Basic", "Basic !!!", "Bearer c2VjcmV0"] {
            assert!(!users.let_in(Some(nonsense)).await, "{nonsense}");
        }
    }

    #[tokio::test]
    async fn without_users_anybody_may_ask() {
        assert!(Users::new(BTreeMap::new()).let_in(None).await);
    }

    #[test]
    fn the_stand_in_is_a_hash() {
        assert!(bcrypt::verify("", NOBODY).is_ok_and(|right| !right));
    }
}
