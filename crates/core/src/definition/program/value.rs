//! jaq's values, with every operation charged to the thread's [meter](super::meter) before it is done.
//!
//! What an operation gives is what jaq's own gives; the tests hold both against each other. The differences are
//! deliberate: integers beyond the range of a float become infinite, as in jq.

use std::fmt;
use std::io;

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::ops::Math;
use jaq_core::path::Opt;
use jaq_core::val::{self, ValT};
use jaq_core::{Exn, ValR, ValX};
use jaq_json::{Map, Num, Rc, Val};
use jaq_std::ValT as StdT;

use super::meter::{self, EXPRESSION_DEPTH_MAX, EXPRESSION_PATH_PARTS_MAX, Limit};
use super::weigh::{self, Compared};

/// Bytes that an element of an array takes, with what its growth wastes.
pub(super) const ELEMENT_BYTES: usize = 40;
/// Bytes that a member of an object takes.
pub(super) const MEMBER_BYTES: usize = 96;
/// Bytes that an object takes, be it empty.
pub(super) const OBJECT_BYTES: usize = 240;
/// Bytes that an integer of more than 64 bits takes beside its digits.
const LONG_INTEGER_BYTES: usize = 96;
/// Integers of more bits are infinite: floats end there.
const INTEGER_BITS_MAX: u64 = 1024;

/// An error whose values are charged for.
pub(super) type Error = jaq_core::Error<Metered>;

/// A value that is charged for.
#[derive(Clone, Debug)]
pub(super) struct Metered {
    val: Val,
    /// Arrays and objects inside each other; it may say more than there are.
    depth: u32,
    /// Steps down to it from a value that was made: as many as a path to it has parts, or more.
    parts: u32,
    _live: Live,
}

/// Counts the values that are alive, whoever holds them: the interpreter keeps those that `reduce` and updates go
/// over in lists of its own, which nothing else charges.
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
    /// A value that is no deeper than those that it is made of.
    fn of(val: Val, depth: u32) -> Self {
        Self { val, depth, parts: 0, _live: Live::new() }
    }

    /// A value whose nesting is known.
    pub(super) fn new(val: Val, depth: u32) -> Self {
        Self::of(val, depth).shallow_enough()
    }

    /// A value that has nothing inside.
    pub(super) fn scalar(val: Val) -> Self {
        Self::of(val, 0)
    }

    /// A text, charged for by now.
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

    /// What is nested too deep would overflow the stack when it is dropped.
    fn shallow_enough(mut self) -> Self {
        if self.depth > EXPRESSION_DEPTH_MAX {
            self.depth = weigh::depth(&self.val);
            if self.depth > EXPRESSION_DEPTH_MAX {
                meter::over(Limit::Depth);
            }
        }
        self
    }

    /// Something inside of a value as deep as this.
    fn inside(&self, val: Val) -> Self {
        inside(val, self.depth)
    }

    /// One step further down. A path is a list whose parts are dropped one inside the other, so it is bounded.
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

    /// Where `wanted` is in a text or an array, as `indices` says.
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
        // What the vector's growth wastes is charged, too.
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

/// A place in a text or an array, counted from its end where it is negative.
#[derive(Clone, Copy)]
struct Place {
    from_start: bool,
    at: usize,
}

impl Place {
    /// The place from the start; `None` before it.
    fn within(self, len: usize) -> Option<usize> {
        if self.from_start { Some(self.at) } else { len.checked_sub(self.at) }
    }

    fn clipped(place: Option<Self>, len: usize, otherwise: usize) -> usize {
        place.map_or(otherwise, |place| place.within(len).unwrap_or(0).min(len))
    }
}

fn position(index: &Metered) -> Option<Place> {
    match &index.val {
        Val::Num(Num::Int(i)) => Some(Place { from_start: *i >= 0, at: i.unsigned_abs() }),
        Val::Num(Num::BigInt(i)) => {
            let from_start = index.as_f64().is_some_and(|float| float >= 0.0);
            Some(Place { from_start, at: usize::try_from(i.magnitude()).ok()? })
        }
        _ => None,
    }
}

/// The two ends of a range; `null` is no end.
fn range_of(range: val::Range<&Metered>) -> Result<val::Range<Place>, Error> {
    let place = |end: Option<&Metered>| match end {
        None => Ok(None),
        Some(end) if matches!(end.val, Val::Null) => Ok(None),
        Some(end) => position(end).map(Some).ok_or_else(|| end.clone().typ("integer")),
    };
    Ok(place(range.start)?..place(range.end)?)
}

