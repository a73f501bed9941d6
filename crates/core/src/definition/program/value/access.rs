//! Access to the inside of values: reading, iterating, changing.

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::{self, ValT};
use jaq_core::{Exn, ValR, ValX};
use jaq_json::{Map, Rc, Val};

use super::places::{clip, clip_text, ends, position, range_of};
use super::{
    ELEMENT_BYTES, Error, Metered, OBJECT_BYTES, copied_array, copied_object, inside, lost, put, unshared,
    unshared_members,
};
use crate::definition::program::{meter, weigh};

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
