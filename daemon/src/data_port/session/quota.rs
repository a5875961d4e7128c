//! What requests cost the clients of key stores that set quotas: asked once a frame, before its work.

use std::time::Duration;

use claviger_engine::key::id::StoreId;
use claviger_protocol::{RequestHeader, Status};

use super::super::request::Incoming;
use super::Session;
use crate::limits::FRAME_COST;

/// What a request costs in one key store, or in two.
#[derive(Clone, Copy)]
pub(super) struct Price([Option<(StoreId, Duration)>; 2]);

impl Price {
    /// Of work that takes so long in one key store, and what its frame costs.
    pub(super) const fn of(store: StoreId, work: Duration) -> Self {
        Self([Some((store, work.saturating_add(FRAME_COST))), None])
    }

    /// And so much in another one.
    pub(super) const fn and(self, store: StoreId, work: Duration) -> Self {
        let [first, _] = self.0;
        Self([first, Some((store, work))])
    }

    fn parts(self) -> impl Iterator<Item = (StoreId, Duration)> {
        self.0.into_iter().flatten()
    }
}

impl Session {
    /// Has a request paid for, once, however often it is begun. If a quota is used up, it is answered so.
    pub(super) fn pay_once(&mut self, request: &mut Incoming, price: Price) -> bool {
        request.is_paid = request.is_paid || self.pay(&request.header, price);
        request.is_paid
    }

    /// As [`Session::pay_once`], of a request that is begun once.
    pub(super) fn pay(&mut self, header: &RequestHeader, price: Price) -> bool {
        if !self.admissions.has_quotas() {
            return true;
        }
        for (number, (store, cost)) in price.parts().enumerate() {
            if let Err(wait) = self.admissions.take(store, cost) {
                price.parts().take(number).for_each(|(store, cost)| self.admissions.give_back(store, cost));
                self.refuse_until(header, wait);
                return false;
            }
        }
        true
    }

    /// Gives back what was paid for a request that is not done.
    pub(super) fn pay_back(&self, price: Price) {
        price.parts().for_each(|(store, cost)| self.admissions.give_back(store, cost));
    }

    /// Answers that a quota is used up, and when there is something again.
    fn refuse_until(&mut self, header: &RequestHeader, wait: Duration) {
        let milliseconds = wait.as_nanos().div_ceil(1_000_000);
        self.refuse_with(header, Status::Overloaded, u32::try_from(milliseconds).unwrap_or(u32::MAX));
    }
}
