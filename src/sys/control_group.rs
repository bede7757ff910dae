//! Control groups of this process: the tightest limit of its group and the groups above, and its quota of CPUs.
//!
//! Version 1 has a tree for each controller, version 2 one for all. Nothing here allocates.

use std::fs::File;
use std::io::{Read, Write};

/// The two interfaces, whose files differ in name and form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// The smallest limit of `controller` over the groups of this process and those above. `limit` reads the limit of one group, by the
/// root of its tree and its path. None without a limit.
pub(super) fn least(
    controller: &str,
    root_of_v1: &str,
    limit: impl Fn(&str, &str, Version) -> Option<u64>,
) -> Option<u64> {
    let mut buffer = [0; 4096];
    let text = read("/proc/self/cgroup", &mut buffer).unwrap_or("");
    let limits = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        let (root, version) = match controllers {
            "" => ("/sys/fs/cgroup", Version::V2),
            _ if controllers.split(',').any(|name| name == controller) => (root_of_v1, Version::V1),
            _ => return None,
        };
        least_above(group, |group| limit(root, group, version))
    });
    limits.min()
}

/// The smallest limit of a group and those above. In a container, only the upper part of the path may be visible.
pub(super) fn least_above(group: &str, limit: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let mut group = group.trim_end_matches('/');
    let mut least: Option<u64> = None;
    loop {
        least = [least, limit(group)].into_iter().flatten().min();
        let Some(above) = group.rfind('/') else { return least };
        group = &group[..above];
    }
}

/// How many CPUs' time this process may use by its quota, rounded down, at least 1. None without a quota.
pub(super) fn cpu_quota() -> Option<u64> {
    let cpus = least("cpu", "/sys/fs/cgroup/cpu", quota)?;
    Some(cpus.max(1))
}

/// The quota of one group, in CPUs.
fn quota(root: &str, group: &str, version: Version) -> Option<u64> {
    let (mut first, mut second) = ([0; 64], [0; 64]);
    let (quota, period) = match version {
        // A group without a quota reads "max", or -1 in version 1.
        Version::V2 => read_in(root, group, "cpu.max", &mut first)?.trim().split_once(' ')?,
        Version::V1 => (
            read_in(root, group, "cpu.cfs_quota_us", &mut first)?.trim(),
            read_in(root, group, "cpu.cfs_period_us", &mut second)?.trim(),
        ),
    };
    quota.parse::<u64>().ok()?.checked_div(period.parse().ok()?)
}

/// The start of a file of a group.
pub(super) fn read_in<'a>(root: &str, group: &str, name: &str, buffer: &'a mut [u8]) -> Option<&'a str> {
    let mut path = [0; 512];
    let mut rest = &mut path[..];
    write!(rest, "{root}{group}/{name}").ok()?;
    let unused = rest.len();
    read(std::str::from_utf8(&path[..path.len() - unused]).ok()?, buffer)
}

/// The start of a file, as much as the buffer holds.
pub(super) fn read<'a>(path: &str, buffer: &'a mut [u8]) -> Option<&'a str> {
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
    fn the_quota_counts_whole_cpus() {
        let root = std::env::temp_dir().join(format!("backbuf-cpu-quota-{}", std::process::id()));
        let write = |group: &str, name: &str, text: &str| {
            std::fs::create_dir_all(root.join(group)).unwrap();
            std::fs::write(root.join(group).join(name), text).unwrap();
        };
        write("none", "cpu.max", "max 100000\n");
        write("two", "cpu.max", "250000 100000\n");
        write("two/half", "cpu.max", "50000 100000\n");
        write("old", "cpu.cfs_quota_us", "-1\n");
        write("old", "cpu.cfs_period_us", "100000\n");
        write("old/three", "cpu.cfs_quota_us", "300000\n");
        write("old/three", "cpu.cfs_period_us", "100000\n");
        write("broken", "cpu.max", "100 0\n");
        let root = root.to_str().unwrap();
        let cpus = |group, version| least_above(group, |group| quota(root, group, version));
        assert_eq!(cpus("/none", Version::V2), None);
        assert_eq!(cpus("/two", Version::V2), Some(2));
        assert_eq!(cpus("/two/half", Version::V2), Some(0), "the group's own quota is tighter");
        assert_eq!(cpus("/two/other", Version::V2), Some(2), "the quota is of the group above");
        assert_eq!(cpus("/old", Version::V1), None);
        assert_eq!(cpus("/old/three", Version::V1), Some(3));
        assert_eq!(cpus("/broken", Version::V2), None);
        assert_eq!(cpus("/elsewhere", Version::V2), None);
        std::fs::remove_dir_all(root).unwrap();
    }
}
