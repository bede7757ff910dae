//! Groups from JSON.

use super::parse::{Node, Parser, Value};
use super::{FORMAT, VERSION};
use crate::alloc::try_vec;
use crate::error::{Error, Result, Status};
use crate::registry::buffer::Spec;
use crate::registry::buffer::{Lifetime, Location, Precision};
use crate::registry::group::NOT_PLANNED;
use crate::registry::layout::Layout;
use crate::registry::lifetimes;
use crate::registry::options::{Options, SharedPer};
use crate::registry::registry::Registry;
use crate::registry::state::{State, no_name};

/// A document while it is read.
struct Reader<'a>(Parser<'a>);

/// The members of an object.
struct Members<'a> {
    at: usize,
    members: &'a [(String, Node)],
}

impl Reader<'_> {
    fn object<'n>(&self, node: &'n Node, known: &[&str]) -> Result<Members<'n>> {
        let Value::Object(members) = &node.value else {
            return Err(self.0.refuse(node.at, "expected an object"));
        };
        match members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((_, stranger)) => {
                Err(self.0.refuse(stranger.at, "the value of a member that no layout has"))
            }
            None => Ok(Members { at: node.at, members }),
        }
    }

    fn required<'n>(&self, object: &Members<'n>, name: &str, why: &'static str) -> Result<&'n Node> {
        object.get(name).ok_or_else(|| self.0.refuse(object.at, why))
    }

    fn list<'n>(&self, node: &'n Node) -> Result<&'n [Node]> {
        match &node.value {
            Value::List(list) => Ok(list),
            _ => Err(self.0.refuse(node.at, "expected a list")),
        }
    }

    fn text<'n>(&self, node: &'n Node) -> Result<&'n str> {
        match &node.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.0.refuse(node.at, "expected a string")),
        }
    }

    fn whole(&self, node: &Node) -> Result<u64> {
        match node.value {
            Value::Whole(number) => Ok(number),
            _ => Err(self.0.refuse(node.at, "expected a whole number from 0 to 2^64 - 1")),
        }
    }

    fn flag(&self, object: &Members<'_>, name: &str, default: bool) -> Result<bool> {
        match object.get(name) {
            None => Ok(default),
            Some(Node { value: Value::Bool(flag), .. }) => Ok(*flag),
            Some(node) => Err(self.0.refuse(node.at, "expected true or false")),
        }
    }

    fn pair<'n>(&self, node: &'n Node, why: &'static str) -> Result<(&'n Node, &'n Node)> {
        match self.list(node)? {
            [first, second] => Ok((first, second)),
            _ => Err(self.0.refuse(node.at, why)),
        }
    }

    fn options(&self, node: &Node) -> Result<Options> {
        let object = self.object(node, &["typed", "bank_skew", "protect_persistent", "shared_per"])?;
        let defaults = Options::default();
        Ok(Options {
            typed: self.flag(&object, "typed", defaults.typed)?,
            bank_skew: self.flag(&object, "bank_skew", defaults.bank_skew)?,
            protect_persistent: self.flag(&object, "protect_persistent", defaults.protect_persistent)?,
            shared_per: match object.get("shared_per") {
                None => defaults.shared_per,
                Some(node) => SharedPer::from_name(self.text(node)?)?,
            },
        })
    }

    fn lifetime(&self, node: &Node) -> Result<Lifetime> {
        let (begin, end) = self.pair(node, "expected [begin, end], the end not included")?;
        Ok(Lifetime { begin: self.whole(begin)?, end: self.whole(end)? })
    }

    fn spec(&self, object: &Members<'_>) -> Result<Spec> {
        Ok(Spec {
            size: self.whole(self.required(object, "size", "a buffer needs a size")?)?,
            location: Location::from_name(self.text(self.required(
                object,
                "location",
                "a buffer needs a location",
            )?)?)?,
            persistent: self.flag(object, "persistent", false)?,
            precision: match object.get("precision") {
                None => Precision::default(),
                Some(node) => Precision::from_name(self.text(node)?)?,
            },
            lifetime: object.given("lifetime").map(|node| self.lifetime(node)).transpose()?,
        })
    }

    /// Registers what one element of `buffers` says.
    fn buffer(&self, load: &mut Load<'_>, key: u64, options: Options, node: &Node) -> Result<()> {
        const OF_BUFFER: [&str; 7] =
            ["name", "size", "location", "persistent", "aliases", "precision", "lifetime"];
        if let Value::Object(members) = &node.value
            && members.iter().any(|(name, _)| name == "child")
        {
            let object = self.object(node, &["child", "group", "aliases"])?;
            let name = self.text(self.required(&object, "child", "a child needs a name")?)?;
            let group = self.required(&object, "group", "a child needs a group: its number, or null")?;
            let child = match group.value {
                // A child that has no buffers: any key that is nobody's.
                Value::Null => load.free_key(),
                _ => {
                    let index = self.whole(group)?;
                    let found = usize::try_from(index).ok().and_then(|index| load.keys.get(index));
                    *found
                        .ok_or_else(|| self.0.refuse(group.at, "the document has no group of that number"))?
                }
            };
            let aliases = object.given("aliases").map(|node| self.text(node)).transpose()?;
            return load.state.register_child(key, options, name, child, aliases);
        }
        let object = self.object(node, &OF_BUFFER)?;
        let name = self.text(self.required(&object, "name", "a buffer needs a name")?)?;
        let aliases = object.given("aliases").map(|node| self.text(node)).transpose()?;
        load.state.change(key, options, |group| group.register(name, aliases, || self.spec(&object)))
    }

    fn plan(&self, state: &mut State, key: u64, node: &Node) -> Result<()> {
        let group =
            state.groups.get_mut(&key).ok_or_else(|| self.0.refuse(node.at, "a plan of no buffers"))?;
        let mut plan = try_vec(group.entries.len())?;
        plan.resize(group.entries.len(), NOT_PLANNED);
        for pair in self.list(node)? {
            let (name, offset) = self.pair(pair, "expected [name, offset]")?;
            let (name, offset) = (self.text(name)?, self.whole(offset)?);
            let index = group.find(name).ok_or_else(|| no_name(name))?;
            let entry = &group.entries[index];
            if entry.alias.is_some() || entry.spec.lifetime.is_none() || plan[index] != NOT_PLANNED {
                let why = "a plan places each buffer once, and only those with a lifetime that are no alias";
                return Err(self.0.refuse(pair.at, why));
            }
            if group.options.protect_persistent && entry.spec.persistent {
                let why = "a plan does not place a persistent buffer where protect_persistent is set";
                return Err(self.0.refuse(pair.at, why));
            }
            plan[index] = offset;
        }
        group.plan = Some(plan);
        let (group, all) = state.known(key)?;
        if lifetimes::plan_holds(group, all)? {
            Ok(())
        } else {
            let why = "a plan in which buffers overlap while both are alive, or are not aligned";
            Err(self.0.refuse(node.at, why))
        }
    }

    /// Builds the document's groups, the first of them under `parent`.
    fn document(&mut self, parent: u64, taken: &State) -> Result<State> {
        let document = self.0.document()?;
        let object = self.object(&document, &["format", "version", "groups"])?;
        let format = self.required(&object, "format", "a layout has a format")?;
        if self.text(format)? != FORMAT {
            return Err(self.0.refuse(format.at, "expected \"backbuf-layout\""));
        }
        let version = self.required(&object, "version", "a layout has a version")?;
        if self.whole(version)? != VERSION {
            return Err(self
                .0
                .refuse(version.at, "a version that this library does not know; it reads version 1"));
        }
        let groups = self.list(self.required(&object, "groups", "a layout has groups")?)?;
        if groups.is_empty() {
            return Err(self.0.refuse(object.at, "a layout has one group at least"));
        }
        let mut load =
            Load { state: State::default(), keys: try_vec(groups.len())?, taken, highest_free: u64::MAX };
        load.keys.push(parent);
        while load.keys.len() < groups.len() {
            let key = load.free_key();
            load.keys.push(key);
        }
        const OF_GROUP: [&str; 4] = ["options", "buffers", "plan", "layout"];
        for (index, node) in groups.iter().enumerate() {
            let (key, group) = (load.keys[index], self.object(node, &OF_GROUP)?);
            let options =
                group.given("options").map(|node| self.options(node)).transpose()?.unwrap_or_default();
            for buffer in self.list(self.required(&group, "buffers", "a group has buffers")?)? {
                self.buffer(&mut load, key, options, buffer)?;
            }
        }
        // Only now: what is registered in a child takes its host's plan away.
        for (node, &key) in groups.iter().zip(&load.keys) {
            if key != parent && !load.state.is_child(key) {
                return Err(self
                    .0
                    .refuse(node.at, "a group that is nobody's child; a document holds one layout"));
            }
            if let Some(plan) = self.object(node, &OF_GROUP)?.given("plan") {
                self.plan(&mut load.state, key, plan)?;
            }
        }
        Ok(load.state)
    }
}

