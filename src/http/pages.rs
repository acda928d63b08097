//! `/` and `/admin/`: the live order book and the administrator's pages. They are files of the binary that speak to the
//! API like any client; nothing in them comes from another host, and their policy holds them to it.

use actix_web::guard;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use super::dist;
use super::problem::{Code, Problem};

/// What the pages may load and do. The hash is that of the style with which lightweight-charts shows its makers' logo.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
     style-src 'self' 'sha256-3pRED1tOXas1FXFoPb9TGCjmYe9XQsmO9OV23khV2nY='; img-src 'self'; font-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const MARKET: &str = "index.html";
const ADMIN: &str = "admin/index.html";

const MISSING: &str = r#"<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>pricetime</title></head>
<body>
<h1>pricetime</h1>
<p>The service runs; this build has no pages in it. With Node.js 20.19 or newer and npm, run <code>make prepare</code>, which
builds them into <code>ui/dist</code>, and build the service again.</p>
<p>Everything can be done without them: <a href="api/docs/">the API</a>, <code>pricetime --help</code>.</p>
</body>
</html>
"#;

/// The pages and their files.
pub fn pages(config: &mut web::ServiceConfig) {
    for path in ["/", "/admin/", "/admin", "/icon.svg", "/licences.txt", "/assets/{file}"] {
        let read = web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(page);
        config.service(web::resource(path).route(read).default_service(web::to(refuse)));
    }
}

async fn refuse(request: HttpRequest) -> HttpResponse {
    let problem = Problem::new(Code::MethodNotAllowed, format!("{} is not served here", request.method()));
    problem.allowing("GET, HEAD")
}

async fn page(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let file = match request.path() {
        "/" => MARKET,
        "/admin/" => ADMIN,
        // The page loads its files from beside itself, which only works with the slash.
        "/admin" => return Ok(HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "admin/")).finish()),
        path => path.trim_start_matches('/'),
    };
    if let Some(response) = dist::file(&request, file, CONTENT_SECURITY_POLICY) {
        return Ok(response);
    }
    if [MARKET, ADMIN].contains(&file) {
        return Ok(HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
            .body(MISSING));
    }
    Err(Problem::new(Code::NotFound, format!("there is no file {:?} here", super::fields::shortened(file))))
}