fn ends(bounds: &Map, depth: u32) -> (Option<Metered>, Option<Metered>) {
    let end = |name: &'static str| {
        bounds.get(&Val::utf8_str(name.as_bytes())).map(|val| inside(val.clone(), depth))
    };
    (end("start"), end("end"))
}

/// Where a range begins, and how long it is.
fn clip(range: &val::Range<Place>, len: usize) -> (usize, usize) {
    let from = Place::clipped(range.start, len, 0);
    (from, Place::clipped(range.end, len, len).saturating_sub(from))
}

/// As [`clip`], counted in characters of a text.
fn clip_text(range: &val::Range<Place>, text: &[u8]) -> Result<(usize, usize), Error> {
    meter::work(text.len() / 8);
    let text = std::str::from_utf8(text).map_err(Error::str)?;
    let byte = |place: Place| {
        let mut chars = text.char_indices().map(|(at, _)| at);
        match (place.from_start, place.at) {
            (true, at) => chars.nth(at).unwrap_or(text.len()),
            (false, 0) => text.len(),
            (false, at) => chars.nth_back(at - 1).unwrap_or(0),
        }
    };
    let from = range.start.map_or(0, byte);
    Ok((from, range.end.map_or(text.len(), byte).saturating_sub(from)))
}

/// Takes an array out of its counter; where others hold it, too, it is copied.
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
        /// Charges what is written; the rest of a text that is too long is not written.
        struct Writer<'a, 'f> {
            to: &'a mut fmt::Formatter<'f>,
            room: usize,
        }
        impl fmt::Write for Writer<'_, '_> {
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
        let mut writer = Writer { to: f, room: meter::EXPRESSION_TEXT_BYTES_MAX };
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

impl std::ops::Add for Metered {
    type Output = ValR<Self>;

    fn add(self, other: Self) -> ValR<Self> {
        use Val::{Arr, BStr, Null, Num, Obj, TStr};
        let depth = self.depth.max(other.depth);
        match (self.val, other.val) {
            (Null, val) | (val, Null) => Ok(Self::of(val, depth)),
            (Num(a), Num(b)) => {
                meter::work(1);
                Ok(Self::number(a + b))
            }
            (TStr(a), TStr(b)) => {
                joined(&a, a.is_unique(), &b);
                (TStr(a) + TStr(b)).map(Self::scalar).map_err(lost)
            }
            (BStr(a), BStr(b)) => {
                joined(&a, a.is_unique(), &b);
                (BStr(a) + BStr(b)).map(Self::scalar).map_err(lost)
            }
            (Arr(a), Arr(b)) => {
                if Rc::strong_count(&a) > 1 {
                    copied_array(a.len());
                }
                meter::work(b.len());
                meter::bytes(b.len() * ELEMENT_BYTES);
                (Arr(a) + Arr(b)).map(|val| Self::of(val, depth)).map_err(lost)
            }
            (Obj(mut a), Obj(b)) => {
                if Rc::strong_count(&a) > 1 {
                    copied_object(a.len());
                }
                let members = Rc::make_mut(&mut a);
                for (key, val) in b.iter() {
                    put(members, key.clone(), val.clone());
                }
                Ok(Self::of(Obj(a), depth))
            }
            (a, b) => Err(Error::math(Self::of(a, depth), Math::Add, Self::of(b, depth))),
        }
    }
}

/// Charges a text that is put behind another one.
fn joined(a: &[u8], is_unique: bool, b: &[u8]) {
    if is_unique && a.len() + b.len() <= meter::EXPRESSION_TEXT_BYTES_MAX {
        // It grows in its place, now and then into a place of twice the size.
        meter::text(b.len() * 3);
        meter::work(a.len() / 64);
    } else {
        meter::text(a.len() + b.len());
    }
}

/// Puts a member into an object.
fn put(members: &mut Map, key: Val, val: Val) {
    weigh::lookup(&key, members.len());
    meter::work(2);
    meter::bytes(MEMBER_BYTES);
    members.insert(key, val);
}

/// jaq's own error where there cannot be one: the types have been looked at before.
fn lost(error: jaq_json::Error) -> Error {
    Error::new(Metered::scalar(error.into_val()))
}

impl std::ops::Sub for Metered {
    type Output = ValR<Self>;

    fn sub(self, other: Self) -> ValR<Self> {
        let (a_depth, b_depth) = (self.depth, other.depth);
        match (self.val, other.val) {
            (Val::Num(a), Val::Num(b)) => {
                meter::work(1);
                Ok(Self::number(a - b))
            }
            (Val::Arr(a), Val::Arr(b)) => {
                meter::bytes(b.len() * ELEMENT_BYTES);
                let without: std::collections::BTreeSet<_> = b.iter().map(Compared).collect();
                let mut items = unshared(a);
                items.retain(|item| !without.contains(&Compared(item)));
                Ok(Self::of(Val::Arr(items.into()), a_depth))
            }
            (a, b) => Err(Error::math(Self::of(a, a_depth), Math::Sub, Self::of(b, b_depth))),
        }
    }
}

impl std::ops::Mul for Metered {
    type Output = ValR<Self>;

    fn mul(self, other: Self) -> ValR<Self> {
        use Val::{BStr, Num, Obj, TStr};
        let (a_depth, b_depth) = (self.depth, other.depth);
        match (self.val, other.val) {
            (Num(a), Num(b)) => {
                meter::work(1);
                weigh::long_product(&a, &b);
                Ok(Self::number(a * b))
            }
            // As jaq has it: integers only.
            (text @ (TStr(_) | BStr(_)), Num(times)) if is_integer(&times) => repeated(text, times),
            (Num(times), text @ (TStr(_) | BStr(_))) if is_integer(&times) => repeated(text, times),
            (Obj(mut a), Obj(b)) => {
                merge(&mut a, b);
                Ok(Self::of(Obj(a), a_depth.max(b_depth)))
            }
            (a, b) => Err(Error::math(Self::of(a, a_depth), Math::Mul, Self::of(b, b_depth))),
        }
    }
}

fn is_integer(number: &Num) -> bool {
    matches!(number, Num::Int(_) | Num::BigInt(_))
}

/// A text, so many times.
fn repeated(text: Val, times: Num) -> ValR<Metered> {
    let times = Val::Num(times);
    let length = text.as_bytes().map_or(0, <[u8]>::len) as f64 * times.as_f64().unwrap_or(0.0).max(0.0);
    // Saturates, far beyond the limit.
    meter::text(length as usize);
    (text * times).map(Metered::scalar).map_err(lost)
}

/// Puts the members of `b` into `a`; where both have an object, those are merged alike.
fn merge(a: &mut Rc<Map>, b: Rc<Map>) {
    if Rc::strong_count(a) > 1 {
        copied_object(a.len());
    }
    let a = Rc::make_mut(a);
    for (key, val) in unshared_members(b) {
        weigh::lookup(&key, a.len());
        match (a.get_mut(&key), val) {
            (Some(Val::Obj(a)), Val::Obj(b)) => merge(a, b),
            (Some(old), val) => *old = val,
            (None, val) => put(a, key, val),
        }
    }
}

impl std::ops::Div for Metered {
    type Output = ValR<Self>;

    fn div(self, other: Self) -> ValR<Self> {
        let (a_depth, b_depth) = (self.depth, other.depth);
        match (self.val, other.val) {
            (Val::Num(a), Val::Num(b)) => {
                meter::work(1);
                Ok(Self::number(a / b))
            }
            (a @ Val::TStr(_), b @ Val::TStr(_)) | (a @ Val::BStr(_), b @ Val::BStr(_)) => {
                let (text, separator) = (a.as_bytes().unwrap_or(&[]), b.as_bytes().unwrap_or(&[]));
                meter::work(text.len() / 4 + text.len() / 16 * (separator.len() / 32));
                let parts = match (std::str::from_utf8(text), std::str::from_utf8(separator)) {
                    (_, Ok("")) => text.len(),
                    (Ok(text), Ok(separator)) => text.matches(separator).count(),
                    _ => text.len() / separator.len().max(1),
                };
                meter::work(parts);
                meter::bytes(48 + (parts + 1).saturating_mul(ELEMENT_BYTES + 48));
                (a / b).map(|val| Self::new(val, 1)).map_err(lost)
            }
            (a, b) => Err(Error::math(Self::of(a, a_depth), Math::Div, Self::of(b, b_depth))),
        }
    }
}

impl std::ops::Rem for Metered {
    type Output = ValR<Self>;

    fn rem(self, other: Self) -> ValR<Self> {
        let (a_depth, b_depth) = (self.depth, other.depth);
        match (self.val, other.val) {
            (Val::Num(a), Val::Num(b)) => {
                meter::work(1);
                weigh::long_product(&a, &b);
                let (a, b) = (Val::Num(a), Val::Num(b));
                (a % b).map(Self::scalar).map_err(lost)
            }
            (a, b) => Err(Error::math(Self::of(a, a_depth), Math::Rem, Self::of(b, b_depth))),
        }
    }
}

impl std::ops::Neg for Metered {
    type Output = ValR<Self>;

    fn neg(self) -> ValR<Self> {
        match self.val {
            // jaq makes `-+1.5` of it, which it cannot read itself.
            Val::Num(Num::Dec(text)) if text.starts_with('+') => {
                Ok(Self::scalar(Val::Num(Num::Dec(Rc::new(format!("-{}", &text[1..]))))))
            }
            Val::Num(number) => Ok(Self::number(-number)),
            _ => Err(self.typ("number")),
        }
    }
}

impl ValT for Metered {
    fn from_num(text: &str) -> ValR<Self> {
        meter::bytes(text.len() + 64);
        Val::from_num(text).map(Self::scalar).map_err(lost)
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(members: I) -> ValR<Self> {
        meter::bytes(OBJECT_BYTES);
        let (mut map, mut depth) = (Map::default(), 0);
        for (key, val) in members {
            depth = depth.max(key.depth).max(val.depth);
            put(&mut map, key.val, val.val);
        }
        Ok(Self::new(Val::obj(map), depth + 1))
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        let parts = self.parts;
        match self.split() {
            (Val::Arr(items), depth) => {
                let items = unshared(items).into_iter().enumerate();
                Box::new(
                    items
                        .map(move |(i, item)| Ok((Self::from(i as isize), inside(item, depth).below(parts)))),
                )
            }
            (Val::Obj(members), depth) => {
                let members = unshared_members(members).into_iter();
                Box::new(
                    members.map(move |(key, val)| Ok((inside(key, depth), inside(val, depth).below(parts)))),
                )
            }
            (val, depth) => box_once(Err(Self::of(val, depth).typ("iterable (array or object)"))),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        match self.split() {
            (Val::Arr(items), depth) => {
                Box::new(unshared(items).into_iter().map(move |item| Ok(inside(item, depth))))
            }
            (Val::Obj(members), depth) => {
                let members = unshared_members(members).into_iter();
                Box::new(members.map(move |(_, val)| Ok(inside(val, depth))))
            }
            (val, depth) => box_once(Err(Self::of(val, depth).typ("iterable (array or object)"))),
        }
    }

    fn index(self, index: &Self) -> ValR<Self> {
        let parts = self.parts;
        let found = self.find(index)?;
        Ok(found.unwrap_or_else(|| Self::scalar(Val::Null)).below(parts))
    }

    fn range(self, range: val::Range<&Self>) -> ValR<Self> {
        let parts = self.parts;
        let part = match self.split() {
            (Val::Arr(items), depth) => {
                let (skip, take) = clip(&range_of(range)?, items.len());
                copied_array(take);
                let items: Vec<Val> = items.iter().skip(skip).take(take).cloned().collect();
                Self::of(Val::Arr(items.into()), depth)
            }
            (Val::TStr(text), _) => {
                let (skip, take) = clip_text(&range_of(range)?, &text)?;
                Self::scalar(Val::utf8_str(text.slice(skip..skip + take)))
            }
            (Val::BStr(text), _) => {
                let (skip, take) = clip(&range_of(range)?, text.len());
                Self::scalar(Val::byte_str(text.slice(skip..skip + take)))
            }
            (val, depth) => return Err(Self::of(val, depth).typ("rangeable (array or string)")),
        };
        Ok(part.below(parts))
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match self.split() {
            (Val::Arr(items), depth) => {
                unshared(items).into_iter().flat_map(|item| f(inside(item, depth))).collect()
            }
            (Val::Obj(members), mut depth) => {
                let mut map = Map::default();
                let inner = depth;
                meter::bytes(OBJECT_BYTES);
                for (key, val) in unshared_members(members) {
                    if let Some(val) = f(inside(val, inner)).next().transpose()? {
                        depth = depth.max(val.depth + 1);
                        put(&mut map, key, val.val);
                    }
                }
                Ok(Self::new(Val::obj(map), depth))
            }
            (val, depth) => {
                opt.fail(Self::of(val, depth), |val| Exn::from(val.typ("iterable (array or object)")))
            }
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        if let (Val::BStr(_) | Val::TStr(_) | Val::Arr(_), Val::Obj(bounds)) = (&self.val, &index.val) {
            let (from, upto) = ends(bounds, index.depth);
            return self.map_range(from.as_ref()..upto.as_ref(), opt, f);
        }
        match self.split() {
            (Val::Obj(mut members), depth) => {
                if Rc::strong_count(&members) > 1 {
                    copied_object(members.len());
                }
                let map = Rc::make_mut(&mut members);
                weigh::lookup(&index.val, map.len());
                let old = map.get_mut(&index.val).map(std::mem::take);
                let is_there = old.is_some();
                let new = f(inside(old.unwrap_or_default(), depth)).next().transpose()?;
                weigh::lookup(&index.val, map.len());
                let mut depth = depth;
                match new {
                    Some(new) => {
                        depth = depth.max(new.depth + 1).max(index.depth + 1);
                        put(map, index.val.clone(), new.val);
                    }
                    None if is_there => drop(map.swap_remove(&index.val)),
                    None => {}
                }
                Ok(Self::new(Val::Obj(members), depth))
            }
            (Val::Arr(mut items), depth) => {
                let place = match position(index) {
                    Some(place) => place.within(items.len()).filter(|at| *at < items.len()),
                    None => {
                        let array = Self::of(Val::Arr(items), depth);
                        return opt.fail(array, |_| Exn::from(index.clone().typ("integer")));
                    }
                };
                let Some(at) = place else {
                    let array = Self::of(Val::Arr(items), depth);
                    let out = || Error::str(format_args!("index {index} out of bounds"));
                    return opt.fail(array, |_| Exn::from(out()));
                };
                if Rc::strong_count(&items) > 1 {
                    copied_array(items.len());
                }
                let list = Rc::make_mut(&mut items);
                let old = std::mem::take(&mut list[at]);
                let mut depth = depth;
                match f(inside(old, depth)).next().transpose()? {
                    Some(new) => {
                        depth = depth.max(new.depth + 1);
                        list[at] = new.val;
                    }
                    None => {
                        meter::work((list.len() - at) / 8);
                        list.remove(at);
                    }
                }
                Ok(Self::new(Val::Arr(items), depth))
            }
            (val, depth) => {
                opt.fail(Self::of(val, depth), |val| Exn::from(val.typ("iterable (array or object)")))
            }
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: val::Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let clipped = range_of(range).and_then(|range| match &self.val {
            Val::TStr(text) => clip_text(&range, text),
            Val::BStr(text) => Ok(clip(&range, text.len())),
            Val::Arr(items) => Ok(clip(&range, items.len())),
            _ => Ok((0, 0)),
        });
        if !matches!(self.val, Val::TStr(_) | Val::BStr(_) | Val::Arr(_)) {
            return opt.fail(self, |val| Exn::from(val.typ("array")));
        }
        let (skip, take) = match clipped {
            Ok(clipped) => clipped,
            Err(error) => return opt.fail(self, |_| Exn::from(error)),
        };
        match self.split() {
            (Val::Arr(items), depth) => {
                copied_array(take);
                let part: Vec<Val> = items.iter().skip(skip).take(take).cloned().collect();
                let new = f(Self::of(Val::Arr(part.into()), depth)).next().transpose()?;
                let (new, new_depth) = match new.map(Self::split) {
                    None => (Vec::new(), 0),
                    Some((Val::Arr(new), depth)) => (unshared(new), depth),
                    Some((val, depth)) => return Err(Self::of(val, depth).typ("array").into()),
                };
                let mut list = unshared(items);
                meter::work((list.len() + new.len()) / 8);
                meter::bytes(new.len() * ELEMENT_BYTES);
                list.splice(skip..skip + take, new);
                Ok(Self::new(Val::Arr(list.into()), depth.max(new_depth)))
            }
            (val, _) => {
                let is_text = matches!(val, Val::TStr(_));
                let make = |text: Vec<u8>| if is_text { Val::utf8_str(text) } else { Val::byte_str(text) };
                let (Val::TStr(text) | Val::BStr(text)) = val else { return Ok(Self::scalar(val)) };
                let part = text.slice(skip..skip + take);
                let part = if is_text { Val::utf8_str(part) } else { Val::byte_str(part) };
                let new = match f(Self::scalar(part)).next().transpose()? {
                    None => Vec::new(),
                    Some(Self { val: Val::TStr(new), .. }) if is_text => new.to_vec(),
                    Some(Self { val: Val::BStr(new), .. }) if !is_text => new.to_vec(),
                    Some(other) => return Err(other.typ("string").into()),
                };
                meter::text(text.len() - take + new.len());
                Ok(Self::scalar(make([&text[..skip], &new, &text[skip + take..]].concat())))
            }
        }
    }

    fn as_bool(&self) -> bool {
        self.val.as_bool()
    }

    fn into_string(self) -> Self {
        match self.val {
            Val::BStr(text) | Val::TStr(text) => Self::scalar(Val::TStr(text)),
            _ => Self::text(self.json()),
        }
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
