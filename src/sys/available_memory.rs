//! Memory available to this process: what the machine has left, limited by its control groups.

use crate::sys::control_group::{self, Version, read, read_in};

/// Files of a control group: the limit, the usage, and the lines of `memory.stat` that count reclaimable file pages.
struct Names {
    limit: &'static str,
    usage: &'static str,
    reclaimable: [&'static str; 2],
}

const V1: Names = Names {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    reclaimable: ["total_active_file", "total_inactive_file"],
};

const V2: Names =
    Names { limit: "memory.max", usage: "memory.current", reclaimable: ["active_file", "inactive_file"] };

/// Bytes that new memory could be filled with now. An estimate: other processes take and return memory meanwhile. `None` if
/// the system does not report it.
pub(super) fn available_memory() -> Option<u64> {
    let mut buffer = [0; 4096];
    let text = read("/proc/meminfo", &mut buffer)?;
    let kib = field(text, "MemAvailable:")?.saturating_add(field(text, "SwapFree:").unwrap_or(0));
    let left = control_group::least("memory", "/sys/fs/cgroup/memory", |root, group, version| {
        let names = if version == Version::V1 { &V1 } else { &V2 };
        left(root, group, names)
    });
    Some(kib.saturating_mul(1024).min(left.unwrap_or(u64::MAX)))
}

/// Bytes left under one group's own limit.
fn left(root: &str, group: &str, names: &Names) -> Option<u64> {
    let mut buffer = [0; 4096];
    // The limit of a group without one reads "max".
    let limit = read_in(root, group, names.limit, &mut buffer)?.trim().parse::<u64>().ok()?;
    let usage = read_in(root, group, names.usage, &mut buffer)?.trim().parse::<u64>().ok()?;
    let stat = read_in(root, group, "memory.stat", &mut buffer).unwrap_or("");
    let cached: u64 = names.reclaimable.iter().filter_map(|name| field(stat, name)).sum();
    Some(limit.saturating_sub(usage.saturating_sub(cached)))
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::control_group::least_above;

    #[test]
    fn the_machine_reports_what_is_available() {
        let available = available_memory().unwrap();
        assert!(available > 0 && available < 1 << 50, "{available}");
    }

    #[test]
    fn the_tightest_limit_of_the_groups_above_counts() {
        let root = std::env::temp_dir().join(format!("backbuf-cgroup-{}", std::process::id()));
        let write = |group: &str, name: &str, text: &str| {
            std::fs::create_dir_all(root.join(group)).unwrap();
            std::fs::write(root.join(group).join(name), text).unwrap();
        };
        write("", "memory.stat", "");
        write("a", "memory.max", "1000\n");
        write("a", "memory.current", "400\n");
        write("a", "memory.stat", "anon 1\nactive_file 30\ninactive_file 20\n");
        write("a/b", "memory.max", "max\n");
        write("a/c", "memory.max", "500\n");
        write("a/c", "memory.current", "600\n");
        let root = root.to_str().unwrap();
        let left = |group| least_above(group, |group| left(root, group, &V2));
        assert_eq!(left("/"), None);
        assert_eq!(left("/a"), Some(650), "file pages can be reclaimed");
        assert_eq!(left("/a/b"), Some(650), "the limit is of the group above");
        assert_eq!(left("/a/c"), Some(0));
        assert_eq!(left("/elsewhere/a"), None);
        std::fs::remove_dir_all(root).unwrap();
    }
}
