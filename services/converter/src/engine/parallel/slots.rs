//! Limits how many encoders work at the same time in this process, and decides which job is next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The encoder slots of a process. Jobs that encode in parallel ask for a slot for each segment. The oldest
/// job gets it, so that jobs end one after another and not all of them late.
#[derive(Debug, Clone)]
pub(crate) struct EncoderSlots(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    total: u16,
    /// May exceed `total`, because short conversions take a slot even if none is free.
    taken: u16,
    /// Sorted by the job's age, then by the time of asking.
    waiting: BTreeMap<(JobNumber, u64), oneshot::Sender<Grant>>,
    next_number: u64,
}

/// Jobs in the order in which they began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobNumber(u64);

/// A slot on its way to a waiting job. It counts as taken. If the job has left meanwhile, the finder of the
/// grant gives it back.
#[derive(Debug)]
struct Grant;

/// The right to keep one core busy. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Slot(EncoderSlots);

/// One slot for each core.
pub(crate) fn cores() -> u16 {
    std::thread::available_parallelism().map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(u16::MAX))
}

impl EncoderSlots {
    pub(crate) fn new(total: u16) -> Self {
        Self(Arc::new(Mutex::new(State { total, taken: 0, waiting: BTreeMap::new(), next_number: 0 })))
    }

    pub(crate) fn total(&self) -> u16 {
        self.state().total
    }

    pub(crate) fn begin_job(&self) -> JobNumber {
        JobNumber(self.state().next_number())
    }

    /// Takes a slot at once, free or not, so that a short conversion does not wait behind a long one. The
    /// long ones give way when they finish their current segments.
    pub(crate) fn take(&self) -> Slot {
        self.state().taken += 1;
        Slot(self.clone())
    }

    /// Waits for a slot.
    pub(crate) async fn acquire(&self, job: JobNumber) -> Slot {
        let waiting = {
            let mut state = self.state();
            if state.taken < state.total {
                state.taken += 1;
                return Slot(self.clone());
            }
            let (sender, receiver) = oneshot::channel();
            let number = state.next_number();
            state.waiting.insert((job, number), sender);
            Waiting { slots: self, receiver }
        };
        waiting.granted().await
    }

    fn give_back(&self) {
        let mut state = self.state();
        state.taken -= 1;
        while state.taken < state.total {
            let Some((_, waiting)) = state.waiting.pop_first() else { return };
            if waiting.send(Grant).is_ok() {
                state.taken += 1;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue. If it is dropped after a slot was granted, the slot goes to the next in the queue.
struct Waiting<'a> {
    slots: &'a EncoderSlots,
    receiver: oneshot::Receiver<Grant>,
}

impl Waiting<'_> {
    async fn granted(mut self) -> Slot {
        match (&mut self.receiver).await {
            Ok(Grant) => Slot(self.slots.clone()),
            // Cannot happen: the state that holds the sender outlives every waiting job.
            Err(_) => self.slots.take(),
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        if self.receiver.try_recv().is_ok() {
            self.slots.give_back();
        }
    }
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn the_oldest_job_is_served_first() {
        let slots = EncoderSlots::new(1);
        let (older, newer) = (slots.begin_job(), slots.begin_job());
        let held = poll(pin!(slots.acquire(newer))).unwrap();
        let (mut second, mut first) = (pin!(slots.acquire(newer)), pin!(slots.acquire(older)));
        assert!(poll(second.as_mut()).is_none() && poll(first.as_mut()).is_none());
        drop(held);
        assert!(poll(second.as_mut()).is_none());
        let held = poll(first).unwrap();
        drop(held);
        assert!(poll(second).is_some());
    }

    #[test]
    fn a_slot_granted_to_a_job_that_left_goes_to_the_next() {
        let slots = EncoderSlots::new(1);
        let job = slots.begin_job();
        let held = slots.take();
        let mut second = pin!(slots.acquire(job));
        {
            let mut first = Box::pin(slots.acquire(job));
            assert!(poll(first.as_mut()).is_none() && poll(second.as_mut()).is_none());
            drop(held);
        }
        assert!(poll(second).is_some());
        assert_eq!(slots.state().taken, 0);
    }

    #[test]
    fn a_plain_conversion_does_not_wait_and_the_others_give_way() {
        let slots = EncoderSlots::new(1);
        let job = slots.begin_job();
        let segment = poll(pin!(slots.acquire(job))).unwrap();
        let plain = slots.take();
        drop(segment);
        let mut next = pin!(slots.acquire(job));
        assert!(poll(next.as_mut()).is_none());
        drop(plain);
        assert!(poll(next).is_some());
    }
}
