//! Who is served when more come than there are places: those who only hold a place give way to those who ask, and those who
//! have shown that they may ask have places that nobody else can take.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// A guest has this long to encrypt, to send the head of a request and to show a password before another may have its place.
const GRACE: Duration = Duration::from_millis(250);

/// All places.
#[derive(Default)]
pub(super) struct Places {
    taken: Mutex<Taken>,
    /// A guest has gone, or has become known.
    left: Notify,
}

/// Clients by number, in the order in which they came.
#[derive(Default)]
struct Taken {
    next: u64,
    /// Those who have shown nothing yet.
    guests: BTreeMap<u64, Arc<Client>>,
    /// Those who have shown that they may ask.
    known: BTreeMap<u64, Arc<Client>>,
}

struct Client {
    since: Instant,
    /// Whether an answer is being made.
    busy: AtomicBool,
    /// Its place is somebody else's now.
    end: Notify,
}

/// The place of one connection, until it is dropped.
pub(super) struct Place {
    number: u64,
    client: Arc<Client>,
    places: Arc<Places>,
}

/// The one to give way: who came first, of those who have asked for nothing that is still to be answered.
fn first(clients: &BTreeMap<u64, Arc<Client>>) -> Option<(u64, Instant)> {
    let first = clients.iter().min_by_key(|(number, client)| (client.busy.load(Ordering::Relaxed), **number));
    first.map(|(number, client)| (*number, client.since))
}

fn send_away(clients: &mut BTreeMap<u64, Arc<Client>>, number: u64) {
    if let Some(client) = clients.remove(&number) {
        client.end.notify_one();
    }
}

impl Places {
    /// A place among `most` guests: a free one, or that of another guest, once its time is over.
    pub(super) async fn take(self: &Arc<Self>, most: usize) -> Place {
        loop {
            let over = match self.try_take(most) {
                Ok(place) => return place,
                Err(over) => over,
            };
            tokio::select! {
                () = sleep_until(over) => {}
                () = self.left.notified() => {}
            }
        }
    }

    /// The same at once, or when to try again.
    fn try_take(self: &Arc<Self>, most: usize) -> Result<Place, Instant> {
        let mut taken = self.taken();
        let now = Instant::now();
        while taken.guests.len() >= most
            && let Some((number, since)) = first(&taken.guests)
        {
            let over = since + GRACE;
            if over > now {
                return Err(over);
            }
            send_away(&mut taken.guests, number);
        }
        let number = taken.next;
        taken.next += 1;
        let client = Arc::new(Client { since: now, busy: AtomicBool::new(false), end: Notify::new() });
        taken.guests.insert(number, Arc::clone(&client));
        Ok(Place { number, client, places: Arc::clone(self) })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Its client may ask: from now on it is one of `most` that no guest sends away.
    pub(super) fn is_known(&self, most: usize) {
        let mut taken = self.places.taken();
        // Who is no guest any more is known already, or has been sent away.
        let Some(client) = taken.guests.remove(&self.number) else { return };
        while taken.known.len() >= most
            && let Some((number, _)) = first(&taken.known)
        {
            send_away(&mut taken.known, number);
        }
        taken.known.insert(self.number, client);
        self.places.left.notify_one();
    }

    /// Marks it as one for which an answer is being made, until the mark is dropped.
    pub(super) fn busy(&self) -> Busy<'_> {
        self.client.busy.store(true, Ordering::Relaxed);
        Busy(&self.client.busy)
    }

    /// Comes back when somebody else has the place.
    pub(super) async fn lost(&self) {
        self.client.end.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.guests.remove(&self.number);
        taken.known.remove(&self.number);
        self.places.left.notify_one();
    }
}

/// An answer is being made.
pub(super) struct Busy<'a>(&'a AtomicBool);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};

    use super::*;

    /// Whether somebody else has the place by now.
    async fn is_lost(place: &Place) -> bool {
        let mut lost = std::pin::pin!(place.lost());
        poll_fn(|context| std::task::Poll::Ready(lost.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_guest_gives_way_once_its_time_is_over() {
        let places = Arc::new(Places::default());
        let (one, two) = (places.take(2).await, places.take(2).await);
        assert!(places.try_take(2).is_err(), "both have just come");
        let before = Instant::now();
        let three = places.take(2).await;
        assert_eq!(before.elapsed().as_millis(), GRACE.as_millis());
        assert!(is_lost(&one).await && !is_lost(&two).await && !is_lost(&three).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_being_answered_stays_while_another_only_holds_its_place() {
        let places = Arc::new(Places::default());
        let (asking, idle) = (places.take(2).await, places.take(2).await);
        let answer = asking.busy();
        let next = places.take(2).await;
        assert!(is_lost(&idle).await && !is_lost(&asking).await);
        drop(answer);
        let _last = places.take(2).await;
        assert!(is_lost(&asking).await && !is_lost(&next).await);
    }

    #[tokio::test(start_paused = true)]
    async fn guests_send_nobody_away_who_is_known() {
        let places = Arc::new(Places::default());
        let known = places.take(1).await;
        known.is_known(1);
        let before = Instant::now();
        let guest = places.take(1).await;
        assert_eq!(before.elapsed(), Duration::ZERO, "there was a place for a guest");
        let other = places.take(1).await;
        assert!(is_lost(&guest).await && !is_lost(&known).await);
        guest.is_known(1);
        assert!(!is_lost(&known).await, "who was sent away comes too late");
        other.is_known(1);
        assert!(is_lost(&known).await, "there is one place for those who are known");
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_was_left_is_taken_at_once() {
        let places = Arc::new(Places::default());
        let one = places.take(1).await;
        let before = Instant::now();
        let (_two, ()) = tokio::join!(places.take(1), async { drop(one) });
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}
