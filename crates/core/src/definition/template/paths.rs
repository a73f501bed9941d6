//! The names that a template reads, as far as its form shows them.

use super::{Piece, Reference, Template};

impl Template {
    /// Adds every path that is read from the scope: `.sale.id` is `["sale", "id"]`.
    pub fn paths(&self, found: &mut Vec<Vec<String>>) {
        match self {
            Self::Constant(_) => {}
            Self::Reference(reference) => found.push(reference.path()),
            Self::Text(pieces) => found.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Hole(reference) => Some(reference.path()),
                Piece::Literal(_) => None,
            })),
            Self::Object(members) => members.iter().for_each(|(_, member)| member.paths(found)),
            Self::Program(interpreted) => {
                found.extend(
                    Self::references(interpreted.program.code())
                        .map_or_else(|_| Vec::new(), |(paths, _)| paths),
                );
            }
        }
    }

    /// Whether a program in it reads `name`, or may read it: then the source of its value is not known.
    pub fn computes_from(&self, name: &str) -> bool {
        match self {
            Self::Object(members) => members.iter().any(|(_, member)| member.computes_from(name)),
            Self::Program(interpreted) => interpreted.reads(name),
            Self::Constant(_) | Self::Reference(_) | Self::Text(_) => false,
        }
    }
}

impl Reference {
    fn path(&self) -> Vec<String> {
        std::iter::once(&self.root).chain(&self.keys).map(ToString::to_string).collect()
    }
}
