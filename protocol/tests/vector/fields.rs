//! Decoded messages as the `field:` lines of their vectors.

use crate::vector::hex;
use claviger_protocol::message::{Item, ItemResult, Items, Results};
use claviger_protocol::{
    Algorithm, Fact, KeyKind, KeyState, KeyVersionState, Limit, Opcode, Reply, ReplyHeader, Request, RequestHeader,
    Status,
};
use std::fmt::{Debug, Display};

/// Name and value of every field, in the order of the bytes.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, String)>);

/// The fields of a request.
pub(crate) fn of_request(header: &RequestHeader, request: Request<'_>) -> Vec<(String, String)> {
    let mut fields = Fields::default();
    fields.identity(header.opcode, header.request_id, &header.trace_id.0);
    fields.text("deadline_ms", header.deadline_ms);
    fields.request(request);
    fields.0
}

/// The fields of a reply and, if its status is Ok, of its body.
pub(crate) fn of_reply(header: &ReplyHeader, body: Option<Reply<'_>>) -> Vec<(String, String)> {
    let mut fields = Fields::default();
    fields.identity(header.opcode, header.request_id, &header.trace_id.0);
    fields.text("retry_ms", header.retry_ms);
    fields.status("status", header.status);
    if let Some(reply) = body {
        fields.reply(header.opcode, reply);
    }
    fields.0
}

impl Fields {
    fn identity(&mut self, opcode: u8, request_id: u64, trace_id: &[u8; 16]) {
        self.code("opcode", Opcode::from_code(opcode).map(Opcode::name), opcode);
        self.text("request_id", request_id);
        self.bytes("trace_id", trace_id);
    }

    fn request(&mut self, request: Request<'_>) {
        match request {
            Request::Hello(hello) => {
                self.text("version_min", hello.version_min);
                self.text("version_max", hello.version_max);
                self.list("option", hello.options, |fields, name, option| {
                    fields.text(&format!("{name}.option"), option.option);
                    fields.bytes(&format!("{name}.value"), option.value);
                });
            }
            Request::Ping(ping) => self.bytes("payload", ping.payload),
            Request::Whoami => {}
            Request::Resolve(resolve) => {
                self.bytes("store_name", resolve.store_name);
                self.items(resolve.items, |item| [("key_name", item.key_name)]);
            }
            Request::DescribeKey(describe) => self.bytes("key_id", &describe.key_id.0),
            Request::Encrypt(encrypt) => {
                self.bytes("key_id", &encrypt.key_id.0);
                self.items(encrypt.items, |item| [("context", item.context), ("plaintext", item.plaintext)]);
            }
            Request::Decrypt(decrypt) => {
                self.bytes("key_id", &decrypt.key_id.0);
                self.items(decrypt.items, |item| [("context", item.context), ("ciphertext", item.ciphertext)]);
            }
            Request::Reencrypt(reencrypt) => {
                self.bytes("source_key_id", &reencrypt.source_key_id.0);
                self.bytes("target_key_id", &reencrypt.target_key_id.0);
                self.items(reencrypt.items, |item| {
                    let contexts = [("source_context", item.source_context), ("target_context", item.target_context)];
                    [contexts[0], contexts[1], ("ciphertext", item.ciphertext)]
                });
            }
            Request::GenerateDataKey(generate) => {
                self.bytes("key_id", &generate.key_id.0);
                self.text("form", generate.form.code());
                self.text("data_key_size", generate.data_key_size);
                self.items(generate.items, |item| [("context", item.context)]);
            }
            Request::WrapDataKey(wrap) => {
                self.bytes("key_id", &wrap.key_id.0);
                self.items(wrap.items, |item| [("context", item.context), ("data_key", item.data_key)]);
            }
            Request::UnwrapDataKey(unwrap) => {
                self.bytes("key_id", &unwrap.key_id.0);
                self.items(unwrap.items, |item| [("context", item.context), ("wrapped", item.wrapped)]);
            }
            Request::Sign(sign) => {
                self.bytes("key_id", &sign.key_id.0);
                self.text("form", sign.form.code());
                self.items(sign.items, |item| [("message", item.message)]);
            }
            Request::Verify(verify) => {
                self.bytes("key_id", &verify.key_id.0);
                self.text("key_version", verify.key_version);
                self.text("form", verify.form.code());
                self.items(verify.items, |item| [("message", item.message), ("signature", item.signature)]);
            }
            Request::AsymmetricDecrypt(decrypt) => {
                self.bytes("key_id", &decrypt.key_id.0);
                self.text("key_version", decrypt.key_version);
                self.items(decrypt.items, |item| [("context", item.context), ("ciphertext", item.ciphertext)]);
            }
            Request::MakeMac(make) => {
                self.bytes("key_id", &make.key_id.0);
                self.items(make.items, |item| [("message", item.message)]);
            }
            Request::VerifyMac(verify) => {
                self.bytes("key_id", &verify.key_id.0);
                self.text("key_version", verify.key_version);
                self.items(verify.items, |item| [("message", item.message), ("mac", item.mac)]);
            }
            Request::ReadSecret(read) => {
                self.bytes("key_id", &read.key_id.0);
                self.text("key_version", read.key_version);
            }
            Request::WaitForSecret(wait) => {
                self.bytes("key_id", &wait.key_id.0);
                self.text("known_version", wait.known_version);
                self.text("wait", wait.wait_ms);
            }
            Request::ReadPublicKey(read) => {
                self.bytes("key_id", &read.key_id.0);
                self.text("key_version", read.key_version);
            }
            Request::RandomBytes(random) => {
                self.bytes("store_id", &random.store_id.0);
                self.list("item", random.items, |fields, name, item| fields.text(&format!("{name}.size"), item.size));
            }
        }
    }

