//! The dashboard's file: what Grafana needs of it, and its expressions as Grafana would send them.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::prometheus::{RANGE_SECONDS, SCRAPE_SECONDS, STEP_SECONDS};
use super::read;

const FILE: &str = "deploy/grafana/dashboards/orchestrateur.json";
/// Grafana's grid.
const COLUMNS: i64 = 24;

pub(super) struct Dashboard(Value);

impl Dashboard {
    pub(super) fn read() -> Self {
        Self(serde_json::from_str(&read(FILE)).unwrap())
    }

    fn panels(&self) -> &[Value] {
        self.0["panels"].as_array().map_or(&[], Vec::as_slice)
    }

    /// Every expression: its panel, the expression as it is sent, and whether it is asked for one moment only.
    pub(super) fn expressions(&self) -> Vec<(String, String, bool)> {
        let mut expressions = Vec::new();
        for panel in self.panels() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let place = format!("« {} »", panel["title"].as_str().unwrap());
                let expr = substitute(target["expr"].as_str().unwrap());
                expressions.push((place, expr, target["instant"] == true));
            }
        }
        expressions
    }

    /// The objections that Grafana would have, or an operator.
    fn objections(&self) -> Vec<String> {
        let mut objections = Vec::new();
        let variables = self.0["templating"]["list"].as_array().into_iter().flatten();
        let mut sources = variables.filter(|variable| variable["type"] == "datasource");
        if !sources.any(|source| source["name"] == "datasource" && source["query"] == "prometheus") {
            objections.push("there is no variable for the data source".to_owned());
        }
        for name in ["title", "uid"] {
            if self.0[name].as_str().is_none_or(str::is_empty) {
                objections.push(format!("the dashboard has no {name}"));
            }
        }
        let mut ids = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for panel in self.panels() {
            let title = panel["title"].as_str().unwrap_or_default();
            let mut object = |what: &str| objections.push(format!("panel {} ({title}): {what}", panel["id"]));
            if title.is_empty() {
                object("it has no title");
            }
            if !panel["id"].as_i64().is_some_and(|id| ids.insert(id)) {
                object("its id is missing, or another's too");
            }
            let place = |name: &str| panel["gridPos"][name].as_i64().unwrap_or(-1);
            let (x, y, w, h) = (place("x"), place("y"), place("w"), place("h"));
            if x < 0 || y < 0 || w < 1 || h < 1 || x + w > COLUMNS {
                object("it is outside of the grid");
            }
            let mut cells = (y..y + h).flat_map(|row| (x..x + w).map(move |column| (row, column)));
            if !cells.all(|cell| taken.insert(cell)) {
                object("it lies over another");
            }
            if panel["type"] == "row" {
                continue;
            }
            let by_variable = |value: &Value| value["datasource"]["uid"] == "${datasource}";
            let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
            if targets.is_empty()
                || targets.iter().any(|target| target["expr"].as_str().is_none_or(str::is_empty))
            {
                object("it has no expression");
            }
            if !by_variable(panel) || !targets.iter().all(by_variable) {
                object("it does not use the variable for its data source");
            }
            let references: BTreeSet<_> = targets.iter().map(|target| target["refId"].as_str()).collect();
            if references.len() != targets.len() || references.contains(&None) {
                object("its expressions have no names of their own");
            }
            if panel["fieldConfig"]["defaults"]["unit"].as_str().is_none() {
                object("it has no unit");
            }
        }
        objections
    }
}

/// Puts values in the place of Grafana's variables, by its rules: `$__rate_interval` is the larger of four scrapes
/// and one scrape more than the distance of two points.
pub(super) fn substitute(expr: &str) -> String {
    let rate_interval = (STEP_SECONDS as f64 + SCRAPE_SECONDS).max(4.0 * SCRAPE_SECONDS);
    let mut expr = expr.to_owned();
    // The longer names first: the others begin like them.
    for (name, value) in [
        ("__rate_interval", format!("{rate_interval}s")),
        ("__interval", format!("{STEP_SECONDS}s")),
        ("__range_s", RANGE_SECONDS.to_string()),
        ("__range", format!("{RANGE_SECONDS}s")),
    ] {
        expr = expr.replace(&format!("${{{name}}}"), &value).replace(&format!("${name}"), &value);
    }
    assert!(!expr.contains('$'), "no variable is left: {expr}");
    expr
}

