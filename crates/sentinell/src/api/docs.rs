//! The OpenAPI description, generated from the handlers, and a page to browse it.

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use std::sync::LazyLock;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, Ref, RefOr};

/// What the description says before the paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sentinell",
        description = "An SRE agent that one may trust with the pager. Errors are RFC 9457 problem documents whose \
                       `detail` says what to do. Lists are newest first; `next_cursor` is null on the last page. Any \
                       POST may carry `Idempotency-Key`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(super::problem::Problem, super::problem::FieldError))
)]
pub(super) struct Description;

static JSON: LazyLock<serde_json::Value> = LazyLock::new(|| super::views::json_of(&super::openapi()));

/// The OpenAPI 3.1 description of this server.
pub async fn openapi_json() -> Response {
    Json(&*JSON).into_response()
}

/// A page that shows the description; it asks nobody but this server.
pub async fn page() -> Response {
    let mut answer = crate::ui::html(include_str!("../../assets/docs.html")).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

/// Adds to every operation what every operation may answer, and how one signs in.
pub(super) fn complete(api: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut api.paths.paths {
        let named = path.contains('{');
        for (method, operation) in operations(item) {
            // Handlers of different rooms share names; an id has to be one operation's alone.
            operation.operation_id = Some(operation_id(method, path));
            document(operation, path, named);
        }
    }
    let components = api.components.get_or_insert_default();
    let bearer =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token of POST /api/tokens")).build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let cookie =
        ApiKeyValue::with_description("sentinell_session", "A browser's session; changes also need X-CSRF-Token");
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, post, put, patch, delete, .. } = item;
    let all = [("get", get), ("post", post), ("put", put), ("patch", patch), ("delete", delete)];
    all.into_iter().filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

/// `get_api_incidents_id_journal` for `GET /api/incidents/{id}/journal`.
fn operation_id(method: &str, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::iter::once(method).chain(words).collect::<Vec<_>>().join("_")
}

/// Paths that answer anybody.
const PUBLIC: [&str; 3] = ["/api/health", "/api/ready", "/login"];

fn document(operation: &mut Operation, path: &str, named: bool) {
    let mut problems: Vec<(u16, &str)> = vec![
        (400, "The request cannot be read"),
        (421, "Another host was meant"),
        (429, "Too much at once; see Retry-After"),
        (500, "Our fault; the server's log has the cause"),
        (503, "Not now; see Retry-After"),
    ];
    if PUBLIC.contains(&path) {
        operation.security = Some(vec![SecurityRequirement::default()]);
    } else {
        problems.extend([(401, "Who is asking?"), (403, "This caller may not")]);
        let by = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
        operation.security = Some(vec![by("token"), by("session")]);
    }
    if named || operation.request_body.is_some() || path == "/stream" || path == "/api/stream" {
        problems.push((404, "Something that is named does not exist"));
    }
    if named {
        problems.extend([(409, "It does not fit the present state"), (410, "The time for it is over")]);
    }
    if operation.request_body.is_some() {
        problems.extend([
            (409, "It does not fit the present state"),
            (413, "The body is too large"),
            (415, "The body is not sent as JSON"),
            (422, "The body does not validate; `errors` points at the fields"),
        ]);
    }
    for (status, description) in problems {
        let content = Content::builder().schema(Some(RefOr::Ref(Ref::from_schema_name("Problem")))).build();
        let response = ResponseBuilder::new().description(description).content("application/problem+json", content);
        operation.responses.responses.entry(status.to_string()).or_insert_with(|| response.build().into());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_has_an_id_of_its_own() {
        let api = serde_json::to_value(crate::api::openapi()).unwrap();
        let mut seen = BTreeSet::new();
        for (path, item) in api["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                assert!(seen.insert(id.clone()), "{method} {path}: {id} is taken");
            }
        }
        assert!(seen.contains("get_api_incidents_id_journal"), "{seen:?}");
    }
}
