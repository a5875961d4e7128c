//! The clients that are connected: each has a number, so that counting its uses costs no more than counting.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::key::client::ClientName;

/// A client that may use keys, for as long as it is connected. Connections of the same name share it.
#[derive(Clone)]
pub struct Client(Arc<Registered>);

struct Registered {
    number: ClientNumber,
    name: ClientName,
}

/// The number of a client in this process. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientNumber(u64);

impl ClientNumber {
    /// Of nobody in particular.
    #[cfg(test)]
    pub(crate) const NOBODY: Self = Self(0);
}

impl Client {
    /// A client that nobody counts.
    #[cfg(test)]
    pub(crate) fn for_tests(name: ClientName) -> Self {
        Self(Arc::new(Registered { number: ClientNumber::NOBODY, name }))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ClientName {
        &self.0.name
    }

    /// Its number.
    pub(crate) fn number(&self) -> ClientNumber {
        self.0.number
    }
}

/// All clients that are connected, or were a moment ago.
#[derive(Default)]
pub(super) struct Clients(Mutex<Register>);

#[derive(Default)]
struct Register {
    last: u64,
    by_name: HashMap<ClientName, ClientNumber>,
    by_number: HashMap<ClientNumber, Entry>,
}

struct Entry {
    registered: Arc<Registered>,
    /// Nobody held it at the last [`Clients::forget_gone`].
    is_gone: bool,
}

impl Clients {
    /// The client of this name.
    pub(super) fn client(&self, name: ClientName) -> Client {
        let mut register = self.0.lock();
        if let Some(entry) = register.by_name.get(&name).and_then(|number| register.by_number.get(number)) {
            return Client(Arc::clone(&entry.registered));
        }
        register.last += 1;
        let number = ClientNumber(register.last);
        let registered = Arc::new(Registered { number, name: name.clone() });
        register.by_number.insert(number, Entry { registered: Arc::clone(&registered), is_gone: false });
        register.by_name.insert(name, number);
        Client(registered)
    }

    /// The client of this number.
    pub(super) fn of_number(&self, number: ClientNumber) -> Option<Client> {
        Some(Client(Arc::clone(&self.0.lock().by_number.get(&number)?.registered)))
    }

    /// Forgets the clients that nobody held at the last call either: what they did before has been gathered by now.
    pub(super) fn forget_gone(&self) {
        let mut register = self.0.lock();
        let Register { by_name, by_number, .. } = &mut *register;
        by_number.retain(|_, entry| {
            let was_gone = std::mem::replace(&mut entry.is_gone, Arc::strong_count(&entry.registered) == 1);
            let stays = !(was_gone && entry.is_gone);
            if !stays {
                by_name.remove(&entry.registered.name);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> ClientName {
        ClientName::certificate(name, [1; 32])
    }

    fn name_of(clients: &Clients, number: ClientNumber) -> Option<ClientName> {
        clients.of_number(number).map(|client| client.name().clone())
    }

    // R-K20
    #[test]
    fn connections_of_one_name_are_one_client() {
        let clients = Clients::default();
        let (a, b, again) = (clients.client(name("a")), clients.client(name("b")), clients.client(name("a")));
        assert_eq!(a.number(), again.number());
        assert_ne!(a.number(), b.number());
        assert_ne!(a.number(), ClientNumber::NOBODY);
        assert_eq!(name_of(&clients, b.number()), Some(name("b")));
        assert_eq!(name_of(&clients, ClientNumber::NOBODY), None);
    }

    // R-K20
    #[test]
    fn a_client_is_known_for_one_more_round_after_it_has_gone_and_then_forgotten() {
        let clients = Clients::default();
        let (stays, goes) = (clients.client(name("stays")), clients.client(name("goes")));
        let number = goes.number();
        drop(goes);
        clients.forget_gone();
        assert_eq!(name_of(&clients, number), Some(name("goes")));
        clients.forget_gone();
        assert_eq!(name_of(&clients, number), None);
        assert_eq!(name_of(&clients, stays.number()), Some(name("stays")));
        assert_ne!(clients.client(name("goes")).number(), number, "a number is never given twice");
        assert_eq!(clients.0.lock().by_name.len(), 2);
    }

    #[test]
    fn a_client_that_comes_back_in_time_is_the_same() {
        let clients = Clients::default();
        let number = clients.client(name("a")).number();
        clients.forget_gone();
        let back = clients.client(name("a"));
        assert_eq!(back.number(), number);
        clients.forget_gone();
        clients.forget_gone();
        assert_eq!(name_of(&clients, number), Some(name("a")));
    }
}
