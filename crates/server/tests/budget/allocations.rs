//! Allocations, by the layer that made them: from dhat's file, which has each stack with its count.
//!
//! A function that was inlined has no path there, only its bare name and the end of its file's path. So a function of ours is known by its file, which
//! only our tree has, or by its path, where there is no file.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::figures::{Counts, Layer, Measure};
use crate::orders::Orders;

/// Frames beyond the first function of ours that still tell two places apart. Further out, the same place is reached in different ways:
/// a task may be polled from here or there.
const FRAMES_BEYOND: usize = 10;
/// Components of a path that dhat keeps.
const PATH_COMPONENTS: usize = 3;
/// The allocator's own frame, the innermost that says nothing.
const ALLOCATOR: &str = "__rustc::__rust_";

/// Blocks and bytes by place.
pub(crate) struct Allocations(BTreeMap<(Layer, Place), (u64, u64)>);

impl Allocations {
    pub(crate) fn read(file: &Path) -> Self {
        let file: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let sources = Sources::read();
        let frames = file["ftbl"].as_array().unwrap().iter();
        let frames: Vec<Frame<'_>> = frames.map(|it| Frame::parse(it.as_str().unwrap())).collect();
        let mut places: BTreeMap<(Layer, Place), (u64, u64)> = BTreeMap::new();
        for stack in file["pps"].as_array().unwrap() {
            let stacked = stack["fs"].as_array().unwrap().iter();
            let stacked: Vec<Frame<'_>> =
                stacked.map(|frame| frames[frame.as_u64().unwrap() as usize]).collect();
            let place = places.entry(sources.place(&stacked)).or_default();
            place.0 += stack["tbk"].as_u64().unwrap();
            place.1 += stack["tb"].as_u64().unwrap();
        }
        Self(places)
    }
}

/// The allocations of one of `orders`.
///
/// Each place counts as often as most orders allocate there: with 40 orders, 20 to 59 blocks are one for each order. So neither what a slow machine makes
/// a few orders do counts, nor that a list or a table grows once in a while.
pub(crate) fn of_one(counted: &Allocations, idle: &Allocations, orders: &Orders) -> Counts {
    let mut counts = Counts::default();
    let mut functions: BTreeMap<(Layer, String), (f64, f64)> = BTreeMap::new();
    for (key, (blocks, bytes)) in &counted.0 {
        let (layer, place) = (key.0, &key.1.functions);
        let by_itself = idle.0.get(key).map_or(0, |(blocks, _)| *blocks);
        let each = orders.each(*blocks, by_itself, layer == Layer::Journal);
        if each == 0.0 {
            continue;
        }
        let (blocks, bytes) = (*blocks as f64, *bytes as f64);
        let bytes = each * bytes / blocks;
        for layer in [layer, Layer::All] {
            counts.add(Measure::Allocations, layer, each);
            counts.add(Measure::BytesAllocated, layer, bytes);
        }
        let sum = functions.entry((layer, place.clone())).or_default();
        *sum = (sum.0 + each, sum.1 + bytes);
    }
    for ((layer, place), (each, bytes)) in functions {
        counts.details.push(format!("{layer}: {each} allocations, {bytes:.0} bytes: {place}"));
    }
    counts
}

/// A place that allocates: the functions, innermost first, and the lines in them. Lines tell apart the columns of a row, each of which allocates once;
/// they are not shown, for they change with each edit.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    functions: String,
    lines: String,
}

/// A function on a stack.
#[derive(Debug, Clone, Copy)]
struct Frame<'a> {
    name: &'a str,
    /// The end of its path; `???`: not known.
    file: &'a str,
    /// The line and the column in it.
    line: &'a str,
}

impl<'a> Frame<'a> {
    /// `0x1234: function (end/of/path.rs:1:2)`.
    fn parse(text: &'a str) -> Self {
        let text = text.split_once(": ").map_or(text, |(_, name)| name);
        let (name, place) = text.rsplit_once(" (").unwrap_or((text, "???"));
        let (file, line) = place.split_once(':').unwrap_or((place, ""));
        Self { name, file, line }
    }

    /// The function without the types that it was made for.
    fn short(&self) -> String {
        let name = match self.name.find('<') {
            Some(at) if at > 0 && !self.name.contains("::") => &self.name[..at],
            Some(at) if at > 0 && self.name.find("::").is_some_and(|path| path > at) => &self.name[..at],
            _ => self.name,
        };
        if self.file == "???" { name.to_owned() } else { format!("{name} ({})", self.file) }
    }
}

/// The ends of our sources' paths, with their layers.
struct Sources(BTreeMap<String, Layer>);

