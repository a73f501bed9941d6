//! `orchestrateur commandes`: shows orders, and sends operators' commands for them to a running `serve`.

mod shown;

use std::time::Duration;

use axum::http::StatusCode;
use clap::{Args, Subcommand};
use saga_core::SagaId;
use serde_json::{Value, json};

use super::client::{Ask, Server, WAIT_DEFAULT_S};
use super::given::json_value;
use super::pages::{cursor, pages};
use crate::cli::output::{remark, say, say_json, say_line};
use crate::face::commande::Constat;

/// Orders: list them, look at one, stop one, bring a blocked one on.
#[derive(Debug, Args)]
pub(super) struct Commandes {
    #[command(flatten)]
    server: Server,
    /// Print JSON, as the API gives it, for programs.
    #[arg(long, global = true, env = "ORCHESTRATEUR_JSON")]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Orders, newest first. `--rollback BLOQUE` shows those that wait for an operator, and the call that is pending.
    List(List),
    /// One order: its state, the call that it waits for, the operators' commands, and every call.
    Show {
        /// The order's id.
        id: SagaId,
    },
    /// Stop an order that still goes forward; what was done is undone.
    Annuler {
        /// The order's id.
        id: SagaId,
        #[command(flatten)]
        wait: WaitFlag,
    },
    /// Try now what is to be tried later, or what could not be read.
    Reprendre {
        /// The order's id.
        id: SagaId,
        #[command(flatten)]
        who: Who,
        /// Why; it is kept in the order's history.
        #[arg(long)]
        raison: Option<String>,
        #[command(flatten)]
        wait: WaitFlag,
    },
    /// Report a finding about the step that an order is blocked at. The order goes on from there.
    Resoudre(Resoudre),
}

#[derive(Debug, Args)]
struct List {
    /// Only orders in this state, such as ECHEC_PAIEMENT.
    #[arg(long)]
    etat: Option<String>,
    /// Only orders whose rollback stands so: AUCUN, EN_COURS, TERMINE or BLOQUE.
    #[arg(long)]
    rollback: Option<String>,
    /// Only this client's orders.
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    client: Option<i64>,
    /// Only this shop's orders.
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    magasin: Option<i64>,
    /// Orders in a page.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// The next page, as the one before named it.
    #[arg(long)]
    cursor: Option<String>,
    /// All pages.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
struct Resoudre {
    /// The order's id.
    id: SagaId,
    /// The step that it is blocked at.
    #[arg(long)]
    etape: String,
    /// The finding.
    #[arg(long, value_enum, ignore_case = true)]
    constat: Constat,
    /// How you know; it is kept in the order's history.
    #[arg(long)]
    raison: String,
    #[command(flatten)]
    who: Who,
    /// With EXECUTEE, where undoing the step needs it: what the step's answer would have given, as JSON.
    #[arg(long, value_name = "JSON", value_parser = json_value)]
    sortie: Option<Value>,
    #[command(flatten)]
    wait: WaitFlag,
}

#[derive(Debug, Args)]
struct Who {
    /// Your name; it is kept in the order's history.
    #[arg(long, env = "ORCHESTRATEUR_PAR")]
    par: String,
}

#[derive(Debug, Args)]
struct WaitFlag {
    /// How long to wait for the result, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = WAIT_DEFAULT_S)]
    attendre: u64,
}

impl Commandes {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match &self.action {
            Action::List(list) => self.list(list).await,
            Action::Show { id } => self.show(*id).await,
            Action::Annuler { id, wait } => self.send_command(*id, "annuler", None, wait).await,
            Action::Reprendre { id, who, raison, wait } => {
                let body = json!({ "par": who.par, "raison": raison });
                self.send_command(*id, "reprendre", Some(body), wait).await
            }
            Action::Resoudre(resoudre) => {
                let mut body = json!({
                    "etape": resoudre.etape,
                    "constat": resoudre.constat,
                    "raison": resoudre.raison,
                    "par": resoudre.who.par,
                });
                if let Some(sortie) = &resoudre.sortie {
                    body["sortie"] = sortie.clone();
                }
                self.send_command(resoudre.id, "resoudre", Some(body), &resoudre.wait).await
            }
        }
    }

    async fn list(&self, list: &List) -> anyhow::Result<()> {
        let path = format!("/api/commandes?{}", list.query());
        let (rows, next) = pages(&self.server, path, list.all).await?;
        if self.json {
            say_json(&rows)?;
        } else {
            say(shown::list(&rows))?;
        }
        if let Some(cursor) = next.as_deref().and_then(cursor) {
            remark(format_args!("There are more: add --cursor {cursor}, or --all."));
        }
        Ok(())
    }

    async fn show(&self, id: SagaId) -> anyhow::Result<()> {
        let commande = self.server.ask(&Ask::get(format!("/api/commande/{id}"))).await?.json;
        let path = format!("/api/commande/{id}/historique?detail=etapes");
        let historique = pages(&self.server, path, true).await.map(|(lines, _)| lines);
        if self.json {
            let historique = historique.unwrap_or(Value::Null);
            return say_json(&json!({ "commande": commande, "historique": historique }));
        }
        say(shown::commande(&commande, &self.server.flag()))?;
        match historique {
            Ok(lines) => say(shown::historique(&lines)),
            // An order that is blocked for this reason shows it.
            Err(error) => say_line(format_args!("\nhistory\n  {error:#}")),
        }
    }

    /// Sends an operator's command for an order, and shows the result.
    async fn send_command(
        &self,
        id: SagaId,
        what: &str,
        body: Option<Value>,
        wait: &WaitFlag,
    ) -> anyhow::Result<()> {
        let path = format!("/api/commande/{id}/{what}");
        let wait = Some(Duration::from_secs(wait.attendre));
        let body = body.map(|body| body.to_string());
        let answer = self.server.ask(&Ask { body, wait, ..Ask::post(path) }).await?;
        if self.json {
            return say_json(&answer.json);
        }
        let commande = self.server.ask(&Ask::get(format!("/api/commande/{id}"))).await?.json;
        let server = self.server.flag();
        say(shown::commande(&commande, &server))?;
        if answer.status == StatusCode::ACCEPTED {
            say_line(format_args!("\nIt goes on. Look again: orchestrateur commandes show {id}{server}"))?;
        }
        Ok(())
    }
}

impl List {
    fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let numbers = [("client_id", self.client), ("magasin_id", self.magasin)];
        let numbers = numbers.map(|(name, number)| (name, number.map(|number| number.to_string())));
        let texts = [
            ("etat", self.etat.clone()),
            ("rollback", self.rollback.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("cursor", self.cursor.clone()),
        ];
        for (name, value) in numbers.into_iter().chain(texts) {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        }
        query.finish()
    }
}
