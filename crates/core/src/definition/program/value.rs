//! jaq's values, with every operation charged to the thread's [meter](super::meter) before it is done.
//!
//! The result of an operation is that of jaq; the tests compare both. One difference is intended: integers beyond the
//! range of a float become infinite, as in jq.

use std::fmt;
use std::io;

use jaq_core::ValR;
use jaq_core::val::{self, ValT as _};
use jaq_json::{Map, Num, Rc, Val};
use jaq_std::ValT as StdT;

use super::meter::{self, EXPRESSION_DEPTH_MAX, EXPRESSION_PATH_PARTS_MAX, Limit};
use super::weigh::{self, Compared};

mod access;
mod arithmetic;
mod places;

use self::places::{ends, position};

/// Bytes of an array's element, with the spare room of a growing array.
pub(super) const ELEMENT_BYTES: usize = 40;
/// Bytes of an object's member.
pub(super) const MEMBER_BYTES: usize = 96;
/// Bytes of an object, even of an empty one.
pub(super) const OBJECT_BYTES: usize = 240;
/// Bytes of an integer of more than 64 bits, beside its digits.
const LONG_INTEGER_BYTES: usize = 96;
/// Integers of more bits are infinite, because floats end there.
const INTEGER_BITS_MAX: u64 = 1024;

/// An error whose values are charged.
pub(super) type Error = jaq_core::Error<Metered>;

/// A value that is charged.
#[derive(Clone, Debug)]
pub(super) struct Metered {
    val: Val,
    /// The nesting of arrays and objects; it may be too large, never too small.
    depth: u32,
    /// Steps down to this value from a value that was made: at least the number of parts of a path to it.
    parts: u32,
    _live: Live,
}

/// Counts the values that are alive: the interpreter keeps the values that `reduce` and updates iterate over in
/// internal lists, which are not charged otherwise.
#[derive(Debug)]
struct Live;

impl Live {
    #[inline]
    fn new() -> Self {
        meter::value_made();
        Self
    }
}

impl Clone for Live {
    #[inline]
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl Drop for Live {
    #[inline]
    fn drop(&mut self) {
        meter::value_gone();
    }
}

impl Metered {
    /// A value that is no deeper than its parts.
    fn of(val: Val, depth: u32) -> Self {
        Self { val, depth, parts: 0, _live: Live::new() }
    }

    /// A value whose nesting is known.
    pub(super) fn new(val: Val, depth: u32) -> Self {
        Self::of(val, depth).shallow_enough()
    }

    /// A value without parts.
    pub(super) fn scalar(val: Val) -> Self {
        Self::of(val, 0)
    }

    /// A text that has been charged already.
    pub(super) fn text(text: Vec<u8>) -> Self {
        Self::scalar(Val::utf8_str(text))
    }

    pub(super) fn val(&self) -> &Val {
        &self.val
    }

    pub(super) fn into_val(self) -> Val {
        self.val
    }

    fn number(number: Num) -> Self {
        let val = Val::Num(number);
        match &val {
            Val::Num(Num::BigInt(int)) if int.bits() > INTEGER_BITS_MAX => {
                Self::scalar(val.as_f64().unwrap_or(f64::NAN).into())
            }
            Val::Num(Num::BigInt(int)) => {
                meter::bytes(LONG_INTEGER_BYTES + int.bits() as usize / 8);
                Self::scalar(val)
            }
            _ => Self::scalar(val),
        }
    }

    /// A value that is nested too deep would overflow the stack when it is dropped.
    fn shallow_enough(mut self) -> Self {
        if self.depth > EXPRESSION_DEPTH_MAX {
            self.depth = weigh::depth(&self.val);
            if self.depth > EXPRESSION_DEPTH_MAX {
                meter::over(Limit::Depth);
            }
        }
        self
    }

    /// A part of a value of this depth.
    fn inside(&self, val: Val) -> Self {
        inside(val, self.depth)
    }

    /// One step further down. A path is a list whose parts are dropped recursively, so its length is limited.
    fn below(mut self, parts: u32) -> Self {
        self.parts = parts + 1;
        if self.parts > EXPRESSION_PATH_PARTS_MAX {
            meter::over(Limit::Path);
        }
        self
    }

    fn split(self) -> (Val, u32) {
        (self.val, self.depth)
    }

    fn typ(self, what: &'static str) -> Error {
        Error::typ(self, what)
    }

    /// The value's JSON, as `tojson` and `tostring` give it.
    pub(super) fn json(&self) -> Vec<u8> {
        let mut text = Charged::default();
        // Writing to memory does not fail.
        _ = jaq_json::write::write(&mut text, &jaq_json::write::Pp::default(), 0, &self.val);
        text.0
    }

