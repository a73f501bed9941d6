//! The style sheet and the scripts, as the binary has them. Their addresses have a part of the hash of all of them, so that browsers may keep
//! them for as long as they like. It is the same for all: a script imports another one by an address beside its own.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// Where they are served.
pub const FOLDER: &str = "/console/assets/";

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// Its name.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub content: &'static str,
}

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All files.
pub const ASSETS: [Asset; 5] = [
    Asset { name: "console.css", media_type: STYLE, content: include_str!("../assets/console.css") },
    Asset { name: "live.js", media_type: SCRIPT, content: include_str!("../assets/live.js") },
    Asset { name: "act.js", media_type: SCRIPT, content: include_str!("../assets/act.js") },
    Asset { name: "keys.js", media_type: SCRIPT, content: include_str!("../assets/keys.js") },
    Asset { name: "time.js", media_type: SCRIPT, content: include_str!("../assets/time.js") },
];

static ADDRESSES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let hash = ASSETS.iter().fold(Sha256::new(), |hash, asset| hash.chain_update(asset.content)).finalize();
    let part: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    ASSETS.iter().map(|asset| format!("{FOLDER}{part}/{}", asset.name)).collect()
});

/// The address of the file of this name; a name that there is none of is its own address.
pub(crate) fn address(name: &str) -> String {
    let place = ASSETS.iter().position(|asset| asset.name == name);
    place.map_or_else(|| name.to_owned(), |place| ADDRESSES[place].clone())
}

/// The file at this address.
pub fn at(path: &str) -> Option<&'static Asset> {
    let place = ADDRESSES.iter().position(|address| address == path)?;
    ASSETS.get(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The folder that a script is in, and those that it imports.
    #[test]
    fn what_a_script_imports_is_beside_it() {
        for asset in &ASSETS {
            let (folder, _) =
                address(asset.name).rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            for imported in asset.content.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next())
            {
                assert!(at(&format!("{folder}/{imported}")).is_some(), "{} imports {imported}", asset.name);
            }
        }
    }
}