    fn reply(&mut self, opcode: u8, reply: Reply<'_>) {
        match reply {
            Reply::Hello(hello) => {
                self.text("version", hello.version);
                self.list("limit", hello.limits, |fields, name, limit| {
                    fields.wide_code(&format!("{name}.limit"), Limit::from_code(limit.limit), limit.limit);
                    fields.text(&format!("{name}.value"), limit.value);
                });
            }
            Reply::Ping(ping) => self.bytes("payload", ping.payload),
            Reply::Whoami(whoami) => self.list("fact", whoami.facts, |fields, name, fact| {
                fields.wide_code(&format!("{name}.fact"), Fact::from_code(fact.fact), fact.fact);
                fields.bytes(&format!("{name}.value"), fact.value);
            }),
            Reply::DescribeKey(key) => {
                self.bytes("key_id", &key.key_id.0);
                self.bytes("store_id", &key.store_id.0);
                self.kind_and_algorithm("", key.kind, key.algorithm);
                self.code("state", KeyState::from_code(key.state).map(KeyState::name), key.state);
                self.text("current_version", key.current_version);
                self.text("created", key.created_ms);
                self.bytes("name", key.name);
                self.list("version", key.versions, |fields, name, version| {
                    fields.text(&format!("{name}.version"), version.version);
                    let state = KeyVersionState::from_code(version.state).map(KeyVersionState::name);
                    fields.code(&format!("{name}.state"), state, version.state);
                    fields.text(&format!("{name}.created"), version.created_ms);
                });
            }
            Reply::ReadSecret(secret) => {
                self.text("key_version", secret.key_version);
                self.bytes("value", secret.value);
            }
            Reply::ReadPublicKey(key) => {
                self.text("key_version", key.key_version);
                self.code("algorithm", Algorithm::from_id(key.algorithm).map(Algorithm::name), key.algorithm);
                self.bytes("public_key", key.public_key);
            }
            Reply::Resolve(results) => self.results(results, |fields, name, key| {
                fields.bytes(&format!("{name}.key_id"), &key.key_id.0);
                fields.bytes(&format!("{name}.store_id"), &key.store_id.0);
                fields.kind_and_algorithm(&format!("{name}."), key.kind, key.algorithm);
            }),
            Reply::GenerateDataKey(results) => self.results(results, |fields, name, key| {
                fields.bytes(&format!("{name}.wrapped"), key.wrapped);
                fields.bytes(&format!("{name}.plain"), key.plain);
            }),
            Reply::Versioned(results) => {
                let value = if opcode == Opcode::Sign.code() { "signature" } else { "mac" };
                self.results(results, |fields, name, made| {
                    fields.text(&format!("{name}.key_version"), made.key_version);
                    fields.bytes(&format!("{name}.{value}"), made.value);
                });
            }
            Reply::Verified(results) => self.results(results, |fields, name, verified| {
                fields.text(&format!("{name}.key_version"), verified.key_version);
            }),
            Reply::Decrypted(results) => self.results(results, |fields, name, decrypted| {
                fields.text(&format!("{name}.key_version"), decrypted.key_version);
                fields.bytes(&format!("{name}.plaintext"), decrypted.plaintext);
            }),
            Reply::Bytes(results) => {
                self.results(results, |fields, name, result| fields.bytes(&format!("{name}.result"), result));
            }
        }
    }

    /// A counted list: `option_count`, then what `each` writes of `option[0]` and so on.
    fn list<'a, T: Item<'a>>(&mut self, name: &str, items: Items<'a, T>, each: impl Fn(&mut Self, &str, T)) {
        self.text(&format!("{name}_count"), items.len());
        for (index, item) in items.enumerate() {
            each(self, &format!("{name}[{index}]"), item);
        }
    }

    /// Items that are byte strings.
    fn items<'a, T: Item<'a>, const COUNT: usize>(
        &mut self,
        items: Items<'a, T>,
        strings: impl Fn(T) -> [(&'static str, &'a [u8]); COUNT],
    ) {
        self.list("item", items, |fields, name, item| {
            for (string, bytes) in strings(item) {
                fields.bytes(&format!("{name}.{string}"), bytes);
            }
        });
    }

    /// Results of a batch; what `each` writes is there if the status is Ok.
    fn results<'a, R>(&mut self, results: Results<'a, R>, each: impl Fn(&mut Self, &str, R))
    where
        ItemResult<R>: Item<'a>,
    {
        self.list("item", results, |fields, name, result| {
            fields.status(&format!("{name}.status"), result.as_ref().err().copied().unwrap_or(Status::Ok));
            if let Ok(value) = result {
                each(fields, name, value);
            }
        });
    }

    fn kind_and_algorithm(&mut self, before: &str, kind: u8, algorithm: u8) {
        self.code(&format!("{before}kind"), KeyKind::from_id(kind).map(KeyKind::name), kind);
        self.code(&format!("{before}algorithm"), Algorithm::from_id(algorithm).map(Algorithm::name), algorithm);
    }

    fn status(&mut self, name: &str, status: Status) {
        let known = (!matches!(status, Status::Unknown(_))).then(|| status.name());
        self.code(name, known, status.code());
    }

    fn code(&mut self, name: &str, known: Option<&'static str>, code: u8) {
        self.text(name, known.map_or_else(|| format!("{code:#04x}"), str::to_owned));
    }

    fn wide_code(&mut self, name: &str, known: Option<impl Debug>, code: u16) {
        self.text(name, known.map_or_else(|| format!("{code:#06x}"), |known| format!("{known:?}")));
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        self.text(name, hex(bytes));
    }

    fn text(&mut self, name: &str, value: impl Display) {
        self.0.push((name.to_owned(), value.to_string()));
    }
}
