//! All routes of the control port, as data. No route lacks a limit, and the API description is made from this table.

use std::borrow::Cow;
use std::time::Duration;

use claviger_control::message;
use http::{Method, StatusCode};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::answer::Answer;
use super::call::Call;
use super::caller::Role;
use super::change::Change;
use super::problem::Problem;
use super::{ControlState, algorithms, certificates, health, keys, openapi, stores};
use crate::limits::{CHANGE_TIME, CREATE_KEYS_BODY_SIZE_MAX, CREATE_KEYS_TIME, READ_TIME, SMALL_BODY_SIZE_MAX};

/// What the control port takes.
pub static ROUTES: [Route; 23] = [
    read("/v1/health", "read_health", "How the daemon is", form::<message::Health>(), health::health),
    read(
        "/v1/ready",
        "read_readiness",
        "Whether the daemon does its work",
        form::<message::Readiness>(),
        health::ready,
    )
    .or_unavailable(),
    read("/v1/openapi.json", "read_api", "This description", None, openapi::show),
    read(
        "/v1/algorithms",
        "list_algorithms",
        "The algorithms that keys can have",
        form::<message::AlgorithmList>(),
        algorithms::list,
    ),
    read(
        "/v1/stores",
        "list_stores",
        "Key stores in the order of their names",
        form::<message::StoreList>(),
        stores::list,
    )
    .paged(),
    change("/v1/stores", "create_store", "Create a key store", form::<message::Store>(), stores::create)
        .takes::<message::CreateStore>()
        .creates(),
    read("/v1/stores/{store}", "read_store", "Describe a key store", form::<message::Store>(), stores::show),
    read(
        "/v1/stores/{store}/authority",
        "read_authority",
        "The authority that issues the store's client certificates",
        form::<message::StoreAuthority>(),
        certificates::authority,
    ),
    change(
        "/v1/stores/{store}/certificates",
        "issue_certificate",
        "Issue a client certificate",
        form::<message::IssuedCertificate>(),
        certificates::issue,
    )
    .takes::<message::IssueCertificate>()
    .creates(),
    read(
        "/v1/stores/{store}/keys",
        "list_keys",
        "Keys of a store in the order of their names",
        form::<message::KeyList>(),
        keys::list,
    )
    .paged(),
    change(
        "/v1/stores/{store}/keys",
        "create_keys",
        "Create keys, all or none",
        form::<message::KeyList>(),
        keys::create,
    )
    .takes::<message::CreateKeys>()
    .creates()
    .within(CREATE_KEYS_BODY_SIZE_MAX, CREATE_KEYS_TIME),
    read("/v1/stores/{store}/keys/{key}", "read_key", "Describe a key", form::<message::Key>(), keys::show),
    change(
        "/v1/stores/{store}/keys/{key}/rotate",
        "rotate_key",
        "Add a version and make it the current one",
        form::<message::Key>(),
        keys::rotate,
    ),
    change(
        "/v1/stores/{store}/keys/{key}/disable",
        "disable_key",
        "Refuse every cryptographic operation",
        form::<message::Key>(),
        keys::disable,
    ),
    change(
        "/v1/stores/{store}/keys/{key}/enable",
        "enable_key",
        "Make a disabled key available again",
        form::<message::Key>(),
        keys::enable,
    ),
    change(
        "/v1/stores/{store}/keys/{key}/request-deletion",
        "request_deletion",
        "Refuse every cryptographic operation, and delete the key after a wait",
        form::<message::Key>(),
        keys::request_deletion,
    )
    .takes::<message::RequestDeletion>(),
    change(
        "/v1/stores/{store}/keys/{key}/cancel-deletion",
        "cancel_deletion",
        "Keep a key whose deletion was requested; it is disabled then",
        form::<message::Key>(),
        keys::cancel_deletion,
    ),
    change(
        "/v1/stores/{store}/keys/{key}/delete-now",
        "delete_now",
        "Delete a key whose deletion was requested, for good, without the rest of the wait",
        form::<message::Key>(),
        keys::delete_now,
    ),
    change(
        "/v1/stores/{store}/keys/{key}/set-rotation",
        "set_rotation",
        "Have a key rotated by itself, or no longer",
        form::<message::Key>(),
        keys::set_rotation,
    )
    .takes::<message::SetRotation>(),
    change(
        "/v1/stores/{store}/keys/{key}/set-lowest-version",
        "set_lowest_version",
        "Refuse ciphertexts of lower versions",
        form::<message::Key>(),
        keys::set_lowest_version,
    )
    .takes::<message::SetLowestVersion>(),
    change(
        "/v1/stores/{store}/keys/{key}/versions/{version}/disable",
        "disable_key_version",
        "Have a version do nothing, which is not the current one",
        form::<message::Key>(),
        keys::disable_version,
    ),
    change(
        "/v1/stores/{store}/keys/{key}/versions/{version}/enable",
        "enable_key_version",
        "Make a disabled version active again",
        form::<message::Key>(),
        keys::enable_version,
    ),
    change(
        "/v1/stores/{store}/keys/{key}/versions/{version}/destroy",
        "destroy_key_version",
        "Destroy the material of a version for good, which is not the current one",
        form::<message::Key>(),
        keys::destroy_version,
    ),
];

