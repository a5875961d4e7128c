//! The API description (OpenAPI 3.1), made from the table of routes.

use claviger_control::message::{Approval, Problem as ProblemMessage};
use claviger_engine::limits::{LIST_PAGE_SIZE_MAX, NAME_SIZE_MAX};
use claviger_engine::person::Role;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder, Ref, RefOr, Required,
    ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use super::ControlState;
use super::answer::Answer;
use super::browser::REQUEST_HEADER;
use super::call::Call;
use super::permission::{EVERYBODY, Scope};
use super::problem::Problem;
use super::route::{Form, Route, read, routes};
use crate::limits::LIST_PAGE_SIZE;

/// This description.
pub(super) static ROUTES: &[Route] =
    &[read("/v1/openapi.json", "read_api", "This description", None, show).needs(&EVERYBODY)];

/// The description of every route.
#[must_use]
pub fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Claviger control port")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .build();
    let (mut paths, mut schemas) =
        (PathsBuilder::new(), vec![(ProblemMessage::name().into_owned(), ProblemMessage::schema())]);
    for route in routes() {
        let method = if route.takes_body() { HttpMethod::Post } else { HttpMethod::Get };
        paths = paths.path(route.path, PathItem::new(method, operation(route)));
        for form in route.request.iter().chain(&route.reply) {
            (form.schemas)(&mut schemas);
        }
    }
    let certificate = SecurityScheme::MutualTls {
        description: Some("a client certificate of a person, or of an administrators' authority".to_owned()),
        deprecated: None,
        extensions: None,
    };
    let components =
        ComponentsBuilder::new().schemas_from_iter(schemas).security_scheme(CERTIFICATE, certificate).build();
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components))
        .security(Some([SecurityRequirement::new(CERTIFICATE, [""; 0])]))
        .build()
}

fn show(_: &ControlState, _: &Call) -> Result<Answer, Problem> {
    Answer::ok(&document())
}

fn operation(route: &Route) -> OperationBuilder {
    let asks = route.approved.is_some() && matches!(route.permission.scope, Scope::Store | Scope::Key);
    let asks = asks.then(|| format!("{} (asks for it)", Role::Requester));
    let roles: Vec<_> = route.permission.all_roles().chain(asks).collect();
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.operation))
        .summary(Some(route.summary))
        .description(Some(format!("For: {}. Takes at most {} seconds.", roles.join(", "), route.time.as_secs())))
        .extensions(Some(ExtensionsBuilder::new().add("x-claviger-roles", roles).build()));
    for name in route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let (description, schema) = match name {
            "version" => {
                ("number of a version", ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).into())
            }
            _ => ("name or id", text()),
        };
        operation = operation.parameter(parameter(name, ParameterIn::Path, Required::True, description, schema));
    }
    if route.paged {
        let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[A-Za-z0-9._-]+$"));
        let name = name.max_length(Some(NAME_SIZE_MAX)).into();
        let after = parameter("after", ParameterIn::Query, Required::False, "only names after this one", name);
        let limit = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(LIST_PAGE_SIZE_MAX));
        let limit = parameter(
            "limit",
            ParameterIn::Query,
            Required::False,
            &format!("most of them in the reply; {LIST_PAGE_SIZE} unless given"),
            limit.into(),
        );
        operation = operation.parameter(after).parameter(limit);
    }
    if route.filtered {
        for (name, description) in FILTERS {
            operation = operation.parameter(parameter(name, ParameterIn::Query, Required::False, description, text()));
        }
    }
    for (name, description) in route.query {
        let number = |max| ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).maximum(Some(max)).into();
        let schema = match *name {
            "limit" => number(LIST_PAGE_SIZE_MAX),
            "after" | "from_file" => number(usize::MAX),
            _ => text(),
        };
        operation = operation.parameter(parameter(name, ParameterIn::Query, Required::False, description, schema));
    }
    if route.takes_body() {
        let description = "any value; a browser cannot be made to send it to a foreign site";
        operation = operation.parameter(parameter(
            REQUEST_HEADER.as_str(),
            ParameterIn::Header,
            Required::True,
            description,
            text(),
        ));
    }
    if route.revised {
        let description = "the revision of what is changed, in quotes, as it was seen; if it has another one by now, nothing is changed (412)";
        let revision = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^\"[0-9a-f]{16}\"$")).into();
        operation =
            operation.parameter(parameter("If-Match", ParameterIn::Header, Required::False, description, revision));
    }
    if route.makes_once() {
        let description = "any text of 1 to 64 printable characters: the same request with the same key is made once in 24 hours, and answered again as it was answered first";
        let key = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[!-~]{1,64}$")).into();
        operation =
            operation.parameter(parameter("Idempotency-Key", ParameterIn::Header, Required::False, description, key));
    }
    if let Some(form) = &route.request {
        let description = format!("at most {} bytes", route.body_size_max);
        let body = RequestBodyBuilder::new().description(Some(description)).required(Some(Required::True));
        operation = operation.request_body(Some(body.content("application/json", content(Some(form))).build()));
    }
    let reply = |description: &str| {
        ResponseBuilder::new().description(description).content(route.media_type, reply_content(route))
    };
    operation = operation.response(route.success.as_str(), reply("done"));
    if route.approved.is_some() {
        let content = Content::new(Some(Ref::from_schema_name(Approval::name())));
        let asked = ResponseBuilder::new()
            .description("not done yet: it needs an approval, and was asked for")
            .content("application/json", content);
        operation = operation.response("202", asked);
    }
    if route.may_be_unavailable {
        operation = operation.response("503", reply("not now"));
    }
    let problem = Content::new(Some(Ref::from_schema_name(ProblemMessage::name())));
    let problem = ResponseBuilder::new().description("refused, and why").content("application/problem+json", problem);
    operation.response("default", problem)
}

fn parameter(
    name: &str,
    place: ParameterIn,
    required: Required,
    description: &str,
    schema: Schema,
) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(description))
        .schema(Some(RefOr::T(schema)))
}

fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

fn reply_content(route: &Route) -> Content {
    if route.media_type == "application/json" {
        content(route.reply.as_ref())
    } else {
        Content::new(Some(RefOr::T(text())))
    }
}

fn content(form: Option<&Form>) -> Content {
    match form {
        Some(form) => Content::new(Some(Ref::from_schema_name((form.name)()))),
        None => Content::new(Some(RefOr::T(Schema::from(ObjectBuilder::new().schema_type(Type::Object))))),
    }
}

/// What keys can be asked to be like.
const FILTERS: [(&str, &str); 5] = [
    ("kind", "only keys of this kind"),
    (
        "state",
        "only keys in this state; `deleted`: those of the last 365 days, in the order of their ids, which `after` then names",
    ),
    ("prefix", "only keys whose names begin so"),
    ("name", "only keys whose names have this in them"),
    ("label", "only keys with this label: `NAME`, or `NAME=VALUE`"),
];

const CERTIFICATE: &str = "client_certificate";

const DESCRIPTION: &str = "Manages key stores, keys and client certificates. Cryptography is on the data port. \
    Changing requests need `Content-Type: application/json` and the header `Claviger-Request`. \
    Refusals are problems (RFC 9457) that say what to do next.";
