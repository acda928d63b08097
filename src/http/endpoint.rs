//! One resource: both forms of its path, the operations that are documented, what each needs of its caller, and a 405 for
//! every other method.

use std::sync::Arc;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::guard::{self, Guard};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, Handler, HttpRequest, Resource, Responder, Route, web};
use utoipa::openapi::path::{HttpMethod, Paths};
use utoipa::openapi::{RefOr, Schema};
use utoipa_actix_web::OpenApiFactory;

use super::access::authorize::{Needs, authorize};
use super::access::need::{Need, asks};
use super::problem::{Code, Problem};

type Schemas = Vec<(String, RefOr<Schema>)>;

/// A resource. Its path and methods are those of the documentation, so that the two cannot differ.
pub struct Endpoint {
    path: String,
    /// Makes each operation's route, once for either form of the path.
    routes: Vec<Box<dyn Fn() -> Route>>,
    needs: Vec<(Method, Need)>,
    documented: Paths,
    schemas: Schemas,
}

impl Endpoint {
    /// A resource with its first operation: what `#[utoipa::path]` made of the handler, and the handler.
    pub fn new<D, F, Args>(documentation: D, handler: F) -> Endpoint
    where
        D: Documented,
        F: Handler<Args>,
        F::Output: Responder + 'static,
        Args: FromRequest + 'static,
    {
        let endpoint = Endpoint {
            path: D::path(),
            routes: Vec::new(),
            needs: Vec::new(),
            documented: Paths::new(),
            schemas: Vec::new(),
        };
        endpoint.and(documentation, handler)
    }

    /// The same resource with one more operation.
    ///
    /// # Panics
    /// If the operation is documented at another path: a mistake that every start shows.
    pub fn and<D, F, Args>(mut self, documentation: D, handler: F) -> Endpoint
    where
        D: Documented,
        F: Handler<Args>,
        F::Output: Responder + 'static,
        Args: FromRequest + 'static,
    {
        assert!(D::path() == self.path, "{} is no operation of {}", D::path(), self.path);
        let methods: Vec<Method> = D::methods().iter().flat_map(served).collect();
        let need = Need::of(&D::operation(), D::methods().iter().all(asks));
        self.needs.extend(methods.iter().map(|method| (method.clone(), need)));
        self.routes.push(Box::new(move || {
            let none = guard::Any(guard::fn_guard(|_| false));
            let any = methods.iter().fold(none, |any, method| any.or(exactly(method)));
            web::to(handler.clone()).guard(any)
        }));
        self.documented.merge(OpenApiFactory::paths(&documentation));
        OpenApiFactory::schemas(&documentation, &mut self.schemas);
        self
    }
}

/// What `#[utoipa::path]` makes of a handler.
pub trait Documented: utoipa::Path + OpenApiFactory {}

impl<D: utoipa::Path + OpenApiFactory> Documented for D {}

fn exactly(method: &Method) -> impl Guard + 'static {
    let method = method.clone();
    guard::fn_guard(move |context| context.head().method == method)
}

/// The methods that a documented one stands for: HEAD is GET without the body.
fn served(method: &HttpMethod) -> Vec<Method> {
    match method {
        HttpMethod::Get => vec![Method::GET, Method::HEAD],
        HttpMethod::Post => vec![Method::POST],
        HttpMethod::Put => vec![Method::PUT],
        HttpMethod::Patch => vec![Method::PATCH],
        HttpMethod::Delete => vec![Method::DELETE],
        HttpMethod::Options => vec![Method::OPTIONS],
        HttpMethod::Head => vec![Method::HEAD],
        HttpMethod::Trace => vec![Method::TRACE],
    }
}

impl HttpServiceFactory for Endpoint {
    fn register(self, config: &mut AppService) {
        let bare = self.path.trim_end_matches('/').to_owned();
        let slash = format!("{bare}/");
        let allow: Vec<String> = self.needs.iter().map(|(method, _)| method.to_string()).collect();
        let allow = allow.join(", ");
        let refuse = move |request: HttpRequest| {
            let problem = Problem::new(Code::MethodNotAllowed, format!("{} is not served here", request.method()));
            let response = problem.allowing(&allow);
            async move { response }
        };
        let needs: Needs = self.needs.into();
        // One resource for each form: of one with two patterns, actix makes a set of regular expressions, which took longer
        // than reading the order.
        for path in [slash, bare] {
            let resource = web::resource(path).default_service(web::to(refuse.clone()));
            let resource = self.routes.iter().map(|route| route()).fold(resource, Resource::route);
            let needs = Arc::clone(&needs);
            resource.wrap(from_fn(move |request, next| authorize(Arc::clone(&needs), request, next))).register(config);
        }
    }
}

impl OpenApiFactory for Endpoint {
    fn paths(&self) -> Paths {
        self.documented.clone()
    }

    fn schemas(&self, schemas: &mut Schemas) {
        schemas.extend(self.schemas.iter().cloned());
    }
}
