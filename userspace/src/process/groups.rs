//! Control groups by their ids, for processes that have ended.

use std::{
    collections::{HashMap, VecDeque},
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::cgroup::{Membership, parse_path};

/// How many groups one walk through the hierarchy visits, those near the root first.
const MOST_VISITED: usize = 16_384;

/// How many walks there may be until they are renewed.
const WALKS: u32 = 4;

/// What the groups of the v2 hierarchy say, as far as anybody has asked: a group of which only the id is known is looked for in
/// all of it, so what a walk comes by is kept.
#[derive(Debug)]
pub struct Groups {
    root: PathBuf,
    most_visited: usize,
    seen: HashMap<u64, Membership>,
    walks: u32,
    unsought: u64,
}

impl Default for Groups {
    fn default() -> Self {
        Self::at(Path::new("/sys/fs/cgroup"))
    }
}

impl Groups {
    fn at(root: &Path) -> Self {
        let root = root.to_owned();
        Self { root, most_visited: MOST_VISITED, seen: HashMap::new(), walks: WALKS, unsought: 0 }
    }

    /// Lets the hierarchy be walked through again; to be called once in a while, as at a tick. Gives for how many groups it
    /// was not since the last time.
    pub fn renew(&mut self) -> u64 {
        self.walks = WALKS;
        std::mem::take(&mut self.unsought)
    }

    /// What the group of this id says; nothing if it is gone.
    ///
    /// The id is the inode number of the group's directory (`cgroup_id()`, `include/linux/cgroup.h`).
    pub(super) fn membership(&mut self, id: u64) -> Membership {
        if let Some(membership) = self.seen.get(&id) {
            return membership.clone();
        }
        if self.walks == 0 {
            self.unsought += 1;
            return Membership::default();
        }
        self.walks -= 1;
        self.walk();
        self.seen.get(&id).cloned().unwrap_or_default()
    }

    fn walk(&mut self) {
        // Groups that have gone stay known for a while.
        if self.seen.len() > self.most_visited {
            self.seen.clear();
        }
        let mut to_visit = VecDeque::from([self.root.clone()]);
        for _ in 0..self.most_visited {
            let Some(directory) = to_visit.pop_front() else { break };
            if let Ok(metadata) = fs::symlink_metadata(&directory) {
                let path = directory.strip_prefix(&self.root).unwrap_or(&directory);
                self.seen.insert(metadata.ino(), parse_path(&path.to_string_lossy()));
            }
            let room = self.most_visited.saturating_sub(to_visit.len());
            let Ok(entries) = fs::read_dir(&directory) else { continue };
            let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
            let below = entries.filter_map(Result::ok).filter(is_directory).map(|entry| entry.path());
            to_visit.extend(below.take(room));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::MetadataExt as _,
        path::{Path, PathBuf},
    };

    use super::{Groups, WALKS};

    /// Makes a group; gives its id.
    fn make(root: &Path, group: &str) -> (PathBuf, u64) {
        let group = root.join(group);
        fs::create_dir_all(&group).expect("create the group");
        let id = fs::metadata(&group).expect("read the group").ino();
        (group, id)
    }

    fn unit(groups: &mut Groups, id: u64) -> Option<String> {
        groups.membership(id).unit
    }

    #[test]
    fn a_group_is_found_by_its_id_and_stays_known() {
        let root = tempfile::tempdir().expect("temporary directory");
        let (group, id) = make(root.path(), "system.slice/docker-0123456789ab.scope");
        let mut groups = Groups::at(root.path());
        assert_eq!(unit(&mut groups, id).as_deref(), Some("docker-0123456789ab.scope"));
        fs::remove_dir(&group).expect("remove the group");
        assert_eq!(unit(&mut groups, id).as_deref(), Some("docker-0123456789ab.scope"));
        assert_eq!(unit(&mut groups, u64::MAX), None);
    }

    #[test]
    fn the_hierarchy_is_walked_through_only_so_often() {
        let root = tempfile::tempdir().expect("temporary directory");
        let mut groups = Groups::at(root.path());
        for gone in 0..u64::from(WALKS) + 5 {
            assert_eq!(unit(&mut groups, u64::MAX - gone), None);
        }
        let (_, id) = make(root.path(), "system.slice/late.service");
        assert_eq!(unit(&mut groups, id), None, "no walk is left");
        assert_eq!(groups.renew(), 6);
        assert_eq!(unit(&mut groups, id).as_deref(), Some("late.service"));
    }

    #[test]
    fn many_groups_below_hide_none_near_the_root() {
        let root = tempfile::tempdir().expect("temporary directory");
        for number in 0..100 {
            make(root.path(), &format!("a.slice/mess/{number}.scope"));
        }
        let (_, id) = make(root.path(), "z.slice/near.service");
        let mut groups = Groups { most_visited: 20, ..Groups::at(root.path()) };
        assert_eq!(unit(&mut groups, id).as_deref(), Some("near.service"));
        assert_eq!(groups.seen.len(), 20);
    }
}
