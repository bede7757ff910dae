//! Memory available to this process: what the machine has left, limited by its control groups.

use std::fs::File;
use std::io::{Read, Write};

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
    Some(kib.saturating_mul(1024).min(left_by_groups()))
}

/// Bytes left under the limits of this process's control groups; `u64::MAX` without a limit.
fn left_by_groups() -> u64 {
    let mut buffer = [0; 4096];
    let text = read("/proc/self/cgroup", &mut buffer).unwrap_or("");
    let left = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        if controllers.is_empty() {
            Some(left_by_group("/sys/fs/cgroup", group, &V2))
        } else {
            let memory = controllers.split(',').any(|controller| controller == "memory");
            memory.then(|| left_by_group("/sys/fs/cgroup/memory", group, &V1))
        }
    });
    left.min().unwrap_or(u64::MAX)
}

/// The fewest bytes left in a group and its parents. In a container, only the upper part of the path may be visible.
fn left_by_group(root: &str, group: &str, names: &Names) -> u64 {
    let mut group = group.trim_end_matches('/');
    let mut least = u64::MAX;
    loop {
        least = least.min(left(root, group, names).unwrap_or(u64::MAX));
        let Some(above) = group.rfind('/') else { return least };
        group = &group[..above];
    }
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

fn read_in<'a>(root: &str, group: &str, name: &str, buffer: &'a mut [u8]) -> Option<&'a str> {
    let mut path = [0; 512];
    let mut rest = &mut path[..];
    write!(rest, "{root}{group}/{name}").ok()?;
    let unused = rest.len();
    read(std::str::from_utf8(&path[..path.len() - unused]).ok()?, buffer)
}

/// The start of a file, as much as the buffer holds. Allocates nothing.
fn read<'a>(path: &str, buffer: &'a mut [u8]) -> Option<&'a str> {
    let mut file = File::open(path).ok()?;
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]).ok()? {
            0 => break,
            more => length += more,
        }
    }
    std::str::from_utf8(&buffer[..length]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let left = |group| left_by_group(root.to_str().unwrap(), group, &V2);
        assert_eq!(left("/"), u64::MAX);
        assert_eq!(left("/a"), 650, "file pages can be reclaimed");
        assert_eq!(left("/a/b"), 650, "the limit is of the group above");
        assert_eq!(left("/a/c"), 0);
        assert_eq!(left("/elsewhere/a"), u64::MAX);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