    /// The items of an array, as iterating gives them; `None`: it is no array.
    pub(super) fn items(&self) -> Option<impl Iterator<Item = Self> + '_> {
        let Val::Arr(items) = &self.val else { return None };
        meter::work(items.len() / 4);
        Some(items.iter().map(|item| self.inside(item.clone())))
    }

    /// The value for `key`, if it is there.
    pub(super) fn find(self, key: &Self) -> ValR<Option<Self>, Self> {
        match (&self.val, &key.val) {
            (Val::Null, _) => Ok(None),
            (Val::Arr(items), Val::Num(Num::Int(_) | Num::BigInt(_))) => Ok(position(key)
                .and_then(|at| at.within(items.len()))
                .and_then(|at| items.get(at))
                .map(|item| self.inside(item.clone()))),
            (Val::BStr(bytes), Val::Num(Num::Int(_) | Num::BigInt(_))) => Ok(position(key)
                .and_then(|at| at.within(bytes.len()))
                .and_then(|at| bytes.get(at))
                .map(|byte| Self::from(usize::from(*byte)))),
            (Val::Arr(_), Val::Arr(wanted)) if wanted.is_empty() => {
                Ok(Some(Self::new(Val::Arr(Rc::default()), 1)))
            }
            (Val::Arr(_), Val::Arr(_)) => self.indices(key).map(Some),
            (Val::Obj(members), key) => {
                weigh::lookup(key, members.len());
                Ok(members.get(key).map(|val| self.inside(val.clone())))
            }
            (Val::BStr(_) | Val::TStr(_) | Val::Arr(_), Val::Obj(bounds)) => {
                let (from, upto) = ends(bounds, key.depth);
                self.range(from.as_ref()..upto.as_ref()).map(Some)
            }
            _ => Err(Error::index(self, key.clone())),
        }
    }

    /// The places of `wanted` in a text or an array, as `indices` gives them.
    pub(super) fn indices(&self, wanted: &Self) -> ValR<Self, Self> {
        let found: Vec<usize> = match (&self.val, &wanted.val) {
            (Val::TStr(text), Val::TStr(part)) | (Val::BStr(text), Val::BStr(part)) => {
                if part.is_empty() {
                    return Ok([].into_iter().collect());
                }
                meter::work(text.len() + text.len() / 16 * (part.len() / 32));
                let is_text = matches!(self.val, Val::TStr(_));
                let starts = |at: &usize| !is_text || text[*at] & 0xc0 != 0x80;
                let places = (0..text.len()).filter(starts).enumerate();
                places.filter(|(_, at)| text[*at..].starts_with(part)).map(|(i, _)| i).collect()
            }
            (Val::Arr(items), Val::Arr(part)) => {
                if part.is_empty() {
                    return Ok([].into_iter().collect());
                }
                let windows = items.windows(part.len()).enumerate();
                let same = |window: &[Val]| {
                    meter::work(1);
                    window.iter().zip(part.iter()).all(|(a, b)| Compared(a) == Compared(b))
                };
                windows.filter(|(_, window)| same(window)).map(|(i, _)| i).collect()
            }
            (Val::Arr(items), item) => {
                let items = items.iter().enumerate();
                items.filter(|(_, other)| Compared(other) == Compared(item)).map(|(i, _)| i).collect()
            }
            _ => return Err(Error::index(self.clone(), wanted.clone())),
        };
        Ok(found.into_iter().map(Self::from).collect())
    }
}

fn inside(val: Val, depth: u32) -> Metered {
    let depth = match val {
        Val::Arr(_) | Val::Obj(_) => depth.saturating_sub(1),
        _ => 0,
    };
    Metered::of(val, depth)
}

/// Bytes that are charged before they are written.
#[derive(Default)]
struct Charged(Vec<u8>);