/// One method on one path.
pub struct Route {
    /// GET reads, POST changes.
    pub method: Method,
    /// The path; parts in braces are parameters.
    pub path: &'static str,
    /// Its name in the API description and in the log.
    pub operation: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// Who may use it.
    pub role: Role,
    /// Most bytes of its body.
    pub body_size_max: usize,
    /// How long it may take, the body's arrival included.
    pub time: Duration,
    /// Whether it takes `after` and `limit`.
    pub paged: bool,
    /// The form of its body, if it takes one.
    pub request: Option<Form>,
    /// The form of its reply; without one, any JSON object.
    pub reply: Option<Form>,
    /// Status of its reply when it does what it was asked.
    pub success: StatusCode,
    /// Whether the same reply may come with status 503.
    pub may_be_unavailable: bool,
    /// What it does.
    pub(super) handler: Handler,
}

/// What a route does. Handlers may block: they are run on threads of their own.
pub(super) enum Handler {
    /// Reads, and answers.
    Read(fn(&ControlState, &Call) -> Result<Answer, Problem>),
    /// Finds out what is to change; `change::make` makes it and answers.
    Change(fn(&ControlState, &Call) -> Result<Change, Problem>),
}

/// The form of a message, for the API description.
pub struct Form {
    /// Its name.
    pub name: fn() -> Cow<'static, str>,
    /// Itself, and those that it is made of.
    pub schemas: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Route {
    /// Whether it changes anything.
    #[must_use]
    pub const fn changes(&self) -> bool {
        matches!(self.handler, Handler::Change(_))
    }

    const fn takes<T: ToSchema>(mut self) -> Self {
        self.request = form::<T>();
        self
    }

    const fn creates(mut self) -> Self {
        self.success = StatusCode::CREATED;
        self
    }

    const fn within(mut self, body_size_max: usize, time: Duration) -> Self {
        (self.body_size_max, self.time) = (body_size_max, time);
        self
    }

    const fn paged(mut self) -> Self {
        self.paged = true;
        self
    }

    const fn or_unavailable(mut self) -> Self {
        self.may_be_unavailable = true;
        self
    }
}

const fn read(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    reply: Option<Form>,
    handler: fn(&ControlState, &Call) -> Result<Answer, Problem>,
) -> Route {
    Route {
        method: Method::GET,
        path,
        operation,
        summary,
        role: Role::SystemAdministrator,
        body_size_max: 0,
        time: READ_TIME,
        paged: false,
        request: None,
        reply,
        success: StatusCode::OK,
        may_be_unavailable: false,
        handler: Handler::Read(handler),
    }
}

const fn change(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    reply: Option<Form>,
    handler: fn(&ControlState, &Call) -> Result<Change, Problem>,
) -> Route {
    Route {
        method: Method::POST,
        path,
        operation,
        summary,
        role: Role::SystemAdministrator,
        body_size_max: SMALL_BODY_SIZE_MAX,
        time: CHANGE_TIME,
        paged: false,
        request: form::<message::Nothing>(),
        reply,
        success: StatusCode::OK,
        may_be_unavailable: false,
        handler: Handler::Change(handler),
    }
}

const fn form<T: ToSchema>() -> Option<Form> {
    Some(Form {
        name: T::name,
        schemas: |schemas| {
            schemas.push((T::name().into_owned(), T::schema()));
            T::schemas(schemas);
        },
    })
}
