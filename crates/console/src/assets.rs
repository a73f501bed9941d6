//! The style sheet and the scripts, as the binary has them. Their addresses have a part of their hash, so that browsers may keep
//! them for as long as they like.

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
    let address = |asset: &Asset| {
        let hash = Sha256::digest(asset.content);
        let part: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{FOLDER}{part}/{}", asset.name)
    };
    ASSETS.iter().map(address).collect()
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
