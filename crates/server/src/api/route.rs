//! Routes as they stand at their handlers (`#[utoipa::path]`). The part of a route that serves requests is made at the start of a process.
//! The part that describes it is made when somebody asks for it: all of them together take megabytes, and most processes are never asked.

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter};
use utoipa::openapi::path::Operation;
use utoipa::openapi::{HttpMethod, OpenApi};
use utoipa_axum::PathItemExt;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::Api;

/// The route of one handler. [`route`] makes it.
#[derive(Clone, Copy)]
pub(crate) struct HandlerRoute {
    pub(crate) path: fn() -> String,
    pub(crate) methods: fn() -> Vec<HttpMethod>,
    pub(crate) handler: fn(MethodFilter) -> MethodRouter<Api>,
    /// Its part of the document, without the schemas that it names.
    pub(crate) operation: fn() -> Operation,
    /// Its part of the document.
    pub(crate) described: fn() -> UtoipaMethodRouter<Api>,
}

/// Routes with what the document says of them together.
#[derive(Clone, Copy)]
pub(crate) struct RouteGroup {
    pub(crate) document: fn() -> OpenApi,
    pub(crate) routes: &'static [HandlerRoute],
}

/// The [`HandlerRoute`] of a handler: its module and its name.
macro_rules! route {
    ($module:ident :: $handler:ident) => {
        pastey::paste! {
            $crate::api::route::HandlerRoute {
                path: <$module::[<__path_ $handler>] as utoipa::Path>::path,
                methods: <$module::[<__path_ $handler>] as utoipa::Path>::methods,
                handler: |methods| axum::routing::on(methods, $module::$handler),
                operation: <$module::[<__path_ $handler>] as utoipa::Path>::operation,
                described: || utoipa_axum::routes!($module::$handler),
            }
        }
    };
}
pub(crate) use route;

/// The routes that serve requests.
pub(crate) fn served(routes: &[HandlerRoute]) -> Router<Api> {
    routes.iter().fold(Router::new(), |router, route| {
        let filters = (route.methods)().into_iter().map(|method| method.to_method_filter());
        let methods = filters.reduce(MethodFilter::or).expect("a handler is for some method");
        router.route(&(route.path)(), (route.handler)(methods))
    })
}

/// The document of all groups, to which `base` belongs.
pub(crate) fn described(base: OpenApi, groups: impl Iterator<Item = RouteGroup>) -> OpenApi {
    let described = |group: RouteGroup| {
        let begun = OpenApiRouter::with_openapi((group.document)());
        group.routes.iter().fold(begun, |router, route| router.routes((route.described)()))
    };
    let begun = OpenApiRouter::with_openapi(base);
    groups.fold(begun, |router, group| router.merge(described(group))).into_openapi()
}
