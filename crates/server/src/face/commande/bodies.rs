//! The bodies of operators' commands, and the explanation of every mistake in one. serde's own messages would not say
//! how to correct it.

use std::borrow::Cow;

use saga_core::Json;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{RefOr, schema::Object};
use utoipa::{PartialSchema, ToSchema};

use super::words::{self, Constat};
use crate::api::access::Principal;
use crate::api::members::{BodyMembers, TextMember};
use crate::api::problem::Problem;

/// The body of `reprendre`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reprise {
    /// The operator who asks.
    #[schema(value_type = String, max_length = 100, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$")]
    pub(crate) par: Box<str>,
    #[schema(value_type = Option<String>, max_length = 1_000, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$")]
    pub(crate) raison: Option<Box<str>>,
}

impl Reprise {
    pub(crate) fn read(body: &[u8], principal: &Principal) -> Result<Self, Problem> {
        let asked = BodyMembers::read(body, &["par", "raison"])?;
        Ok(Self { par: asked.asker(&PAR, principal)?, raison: asked.optional(&RAISON)? })
    }
}

/// The body of `resoudre`.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolution {
    /// The step that `blocage.etape` names.
    #[schema(value_type = String, max_length = 64, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$")]
    pub(crate) etape: Box<str>,
    pub(crate) constat: Constat,
    /// How they know.
    #[schema(value_type = String, max_length = 1_000, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$")]
    pub(crate) raison: Box<str>,
    /// The operator who found it.
    #[schema(value_type = String, max_length = 100, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$")]
    pub(crate) par: Box<str>,
    /// With `EXECUTEE`, where undoing the step needs it (`blocage.sortie_requise`): what the action's answer would have
    /// given. At most 16384 bytes.
    #[schema(value_type = Value, required = false)]
    pub(crate) sortie: Option<Json>,
}

impl Resolution {
    pub(crate) fn read(body: &[u8], principal: &Principal) -> Result<Self, Problem> {
        let asked = BodyMembers::read(body, &["etape", "constat", "raison", "par", "sortie"])?;
        let etape = asked.required(&ETAPE)?;
        let word = asked.required(&CONSTAT)?;
        let constat = words::read(&word).ok_or_else(|| {
            Problem::invalid(format!("`constat` must be {}, not `{}`", CONSTAT.says, word.escape_debug()))
        })?;
        let (raison, par) = (asked.required(&RAISON)?, asked.asker(&PAR, principal)?);
        Ok(Self { etape, constat, raison, par, sortie: sortie(&asked, constat)? })
    }
}

/// How the document shows [`Resolution`]: `sortie` goes with `EXECUTEE` alone.
pub(crate) struct ResolutionInDocument;

impl PartialSchema for ResolutionInDocument {
    fn schema() -> RefOr<Schema> {
        let shown = Resolution::schema();
        // A schema of another form than a struct's: shown as it is.
        let RefOr::T(Schema::Object(members)) = shown else { return shown };
        let (ran, mut not) = (members.clone(), members);
        not.properties.remove("sortie");
        RefOr::T(Schema::OneOf(
            OneOfBuilder::new()
                .item(with_constat(ran, &[Constat::Executee]))
                .item(with_constat(not, &[Constat::NonExecutee, Constat::Annulee]))
                .build(),
        ))
    }
}

impl ToSchema for ResolutionInDocument {
    fn name() -> Cow<'static, str> {
        Resolution::name()
    }
}

/// The object, whose `constat` is one of these.
fn with_constat(mut object: Object, words: &[Constat]) -> Object {
    let words = words.iter().map(|word| serde_json::json!(word));
    let constat = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build();
    object.properties.insert("constat".to_owned(), Schema::Object(constat).into());
    object
}

/// Characters of `par`.
const PAR_CHARS_MAX: usize = 100;
/// Characters of `raison`.
const RAISON_CHARS_MAX: usize = 1_000;
/// Characters of `etape`: as many as a step's name can have.
const ETAPE_CHARS_MAX: usize = 64;
/// Characters of `constat`; its words have fewer.
const CONSTAT_CHARS_MAX: usize = 20;
/// Bytes of `sortie`.
const SORTIE_BYTES_MAX: usize = 16 * 1024;

const PAR: TextMember =
    TextMember { name: "par", max: ("PAR_CHARS_MAX", PAR_CHARS_MAX), says: "who you are", example: "Ana" };
const RAISON: TextMember = TextMember {
    name: "raison",
    max: ("RAISON_CHARS_MAX", RAISON_CHARS_MAX),
    says: "how you know",
    example: "seen in the stock's journal",
};
const ETAPE: TextMember = TextMember {
    name: "etape",
    max: ("ETAPE_CHARS_MAX", ETAPE_CHARS_MAX),
    says: "the step that `blocage.etape` names",
    example: "stock",
};
const CONSTAT: TextMember = TextMember {
    name: "constat",
    max: ("CONSTAT_CHARS_MAX", CONSTAT_CHARS_MAX),
    says: "EXECUTEE (the step's effect is there), NON_EXECUTEE (it has none) or ANNULEE (it was undone by hand)",
    example: "ANNULEE",
};

/// The output that the action's answer would have given.
fn sortie(asked: &BodyMembers, constat: Constat) -> Result<Option<Json>, Problem> {
    let Some(value) = asked.raw("sortie") else { return Ok(None) };
    let text = value.get();
    if constat != Constat::Executee {
        return Err(Problem::invalid(
            "`sortie` goes with EXECUTEE only: nothing is undone otherwise; leave it out",
        ));
    }
    if text.len() > SORTIE_BYTES_MAX {
        let bytes = text.len();
        let detail =
            format!("`sortie` has {bytes} bytes; at most {SORTIE_BYTES_MAX} are taken (SORTIE_BYTES_MAX)");
        return Err(Problem::invalid(detail));
    }
    Json::parse(text.as_bytes())
        .map(Some)
        .map_err(|error| Problem::invalid(format!("`sortie` cannot be used: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_limits() {
        let reprise = serde_json::json!(Reprise::schema());
        let resolution = serde_json::json!(ResolutionInDocument::schema());
        let [ran, not] = [0, 1].map(|way| &resolution["oneOf"][way]);
        for (body, name, max) in [
            (&reprise, "par", PAR_CHARS_MAX),
            (&reprise, "raison", RAISON_CHARS_MAX),
            (ran, "etape", ETAPE_CHARS_MAX),
            (not, "raison", RAISON_CHARS_MAX),
            (not, "par", PAR_CHARS_MAX),
        ] {
            assert_eq!(body["properties"][name]["maxLength"], max, "{name}");
        }
        let sortie = ran["properties"]["sortie"]["description"].to_string();
        assert!(sortie.contains(&SORTIE_BYTES_MAX.to_string()), "{sortie}");
    }

    #[test]
    fn the_document_has_an_output_beside_an_executed_step_alone() {
        let resolution = serde_json::json!(ResolutionInDocument::schema());
        let ways: Vec<_> = resolution["oneOf"].as_array().expect("two ways").iter().collect();
        let shown = ways.iter().map(|way| {
            let members = &way["properties"];
            (
                members["constat"]["enum"].to_string(),
                members["sortie"].is_object(),
                &way["additionalProperties"],
            )
        });
        let no = &serde_json::json!(false);
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                (r#"["EXECUTEE"]"#.to_owned(), true, no),
                (r#"["NON_EXECUTEE","ANNULEE"]"#.to_owned(), false, no),
            ]
        );
    }
}
