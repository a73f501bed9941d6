//! The console's pages, asked for as a browser asks.

mod flows;
mod inbox;
mod lists;
mod saga;
mod whole;

use std::collections::BTreeMap;

use crate::harness::World;
use crate::http::{Call, Reply};

/// A browser at one page: it keeps the cookie that it was given, and sends the page's own fields.
#[derive(Default)]
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
    /// The page that it shows.
    pub(crate) page: String,
}

impl Browser {
    fn with(&self, call: Call) -> Call {
        let call = call
            .header("accept", "text/html")
            .header("origin", "http://test")
            .header("sec-fetch-site", "same-origin");
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { call } else { call.header("cookie", cookies.join("; ")) }
    }

    fn take(&mut self, reply: &Reply) {
        if let Some((name, value)) =
            reply.header("set-cookie").and_then(|set| set.split(';').next()?.split_once('='))
        {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        self.page.clone_from(&reply.text);
    }

    /// Asks for an address.
    pub(crate) async fn get(&mut self, world: &World, path: &str) -> Reply {
        let reply = world.send(&self.with(Call::get(path))).await;
        self.take(&reply);
        reply
    }

    /// The page at an address, which must be there.
    #[track_caller]
    pub(crate) fn page<'b>(&'b mut self, world: &'b World, path: &str) -> impl Future<Output = String> + 'b {
        let (path, caller) = (path.to_owned(), std::panic::Location::caller());
        async move {
            let reply = self.get(world, &path).await;
            assert_eq!(reply.status, 200, "{path} at {caller}: {reply:?}");
            reply.text
        }
    }

    /// Where an address leads to.
    pub(crate) async fn led(&mut self, world: &World, path: &str) -> String {
        let reply = self.get(world, path).await;
        assert_eq!(reply.status, 303, "{path}: {reply:?}");
        reply.header("location").unwrap().to_owned()
    }

    /// The fields of the page's form for an action that hold its state, with their values.
    pub(crate) fn hidden(&self, action: &str) -> Vec<(String, String)> {
        let form = self.page.split(&format!("action=\"{action}\"")).nth(1);
        let form = form.unwrap_or_else(|| panic!("no form for {action}: {}", self.page));
        let form = form.split("</form>").next().unwrap();
        let field = |input: &str| {
            let value = |name: &str| {
                let (_, rest) = input.split_once(&format!("{name}=\""))?;
                Some(rest.split('"').next()?.replace("&#38;", "&"))
            };
            Some((value("name")?, value("value")?))
        };
        form.split("<input type=\"hidden\"").skip(1).filter_map(field).collect()
    }

    /// Sends fields to an address.
    pub(crate) async fn post(&mut self, world: &World, path: &str, fields: &[(String, String)]) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let call = Call::post(path).header("content-type", "application/x-www-form-urlencoded").body(body);
        let reply = world.send(&self.with(call)).await;
        self.take(&reply);
        reply
    }
}

/// Fields as a person fills them in, behind those of the page.
pub(crate) fn filled(mut hidden: Vec<(String, String)>, fields: &[(&str, &str)]) -> Vec<(String, String)> {
    hidden.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    hidden
}
