//! Loads groups from the stored JSON form.

use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};
use crate::registry::buffer::{BufferAttributes, Lifetime};
use crate::registry::export::json::{FORMAT, VERSION};
use crate::registry::export::json_value::JsonValue;
use crate::registry::group::NOT_PLANNED;
use crate::registry::groups::{Groups, no_name};
use crate::registry::layout::Layout;
use crate::registry::layout::lifetimes::plan_holds;
use crate::registry::options::{LayoutOptions, Location, Precision, SharedPer};
use crate::registry::registry::BufferRegistry;

impl BufferRegistry {
    /// Registers the groups of a document that [`BufferRegistry::json`] has written, or a person in the same form. The first group
    /// becomes `parent`, which must be unknown; its children get keys of their own. A document that is malformed or longer than
    /// 64 MiB loads nothing; the error names line and column.
    ///
    /// A buffer may omit `persistent`, `aliases`, `precision` (f32) and `lifetime`; a group may omit `options` and `plan`. The
    /// `layout` members are ignored: offsets are computed anew.
    ///
    /// ```
    /// use backbuf::registry::BufferRegistry;
    /// let registry = BufferRegistry::new();
    /// let text = r#"{"format": "backbuf-layout", "version": 1, "groups": [{"buffers": [
    ///     {"name": "k1", "size": 100, "location": "shared"},
    ///     {"name": "tmp", "size": 30, "location": "local", "aliases": "k1"}]}]}"#;
    /// registry.load_json(1, text)?;
    /// assert_eq!(registry.shared_buffer_size(1)?, 100);
    /// let error = registry.load_json(2, "{\n  \"format\": 7}").unwrap_err();
    /// assert_eq!(error.to_string(), "json, line 2, column 13: expected a string");
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn load_json(&self, parent: u64, text: &str) -> Result<()> {
        let mut groups = self.lock_to_change()?;
        if groups.get(parent).is_some() {
            let reason = "has buffers already; remove them with clear_parent";
            return Err(Error::value(Status::Exists, "parent", parent, reason));
        }
        let loaded = read_document(text, parent, &groups)?;
        groups.merge(parent, loaded)
    }
}

impl Layout {
    /// The layout of the first group of a document that [`BufferRegistry::json`] has written.
    pub fn from_json(text: &str) -> Result<Layout> {
        let registry = BufferRegistry::new();
        registry.load_json(0, text)?;
        registry.layout(0)
    }
}

/// Builds the groups of a document, the first of them under `parent`. `taken` are the groups that they will join.
fn read_document(text: &str, parent: u64, taken: &Groups) -> Result<Groups> {
    let document = JsonValue::document(text)?;
    let [format, version, groups] = document.members(["format", "version", "groups"])?;
    let format = format.ok_or_else(|| document.refuse("a layout has a format"))?;
    if format.text()? != FORMAT {
        return Err(format.refuse("expected \"backbuf-layout\""));
    }
    let version = version.ok_or_else(|| document.refuse("a layout has a version"))?;
    if version.whole_number()? != VERSION {
        return Err(version.refuse("an unknown version; this library reads version 1"));
    }
    let groups = groups.ok_or_else(|| document.refuse("a layout has groups"))?.list()?;
    if groups.is_empty() {
        return Err(document.refuse("a layout has one group at least"));
    }
    let mut loader =
        Loader { groups: Groups::default(), keys: try_vec(groups.len())?, taken, next_free: u64::MAX };
    loader.keys.push(parent);
    while loader.keys.len() < groups.len() {
        let key = loader.free_key();
        loader.keys.push(key);
    }
    for (index, &group) in groups.iter().enumerate() {
        let key = loader.keys[index];
        let [options, buffers, _, _] = group.members(GROUP_MEMBERS)?;
        let options = given(options).map(read_options).transpose()?.unwrap_or_default();
        for buffer in buffers.ok_or_else(|| group.refuse("a group has buffers"))?.list()? {
            loader.register(key, options, buffer)?;
        }
    }
    // Plans come last: registering a buffer of a child drops the plans of its hosts.
    for (&group, &key) in groups.iter().zip(&loader.keys) {
        if key != parent && !loader.groups.is_child(key) {
            return Err(group.refuse("a group that is no child of another; a document holds one layout"));
        }
        let [_, _, plan, _] = group.members(GROUP_MEMBERS)?;
        if let Some(plan) = given(plan) {
            read_plan(&mut loader.groups, key, plan)?;
        }
    }
    Ok(loader.groups)
}

const GROUP_MEMBERS: [&str; 4] = ["options", "buffers", "plan", "layout"];

