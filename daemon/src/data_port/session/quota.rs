//! What requests cost the clients of key stores that set quotas: asked once a frame, before its work.

use std::time::Duration;

use claviger_protocol::{RequestHeader, Status};

use super::super::quota::Price;
use super::super::request::Incoming;
use super::Session;

impl Session {
    /// Has a request paid for, once, however often it is begun. If a quota is used up, it is answered so.
    pub(super) fn pay_once(&mut self, request: &mut Incoming, price: Price) -> bool {
        if request.paid.is_none() && self.pay(&request.header, price) {
            request.paid = Some(price);
        }
        request.paid.is_some()
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

    /// Answers a request with a status alone. What was paid for it is given back, unless something of its work is done.
    pub(super) fn refuse_paid(&mut self, request: &mut Incoming, status: Status) {
        let price = request.paid.take().filter(|_| !request.has_begun);
        for (store, cost) in price.into_iter().flat_map(Price::parts) {
            self.admissions.give_back(store, cost);
        }
        self.refuse(&request.header, status);
    }

    /// Answers that a quota is used up, and when there is something again.
    fn refuse_until(&mut self, header: &RequestHeader, wait: Duration) {
        let milliseconds = wait.as_nanos().div_ceil(1_000_000);
        self.refuse_with(header, Status::Overloaded, u32::try_from(milliseconds).unwrap_or(u32::MAX));
    }
}
