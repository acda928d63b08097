//! `/api/schema/`, `/api/docs/`, `/api/redoc/`: the API's description, as data and as pages. Everything is in the binary;
//! the pages' content security policy keeps them from asking any other host.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::openapi::OpenApi;
use utoipa_actix_web::service_config::ServiceConfig;
use utoipa_swagger_ui::Config;

use super::dist;
use super::endpoint::Endpoint;
use super::problem::{Code, Problem, problems};

const REDOC_BUNDLE: &str = "redoc.standalone.js";
/// Where the pages find the schema, from their own address: so they also work behind a proxy's prefix.
const SCHEMA_FROM_PAGES: &str = "../schema/";
const HTML: &str = "text/html; charset=utf-8";

/// What the pages may load: what this service serves. Styles and images are also made in the page itself, and ReDoc
/// searches in a worker that it makes of a blob.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; child-src blob:; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const REDOC_PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>pricetime: the API</title>
<link rel="icon" href="../../icon.svg" type="image/svg+xml">
<style>body { margin: 0; }</style>
</head>
<body>
<redoc spec-url="../schema/"></redoc>
<script src="redoc.standalone.js"></script>
</body>
</html>
"#;

const REDOC_MISSING: &str = r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>pricetime: the API</title></head>
<body>
<p>This build has no ReDoc in it. Run <code>make prepare</code>, which fetches the redoc bundle, and build again.
Until then, the same description is at <a href="../docs/">/api/docs/</a> and <a href="../schema/">/api/schema/</a>.</p>
</body>
</html>
"#;

/// The schema in both of its forms, written once.
#[derive(Clone)]
pub struct Documents {
    json: Bytes,
    yaml: Bytes,
    swagger: Arc<Config<'static>>,
}

impl Documents {
    /// The documents of an API.
    ///
    /// # Panics
    /// If the schema cannot be written: a mistake that every start shows.
    pub fn new(openapi: &OpenApi) -> Documents {
        let (Ok(json), Ok(yaml)) = (openapi.to_json(), openapi.to_yaml()) else {
            panic!("the schema cannot be written");
        };
        // Swagger UI would otherwise ask a validator on another host.
        let swagger = Config::from(SCHEMA_FROM_PAGES).validator_url("none").use_base_layout();
        Documents { json: json.into(), yaml: yaml.into(), swagger: Arc::new(swagger) }
    }
}

problems! {
    /// What the schema may refuse with.
    SchemaProblems: InvalidParameter, HostNotAllowed
}

problems! {
    /// What a page may refuse with.
    PageProblems: HostNotAllowed
}

/// The resources: the schema, and its pages.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(Endpoint::new(__path_schema, schema))
        .service(Endpoint::new(__path_swagger, swagger))
        .service(Endpoint::new(__path_redoc, redoc));
}

/// The files of the pages.
pub fn files(config: &mut web::ServiceConfig) {
    config.route("/api/docs/{file}", web::get().to(swagger_file)).route("/api/redoc/{file}", web::get().to(redoc_file));
}

/// The schema
///
/// OpenAPI, as JSON; as YAML with `?format=yaml` or an `Accept` header that asks for it.
#[utoipa::path(
    get,
    path = "/api/schema/",
    tag = "documentation",
    operation_id = "schema",
    security(()),
    params(("format" = Option<String>, Query, description = "`json` or `yaml`; wins over `Accept`.", example = "yaml")),
    responses(
        (status = 200, description = "The schema.", content(
            (serde_json::Value = "application/json"),
            (String = "application/yaml")
        )),
        SchemaProblems
    )
)]
pub async fn schema(request: HttpRequest, documents: web::Data<Documents>) -> Result<HttpResponse, Problem> {
    let yaml = match request.query_string() {
        "" => prefers_yaml(&request),
        "format=json" => false,
        "format=yaml" => true,
        _ => {
            let detail = "the only query parameter is format, which is json or yaml";
            return Err(Problem::new(Code::InvalidParameter, detail).field("format"));
        }
    };
    let (kind, body) = if yaml { ("application/yaml", &documents.yaml) } else { ("application/json", &documents.json) };
    Ok(HttpResponse::Ok().content_type(kind).insert_header((header::VARY, "Accept")).body(body.clone()))
}

/// Whether the client names YAML before JSON.
fn prefers_yaml(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let place = |words: [&str; 2]| words.iter().filter_map(|word| accept.find(word)).min().unwrap_or(usize::MAX);
    place(["yaml", "vnd.oai.openapi"]) < place(["json", "*/*"])
}

/// Swagger UI
///
/// The API to try out, in a browser.
#[utoipa::path(
    get,
    path = "/api/docs/",
    tag = "documentation",
    operation_id = "swagger_ui",
    security(()),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 308, description = "Without the slash at the end: the page is at the address with it."),
        PageProblems
    )
)]
pub async fn swagger(request: HttpRequest, documents: web::Data<Documents>) -> Result<HttpResponse, Problem> {
    match redirect(&request, "docs/") {
        Some(redirect) => Ok(redirect),
        None => swagger_response("index.html", &documents),
    }
}

async fn swagger_file(file: web::Path<String>, documents: web::Data<Documents>) -> Result<HttpResponse, Problem> {
    swagger_response(&file, &documents)
}

fn swagger_response(file: &str, documents: &Documents) -> Result<HttpResponse, Problem> {
    let found = utoipa_swagger_ui::serve(file, Arc::clone(&documents.swagger)).map_err(|error| {
        tracing::error!(%error, "Swagger UI cannot be served");
        Problem::new(Code::InternalError, "the page cannot be made")
    })?;
    let found = found.ok_or_else(|| not_found(file))?;
    let mut response = page(&found.content_type);
    if found.gzpipped {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
    }
    Ok(response.body(found.bytes.into_owned()))
}

/// ReDoc
///
/// The API to read, in a browser.
#[utoipa::path(
    get,
    path = "/api/redoc/",
    tag = "documentation",
    operation_id = "redoc",
    security(()),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = 308, description = "Without the slash at the end: the page is at the address with it."),
        PageProblems
    )
)]
pub async fn redoc(request: HttpRequest) -> HttpResponse {
    let redirect = redirect(&request, "redoc/");
    let text = if dist::has(REDOC_BUNDLE) { REDOC_PAGE } else { REDOC_MISSING };
    redirect.unwrap_or_else(|| page(HTML).body(text))
}

async fn redoc_file(request: HttpRequest, file: web::Path<String>) -> Result<HttpResponse, Problem> {
    let found = file.starts_with("redoc.").then(|| dist::file(&request, &file, CONTENT_SECURITY_POLICY)).flatten();
    found.ok_or_else(|| not_found(&file))
}

fn page(kind: &str) -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response
        .content_type(kind)
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response
}

fn not_found(file: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no file {:?} here", super::fields::shortened(file)))
}

/// The pages load their files from beside themselves, which only works with the slash.
fn redirect(request: &HttpRequest, to: &'static str) -> Option<HttpResponse> {
    let bare = !request.path().ends_with('/');
    bare.then(|| HttpResponse::PermanentRedirect().insert_header((header::LOCATION, to)).finish())
}