/// What has been read so far.
struct Load<'a> {
    state: State,
    /// By number of the group in the document.
    keys: Vec<u64>,
    /// Where it will go.
    taken: &'a State,
    /// No key above it is free.
    highest_free: u64,
}

impl Load<'_> {
    /// A key that no group has, and that is not given out again.
    fn free_key(&mut self) -> u64 {
        loop {
            let key = self.highest_free;
            self.highest_free = key.wrapping_sub(1);
            if self.keys.first() != Some(&key) && !self.taken.knows(key) {
                return key;
            }
        }
    }
}

impl<'a> Members<'a> {
    fn get(&self, name: &str) -> Option<&'a Node> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, node)| node)
    }

    /// The same, null being none.
    fn given(&self, name: &str) -> Option<&'a Node> {
        self.get(name).filter(|node| !matches!(node.value, Value::Null))
    }
}

impl Registry {
    /// Registers what [`Registry::json`] wrote, or a person in its form. The document's first group becomes `parent`, which
    /// must be unknown; its children get keys of their own. Malformed text is told with line and column, and loads nothing.
    ///
    /// What a buffer may leave out: `persistent`, `aliases`, `precision` (f32) and `lifetime`; a group, its `options` and
    /// `plan`. What a layout says of offsets is for readers: they are worked out.
    ///
    /// ```
    /// use backbuf::registry::Registry;
    /// let registry = Registry::new();
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
        let mut state = self.lock_to_change()?;
        if state.groups.contains_key(&parent) {
            let why = "has buffers already; clear_parent forgets them";
            return Err(Error::value(Status::Exists, "parent", parent, why));
        }
        let loaded = Reader(Parser::new(text)).document(parent, &state)?;
        state.merge(parent, loaded)
    }
}

impl Layout {
    /// The layout that a document of [`Registry::json`] describes: that of its first group.
    ///
    /// ```
    /// use backbuf::registry::{Buffer, Layout, Registry};
    /// let registry = Registry::new();
    /// registry.register(1, &Buffer::shared("k1", 100))?;
    /// assert_eq!(Layout::from_json(&registry.json(1)?)?.hash, registry.layout_hash(1)?);
    /// # Ok::<(), backbuf::Error>(())
    /// ```
    pub fn from_json(text: &str) -> Result<Layout> {
        let registry = Registry::new();
        registry.load_json(0, text)?;
        registry.layout(0)
    }
}
