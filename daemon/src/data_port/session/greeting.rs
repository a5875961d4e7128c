//! Hello, Ping, Whoami: answered at once, to any client.

use claviger_engine::HardwareAddress;
use claviger_protocol::limits::HELLO_OPTION_HARDWARE_ADDRESS;
use claviger_protocol::message::{FactValue, Hello, HelloOption, HelloReply, Items, LimitValue, Ping, WhoamiReply};
use claviger_protocol::{Fact, Limit, RequestHeader};

use super::Session;
use crate::limits::{FRAMES_IN_FLIGHT, STREAMS_PER_CONNECTION};

impl Session {
    pub(super) fn hello(&mut self, header: &RequestHeader, hello: &Hello<Items<'_, HelloOption<'_>>>) {
        let version = match hello.version() {
            Ok(version) => version,
            Err(status) => {
                self.ended = true;
                return self.refuse(header, status);
            }
        };
        self.greeted = true;
        let mut options = hello.options.clone();
        let declared = options.find(|option| option.option == HELLO_OPTION_HARDWARE_ADDRESS);
        let declared = declared.and_then(|option| HardwareAddress::new(option.value.try_into().ok()?));
        self.admissions.declare(declared);
        let limits = Limit::ALL.map(|limit| LimitValue { limit: limit.code(), value: self.limit(limit) });
        let written = self.output.reply_with(header, HelloReply { version, limits });
        self.finish(header, written);
    }

    pub(super) fn ping(&mut self, header: &RequestHeader, ping: &Ping<'_>) {
        let written = self.output.reply_with(header, *ping);
        self.finish(header, written);
    }

    pub(super) fn whoami(&mut self, header: &RequestHeader) {
        let (seen, declared) = self.admissions.hardware_addresses();
        let [seen, declared] = [seen, declared].map(|address| address.map(HardwareAddress::bytes));
        let fixed = self.admissions.identity().facts().iter().map(|(fact, value)| (*fact, value.as_slice()));
        let seen = seen.iter().map(|value| (Fact::HardwareAddress, value.as_slice()));
        let declared = declared.iter().map(|value| (Fact::DeclaredHardwareAddress, value.as_slice()));
        let facts: Vec<_> =
            fixed.chain(seen).chain(declared).map(|(fact, value)| FactValue { fact: fact.code(), value }).collect();
        let written = self.output.reply_with(header, WhoamiReply { facts });
        self.finish(header, written);
    }

    /// What the greeting announces. Everything else is as the specification has it.
    const fn limit(&self, limit: Limit) -> u64 {
        match limit {
            Limit::FramesInFlight => FRAMES_IN_FLIGHT as u64,
            Limit::StreamsPerConnection => STREAMS_PER_CONNECTION as u64,
            Limit::IdleMilliseconds => self.idle_ms,
            _ => limit.default_value(),
        }
    }
}