impl io::Write for Charged {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        meter::work(1 + part.len() / 16);
        // The spare room of the growing vector is charged, too.
        meter::bytes(part.len() * 2);
        if self.0.len() + part.len() > meter::EXPRESSION_TEXT_BYTES_MAX {
            meter::over(Limit::Text);
        }
        self.0.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes an array out of its reference counter; copies it if it is shared.
fn unshared(items: Rc<Vec<Val>>) -> Vec<Val> {
    meter::work(items.len() / 4);
    if Rc::strong_count(&items) > 1 {
        copied_array(items.len());
    }
    Rc::try_unwrap(items).unwrap_or_else(|items| (*items).clone())
}

fn unshared_members(members: Rc<Map>) -> Map {
    meter::work(members.len() / 4);
    if Rc::strong_count(&members) > 1 {
        copied_object(members.len());
    }
    Rc::try_unwrap(members).unwrap_or_else(|members| (*members).clone())
}

fn copied_array(len: usize) {
    meter::work(len);
    meter::bytes(40 + len * size_of::<Val>());
}

fn copied_object(len: usize) {
    meter::work(4 * len);
    meter::bytes(OBJECT_BYTES + len * MEMBER_BYTES);
}

impl fmt::Display for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Charges the written text; the rest of a text that is too long is not written.
        struct ChargedWriter<'a, 'f> {
            to: &'a mut fmt::Formatter<'f>,
            room: usize,
        }
        impl fmt::Write for ChargedWriter<'_, '_> {
            fn write_str(&mut self, part: &str) -> fmt::Result {
                meter::work(1 + part.len() / 16);
                meter::bytes(part.len() * 2);
                let Some(room) = self.room.checked_sub(part.len()) else {
                    meter::over(Limit::Text);
                    return Err(fmt::Error);
                };
                self.room = room;
                self.to.write_str(part)
            }
        }
        let mut writer = ChargedWriter { to: f, room: meter::EXPRESSION_TEXT_BYTES_MAX };
        fmt::Write::write_fmt(&mut writer, format_args!("{}", self.val))
    }
}

impl From<bool> for Metered {
    fn from(value: bool) -> Self {
        Self::scalar(value.into())
    }
}

impl From<isize> for Metered {
    fn from(value: isize) -> Self {
        Self::scalar(value.into())
    }
}

impl From<usize> for Metered {
    fn from(value: usize) -> Self {
        Self::scalar(value.into())
    }
}

impl From<f64> for Metered {
    fn from(value: f64) -> Self {
        Self::scalar(value.into())
    }
}

impl From<String> for Metered {
    fn from(value: String) -> Self {
        meter::text(value.len());
        Self::scalar(value.into())
    }
}

impl From<val::Range<Self>> for Metered {
    fn from(range: val::Range<Self>) -> Self {
        meter::bytes(OBJECT_BYTES + 2 * MEMBER_BYTES);
        let depth = [&range.start, &range.end].into_iter().flatten().map(|end| end.depth).max().unwrap_or(0);
        Self::new(Val::from(range.start.map(Self::into_val)..range.end.map(Self::into_val)), depth + 1)
    }
}

impl FromIterator<Self> for Metered {
    fn from_iter<T: IntoIterator<Item = Self>>(items: T) -> Self {
        meter::bytes(48);
        let mut depth = 0;
        let items = items.into_iter().map(|item| {
            meter::work(1);
            meter::bytes(ELEMENT_BYTES);
            depth = depth.max(item.depth);
            item.val
        });
        let items: Vec<Val> = items.collect();
        Self::new(Val::Arr(items.into()), depth + 1)
    }
}

impl PartialEq for Metered {
    fn eq(&self, other: &Self) -> bool {
        Compared(&self.val) == Compared(&other.val)
    }
}

impl Eq for Metered {}

impl PartialOrd for Metered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Metered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        Compared(&self.val).cmp(&Compared(&other.val))
    }
}

impl StdT for Metered {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self.split() {
            (Val::Arr(items), depth) => {
                Ok(unshared(items).into_iter().map(|item| inside(item, depth)).collect())
            }
            (val, depth) => Err(Self::of(val, depth)),
        }
    }

    fn is_int(&self) -> bool {
        self.val.is_int()
    }

    fn as_isize(&self) -> Option<isize> {
        self.val.as_isize()
    }

    fn as_f64(&self) -> Option<f64> {
        self.val.as_f64()
    }

    fn is_utf8_str(&self) -> bool {
        self.val.is_utf8_str()
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        let text = self.val.as_bytes();
        meter::work(text.map_or(0, <[u8]>::len) / 8);
        text
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        meter::bytes(48);
        Self::scalar(self.val.as_sub_str(part))
    }

    fn from_utf8_bytes(text: impl AsRef<[u8]> + Send + 'static) -> Self {
        meter::text(text.as_ref().len());
        Self::scalar(Val::from_utf8_bytes(text))
    }
}

/// Puts a member into an object.
fn put(members: &mut Map, key: Val, val: Val) {
    weigh::lookup(&key, members.len());
    meter::work(2);
    meter::bytes(MEMBER_BYTES);
    members.insert(key, val);
}

/// jaq's error for a case that cannot occur, because the types have been checked before.
fn lost(error: jaq_json::Error) -> Error {
    Error::new(Metered::scalar(error.into_val()))
}