/// A member that is present and not null.
fn given(member: Option<JsonValue<'_>>) -> Option<JsonValue<'_>> {
    member.filter(|value| !value.is_null())
}

fn read_options(value: JsonValue<'_>) -> Result<LayoutOptions> {
    let [typed, bank_skew, protect_persistent, shared_per] =
        value.members(["typed", "bank_skew", "protect_persistent", "shared_per"])?;
    let defaults = LayoutOptions::default();
    let flag = |member: Option<JsonValue<'_>>, default| member.map_or(Ok(default), JsonValue::flag);
    Ok(LayoutOptions {
        typed: flag(typed, defaults.typed)?,
        bank_skew: flag(bank_skew, defaults.bank_skew)?,
        protect_persistent: flag(protect_persistent, defaults.protect_persistent)?,
        shared_per: match shared_per {
            None => defaults.shared_per,
            Some(name) => SharedPer::from_name(&name.text()?)?,
        },
    })
}

fn read_lifetime(value: JsonValue<'_>) -> Result<Lifetime> {
    let [begin, end] = value.pair("expected [begin, end], the end not included")?;
    Ok(Lifetime { begin: begin.whole_number()?, end: end.whole_number()? })
}

fn read_plan(groups: &mut Groups, key: u64, value: JsonValue<'_>) -> Result<()> {
    let group = groups.get(key).ok_or_else(|| value.refuse("a plan without buffers"))?;
    let mut plan = try_vec(group.entries.len())?;
    plan.resize(group.entries.len(), NOT_PLANNED);
    for pair in value.list()? {
        let [name, offset] = pair.pair("expected [name, offset]")?;
        let (name, offset) = (name.text()?, offset.whole_number()?);
        let index = group.find(&name).ok_or_else(|| no_name(&name))?;
        let entry = &group.entries[index];
        if entry.alias.is_some() || entry.attributes.lifetime.is_none() || plan[index] != NOT_PLANNED {
            let reason = "a plan places each buffer once, and only those with a lifetime that are no alias";
            return Err(pair.refuse(reason));
        }
        if group.options.protect_persistent && entry.attributes.persistent {
            let reason = "a plan does not place a persistent buffer where protect_persistent is set";
            return Err(pair.refuse(reason));
        }
        plan[index] = offset;
    }
    groups.set_plan(key, plan);
    let (group, all) = groups.arranged(key)?;
    if plan_holds(group, all)? {
        Ok(())
    } else {
        Err(value.refuse("a plan in which buffers overlap while both are alive, or are not aligned"))
    }
}

/// The groups that have been read so far.
struct Loader<'a> {
    groups: Groups,
    /// By number of the group in the document.
    keys: Vec<u64>,
    /// The groups that those of the document will join.
    taken: &'a Groups,
    /// No key above it is free.
    next_free: u64,
}

impl Loader<'_> {
    /// A key without a group, a different one with each call.
    fn free_key(&mut self) -> u64 {
        loop {
            let key = self.next_free;
            self.next_free = key.wrapping_sub(1);
            if self.keys.first() != Some(&key) && !self.taken.is_known(key) {
                return key;
            }
        }
    }

    /// Registers an element of `buffers`.
    fn register(&mut self, key: u64, options: LayoutOptions, value: JsonValue<'_>) -> Result<()> {
        const MEMBERS: [&str; 9] =
            ["child", "group", "name", "size", "location", "persistent", "aliases", "precision", "lifetime"];
        let members = value.members(MEMBERS)?;
        let [child, group, name, size, location, persistent, aliases, precision, lifetime] = members;
        let aliases = given(aliases).map(JsonValue::text).transpose()?;
        if let Some(child) = child {
            let of_buffers = [name, size, location, persistent, precision, lifetime];
            if let Some(other) = of_buffers.into_iter().flatten().next() {
                return Err(other.refuse("a child has no such member"));
            }
            let group = group.ok_or_else(|| value.refuse("a child needs a group: its number, or null"))?;
            let child_key = self.child_key(group)?;
            return self.groups.register_child(key, options, &child.text()?, child_key, aliases.as_deref());
        }
        if let Some(group) = group {
            return Err(group.refuse("only a child has such a member"));
        }
        let name = name.ok_or_else(|| value.refuse("a buffer needs a name"))?.text()?;
        let attributes = || {
            Ok(BufferAttributes {
                size: size.ok_or_else(|| value.refuse("a buffer needs a size"))?.whole_number()?,
                location: Location::from_name(
                    &location.ok_or_else(|| value.refuse("a buffer needs a location"))?.text()?,
                )?,
                persistent: persistent.map_or(Ok(false), JsonValue::flag)?,
                precision: match precision {
                    None => Precision::default(),
                    Some(name) => Precision::from_name(&name.text()?)?,
                },
                lifetime: given(lifetime).map(read_lifetime).transpose()?,
            })
        };
        self.groups
            .change_or_create(key, options, |group| group.register(&name, aliases.as_deref(), attributes))
    }

    /// The key of a child: that of a group of the document, or a free one for null, which is a child without buffers.
    fn child_key(&mut self, group: JsonValue<'_>) -> Result<u64> {
        if group.is_null() {
            return Ok(self.free_key());
        }
        let number = usize::try_from(group.whole_number()?).ok();
        let key = number.and_then(|number| self.keys.get(number)).copied();
        key.ok_or_else(|| group.refuse("the document has no group of that number"))
    }
}
