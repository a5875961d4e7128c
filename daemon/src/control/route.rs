//! All routes of the control port, as data. No route lacks a limit, and the API description is made from this table.

use std::borrow::Cow;
use std::time::Duration;

use claviger_control::message::Nothing;
use http::{Method, StatusCode};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::answer::Answer;
use super::approvals::Approved;
use super::call::Call;
use super::change::Change;
use super::permission::{MANAGE_INSTALLATION, Permission};
use super::problem::Problem;
use super::{
    ControlState, access, algorithms, aliases, approvals, audit, backups, certificates, emergency, health, imports,
    keys, metrics, openapi, persons, stores, system_keys, whoami, why_denied,
};
use crate::limits::{CHANGE_TIME, READ_TIME, SMALL_BODY_SIZE_MAX};

/// What the control port takes, area by area.
static TABLES: [&[Route]; 25] = [
    health::ROUTES,
    metrics::ROUTES,
    openapi::ROUTES,
    algorithms::ROUTES,
    stores::ROUTES,
    certificates::ROUTES,
    access::ROUTES,
    why_denied::ROUTES,
    keys::ROUTES,
    keys::life::ROUTES,
    keys::version::ROUTES,
    keys::secret::ROUTES,
    keys::about::ROUTES,
    keys::export::ROUTES,
    aliases::ROUTES,
    backups::ROUTES,
    imports::ROUTES,
    system_keys::ROUTES,
    emergency::ROUTES,
    persons::ROUTES,
    whoami::ROUTES,
    approvals::ROUTES,
    approvals::DECISIONS,
    approvals::POLICIES,
    audit::ROUTES,
];

/// All routes.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    TABLES.into_iter().flatten()
}

/// One method on one path.
pub struct Route {
    /// GET reads, POST changes, or asks what is too long for a path.
    pub method: Method,
    /// The path; parts in braces are parameters.
    pub path: &'static str,
    /// Its name in the API description and in the log.
    pub operation: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// Who may use it.
    pub permission: &'static Permission,
    /// What approval has to say to it, if it changes something that may need one.
    pub approved: Option<Approved>,
    /// Most bytes of its body.
    pub body_size_max: usize,
    /// How long it may take, the body's arrival included.
    pub time: Duration,
    /// Whether it takes `after` and `limit`.
    pub paged: bool,
    /// Whether it takes the revision of what it changes, as that was seen (`If-Match`).
    pub revised: bool,
    /// Whether its reply holds a secret that is told once.
    pub answers_once: bool,
    /// Whether it takes what keys are to be like.
    pub filtered: bool,
    /// What else its query may say: name and description each.
    pub query: &'static [(&'static str, &'static str)],
    /// The form of its body, if it takes one.
    pub request: Option<Form>,
    /// The form of its reply; without one, any JSON object, or a text if its media type is another.
    pub reply: Option<Form>,
    /// The media type of its reply.
    pub media_type: &'static str,
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
    /// Asks for a change, or decides one that somebody asks for: no approval is needed for that.
    Decide(fn(&ControlState, &Call) -> Result<Answer, Problem>),
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
        matches!(self.handler, Handler::Change(_) | Handler::Decide(_))
    }

    /// Whether it is asked by POST: it changes something, or takes a question that is too long for a path.
    #[must_use]
    pub const fn takes_body(&self) -> bool {
        self.body_size_max > 0
    }

    pub(super) const fn takes<T: ToSchema>(mut self) -> Self {
        self.request = form::<T>();
        self
    }

    pub(super) const fn needs(mut self, permission: &'static Permission) -> Self {
        self.permission = permission;
        self
    }

    pub(super) const fn accepts(mut self) -> Self {
        self.success = StatusCode::ACCEPTED;
        self
    }

    pub(super) const fn creates(mut self) -> Self {
        self.success = StatusCode::CREATED;
        self
    }

    pub(super) const fn within(mut self, body_size_max: usize, time: Duration) -> Self {
        (self.body_size_max, self.time) = (body_size_max, time);
        self
    }

    pub(super) const fn paged(mut self) -> Self {
        self.paged = true;
        self
    }

    pub(super) const fn answers_once(mut self) -> Self {
        self.answers_once = true;
        self
    }

    /// Whether it can be asked for once, by an idempotency key: whatever creates something.
    #[must_use]
    pub fn makes_once(&self) -> bool {
        matches!(self.handler, Handler::Change(_)) && self.success == StatusCode::CREATED
    }

    pub(super) const fn revised(mut self) -> Self {
        self.revised = true;
        self
    }

    pub(super) const fn filtered(mut self) -> Self {
        self.filtered = true;
        self
    }

    pub(super) const fn answers_in(mut self, media_type: &'static str) -> Self {
        self.media_type = media_type;
        self
    }

    pub(super) const fn asking(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }

    pub(super) const fn or_unavailable(mut self) -> Self {
        self.may_be_unavailable = true;
        self
    }
}

pub(super) const fn read(
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
        // Who says nothing else lets nobody else.
        permission: &MANAGE_INSTALLATION,
        approved: None,
        body_size_max: 0,
        time: READ_TIME,
        paged: false,
        revised: false,
        answers_once: false,
        filtered: false,
        query: &[],
        request: None,
        reply,
        media_type: JSON,
        success: StatusCode::OK,
        may_be_unavailable: false,
        handler: Handler::Read(handler),
    }
}

/// Reads, and takes a question that is too long for a path.
pub(super) const fn ask<T: ToSchema>(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    reply: Option<Form>,
    handler: fn(&ControlState, &Call) -> Result<Answer, Problem>,
) -> Route {
    let mut route = posted(path, operation, summary, reply, Handler::Read(handler)).takes::<T>();
    route.time = READ_TIME;
    route
}

pub(super) const fn change(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    approved: Approved,
    reply: Option<Form>,
    handler: fn(&ControlState, &Call) -> Result<Change, Problem>,
) -> Route {
    let mut route = posted(path, operation, summary, reply, Handler::Change(handler));
    route.approved = Some(approved);
    route
}

pub(super) const fn decide(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    reply: Option<Form>,
    handler: fn(&ControlState, &Call) -> Result<Answer, Problem>,
) -> Route {
    posted(path, operation, summary, reply, Handler::Decide(handler))
}

const fn posted(
    path: &'static str,
    operation: &'static str,
    summary: &'static str,
    reply: Option<Form>,
    handler: Handler,
) -> Route {
    Route {
        method: Method::POST,
        path,
        operation,
        summary,
        // Who says nothing else lets nobody else.
        permission: &MANAGE_INSTALLATION,
        approved: None,
        body_size_max: SMALL_BODY_SIZE_MAX,
        time: CHANGE_TIME,
        paged: false,
        revised: false,
        answers_once: false,
        filtered: false,
        query: &[],
        request: form::<Nothing>(),
        reply,
        media_type: JSON,
        success: StatusCode::OK,
        may_be_unavailable: false,
        handler,
    }
}

/// What nearly all routes answer in.
const JSON: &str = "application/json";

pub(super) const fn form<T: ToSchema>() -> Option<Form> {
    Some(Form {
        name: T::name,
        schemas: |schemas| {
            schemas.push((T::name().into_owned(), T::schema()));
            T::schemas(schemas);
        },
    })
}