#[test]
fn the_dashboard_has_what_grafana_needs() {
    let dashboard = Dashboard::read();
    assert_eq!(dashboard.objections(), Vec::<String>::new());
    assert!(dashboard.expressions().len() > 20);
}

/// A part of the objection, and the change of the dashboard that is objected to.
type Breakage = (&'static str, fn(&mut Value));

#[test]
fn what_grafana_would_trip_over_is_objected_to() {
    let broken: [Breakage; 10] = [
        ("its id is", |d| d["panels"][1]["id"] = d["panels"][0]["id"].clone()),
        ("it lies over", |d| d["panels"][1]["gridPos"] = d["panels"][0]["gridPos"].clone()),
        ("outside of the grid", |d| d["panels"][0]["gridPos"]["w"] = json!(25)),
        ("outside of the grid", |d| d["panels"][0]["gridPos"]["x"] = json!(22)),
        ("no title", |d| d["panels"][0]["title"] = json!("")),
        ("no expression", |d| d["panels"][0]["targets"] = json!([])),
        ("no expression", |d| d["panels"][0]["targets"][0]["expr"] = json!("")),
        ("for its data source", |d| d["panels"][0]["targets"][0]["datasource"]["uid"] = json!("prometheus")),
        ("no variable for", |d| d["templating"]["list"] = json!([])),
        ("no unit", |d| d["panels"][0]["fieldConfig"]["defaults"] = json!({})),
    ];
    for (expected, break_it) in broken {
        let mut dashboard = Dashboard::read();
        break_it(&mut dashboard.0);
        let objections = dashboard.objections();
        assert!(
            objections.iter().any(|objection| objection.contains(expected)),
            "{expected}: {objections:?}"
        );
    }
}

/// The first screen shows the figures that operators ask for first, in their words.
#[test]
fn the_first_screen_is_what_its_users_had() {
    let dashboard = Dashboard::read();
    let first_row = dashboard.panels().iter().position(|panel| panel["type"] == "row").unwrap();
    let titles: Vec<&str> =
        dashboard.panels()[..first_row].iter().map(|panel| panel["title"].as_str().unwrap()).collect();
    for title in [
        "Confirmées par minute",
        "Commandes par état, par minute",
        "Échecs par raison et service, par minute",
        "Requêtes par handler, par seconde",
        "Latence p95 par participant",
        "Commandes bloquées",
        "Bloquées depuis",
        "Plus longue attente en cours",
    ] {
        assert!(titles.contains(&title), "{title}: {titles:?}");
    }
}

#[derive(Deserialize)]
struct Datasources {
    datasources: Vec<Datasource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Datasource {
    r#type: String,
    url: String,
    json_data: JsonData,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonData {
    time_interval: String,
}

#[derive(Deserialize)]
struct Providers {
    providers: Vec<Provider>,
}

#[derive(Deserialize)]
struct Provider {
    r#type: String,
    options: Options,
}

#[derive(Deserialize)]
struct Options {
    path: String,
}

#[test]
fn grafana_is_told_where_prometheus_and_the_dashboard_are() {
    let text = read("deploy/grafana/provisioning/datasources/prometheus.yml");
    let Datasources { datasources } = serde_saphyr::from_str(&text).unwrap();
    let [source] = &datasources[..] else { panic!("one data source: {text}") };
    assert_eq!((&*source.r#type, &*source.url), ("prometheus", "http://prometheus:9090"));
    let scraped = format!("scrape_interval: {}\n", source.json_data.time_interval);
    assert!(read("deploy/prometheus/prometheus.yml").contains(&scraped), "both name the same interval");
    let text = read("deploy/grafana/provisioning/dashboards/orchestrateur.yml");
    let Providers { providers } = serde_saphyr::from_str(&text).unwrap();
    let [provider] = &providers[..] else { panic!("one provider: {text}") };
    assert_eq!((&*provider.r#type, &*provider.options.path), ("file", "/etc/grafana/dashboards"));
}