impl Sources {
    fn read() -> Self {
        let mut sources = Self(BTreeMap::new());
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for (name, layer) in [
            ("server", Layer::Server),
            ("core", Layer::Engine),
            ("engine", Layer::Engine),
            ("journal", Layer::Journal),
        ] {
            sources.add(&crates.join(name).join("src"), layer);
        }
        sources
    }

    fn add(&mut self, folder: &Path, layer: Layer) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let layer = if path.ends_with("engine/src/participants") { Layer::Calls } else { layer };
            if path.is_dir() {
                self.add(&path, layer);
                continue;
            }
            let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            let end = parts[parts.len() - PATH_COMPONENTS..].join("/");
            let other = self.0.insert(end, layer);
            assert!(other.is_none_or(|other| other == layer), "two layers have a file {}", path.display());
        }
    }

    /// The layer of a stack, innermost frame first, and its place.
    fn place(&self, frames: &[Frame<'_>]) -> (Layer, Place) {
        let begin = frames.iter().rposition(|frame| frame.name.starts_with(ALLOCATOR)).map_or(0, |at| at + 1);
        // Around the loop that polls tasks there is nothing of an order.
        let is_loop = |frame: &Frame<'_>| {
            frame.name.starts_with("tokio::runtime::task::") && frame.name.contains("poll")
        };
        let end = frames.iter().position(is_loop).unwrap_or(frames.len()).max(begin);
        let inside = &frames[begin..end];
        let found = inside.iter().enumerate().find_map(|(at, frame)| Some((at, self.layer(frame)?)));
        let (layer, end) = match found {
            Some((at, layer)) => (layer, inside.len().min(at + 1 + FRAMES_BEYOND)),
            None => (Layer::Runtime, inside.len()),
        };
        let functions: Vec<String> = inside[..end].iter().map(Frame::short).collect();
        let lines: Vec<&str> = inside[..end].iter().map(|frame| frame.line).collect();
        (layer, Place { functions: functions.join(" < "), lines: lines.join(" < ") })
    }

    /// The layer of a function, if it is one of ours. `<saga_core::Saga as core::clone::Clone>::clone` is.
    fn layer(&self, frame: &Frame<'_>) -> Option<Layer> {
        if let Some(layer) = self.0.get(frame.file) {
            return Some(*layer);
        }
        let path = frame
            .name
            .trim_start_matches(['<', '&', '('])
            .trim_start_matches("mut ")
            .trim_start_matches("dyn ");
        match path.split("::").next()? {
            "orchestrateur" => Some(Layer::Server),
            "saga_engine" if path.starts_with("saga_engine::participants") => Some(Layer::Calls),
            "saga_engine" | "saga_core" => Some(Layer::Engine),
            "saga_journal" => Some(Layer::Journal),
            _ => None,
        }
    }
}

/// Stacks whose layers are known.
pub(crate) fn layers_of_stacks() {
    let sources = Sources::read();
    for (frames, expected) in [
        (
            &[
                "0x1: orchestrateur::x (???:0:0)",
                "0x1: __rustc::__rust_alloc (a.rs:1:2)",
                "0x1: saga_journal::x (???:0:0)",
            ][..],
            Layer::Journal,
        ),
        (
            &["0x1: push<u8> (src/vec/mod.rs:1:2)", "0x2: {async_fn#0} (engine/src/catalog.rs:1:2)"],
            Layer::Engine,
        ),
        (
            &[
                "0x1: push<u8> (src/vec/mod.rs:1:2)",
                "0x2: call (src/participants/http.rs:1:2)",
                "0x3: act (src/driver/mod.rs:1:2)",
            ],
            Layer::Calls,
        ),
        (
            &[
                "0x1: <saga_core::Saga as core::clone::Clone>::clone (???:0:0)",
                "0x2: saga_journal::x (???:0:0)",
            ],
            Layer::Engine,
        ),
        (
            &["0x1: core::ptr::f (???:0:0)", "0x2: saga_engine::participants::http::call (???:0:0)"],
            Layer::Calls,
        ),
        (
            &[
                "0x1: rusqlite::prepare (???:0:0)",
                "0x2: <saga_journal::sqlite::Writer as X>::write (???:0:0)",
            ],
            Layer::Journal,
        ),
        (
            &[
                "0x1: hyper::f (???:0:0)",
                "0x2: tokio::runtime::task::raw::poll (???:0:0)",
                "0x3: orchestrateur::cli::run (???:0:0)",
            ],
            Layer::Runtime,
        ),
    ] {
        let frames: Vec<Frame<'_>> = frames.iter().map(|frame| Frame::parse(frame)).collect();
        assert_eq!(sources.place(&frames).0, expected, "{frames:?}");
    }
}
