//! Basic authentication with bcrypt hashes, as Prometheus' web configuration has it.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bcrypt::HashParts;
use tokio::sync::Semaphore;

/// bcrypt takes no more.
const LONGEST: usize = 72;
/// A hash of nothing that anybody knows, without its cost.
const NOBODY: &str = "C6UzMDM.H6dfI/f/IKcEeO7ZBGm4nAvRD4Ky2sGVmFQ0Z0hKnnkeS";

/// Who may ask.
pub(super) struct Users {
    hashes: BTreeMap<String, String>,
    /// The last credentials that were right: a scraper comes every few seconds, and a hash takes a while.
    known: Mutex<Option<String>>,
    /// One hash at a time: guessing takes one CPU at most. The hash has it, not who asked: a hash cannot be ended, and
    /// goes on when its client has gone.
    hashing: Arc<Semaphore>,
    /// Says whose cost a name has that does not exist.
    strangers: RandomState,
}

impl Users {
    /// Names and hashes; none: anybody may ask.
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Self {
        let hashing = Arc::new(Semaphore::new(1));
        Self { hashes, known: Mutex::new(None), hashing, strangers: RandomState::new() }
    }

    /// Whether a password is asked for at all.
    pub(super) fn are_asked(&self) -> bool {
        !self.hashes.is_empty()
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
        let Ok(place) = Arc::clone(&self.hashing).acquire_owned().await else { return false };
        let hash = self.hashes.get(&name).cloned();
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.stand_in(&name));
        let right = tokio::task::spawn_blocking(move || {
            let right = bcrypt::verify(password, &hash).unwrap_or(false);
            drop(place);
            right
        });
        let right = right.await.unwrap_or(false) && exists;
        if right {
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization.to_owned());
        }
        right
    }

    /// A hash for a name that does not exist, of the cost of one that does, and always the same: how long an answer takes
    /// tells nobody which names there are.
    fn stand_in(&self, name: &str) -> String {
        let costs: Vec<u32> = self
            .hashes
            .values()
            .filter_map(|hash| Some(hash.parse::<HashParts>().ok()?.get_cost()))
            .collect();
        let nth = self.strangers.hash_one(name) % (costs.len() as u64).max(1);
        let cost = usize::try_from(nth).ok().and_then(|nth| costs.get(nth)).copied().unwrap_or(10);
        format!("$2b${cost:02}${NOBODY}")
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

    #[tokio::test]
    async fn a_client_that_has_gone_leaves_one_hash_behind_at_most() {
        let hash = bcrypt::hash("secret", 10).expect("hash a password");
        let users = Users::new(BTreeMap::from([("prometheus".to_owned(), hash)]));
        let wrong = header("prometheus:wrong");
        for _ in 0..20 {
            tokio::select! {
                biased;
                _ = users.let_in(Some(&wrong)) => {}
                () = tokio::task::yield_now() => {}
            }
        }
        // It takes far longer than what is done here, and who comes next waits for it.
        assert_eq!(users.hashing.available_permits(), 0, "the first hash goes on, and no other has begun");
        assert!(users.let_in(Some(&header("prometheus:secret"))).await, "the others get their turn");
    }

    #[test]
    fn a_stranger_costs_what_a_user_costs() {
        let cost = |hash: &str| hash.parse::<HashParts>().expect("a hash").get_cost();
        let hashes = [4, 5].map(|cost| bcrypt::hash("secret", cost).expect("hash a password"));
        let one = Users::new(BTreeMap::from([("me".to_owned(), hashes[1].clone())]));
        assert_eq!(cost(&one.stand_in("nobody")), 5);
        assert!(bcrypt::verify("", &one.stand_in("nobody")).is_ok_and(|right| !right));
        let both = Users::new(["me", "you"].map(str::to_owned).into_iter().zip(hashes).collect());
        let names: Vec<String> = (0..64).map(|number| format!("nobody{number}")).collect();
        let costs: Vec<u32> = names.iter().map(|name| cost(&both.stand_in(name))).collect();
        assert!(costs.contains(&4) && costs.contains(&5), "{costs:?}");
        assert!(names.iter().map(|name| cost(&both.stand_in(name))).eq(costs), "always the same");
    }
}
